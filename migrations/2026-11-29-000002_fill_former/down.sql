-- What nothing else shows goes, and its object.
WITH shown AS (
    SELECT former_avatar_media_id AS id FROM tributary.conversation_access
    UNION SELECT avatar_media_id FROM tributary.former_people
), gone AS (
    DELETE FROM tributary.media i USING shown s
    WHERE i.id = s.id
      AND NOT EXISTS (SELECT 1 FROM tributary.attachments a WHERE a.media_id = i.id)
      AND NOT EXISTS (SELECT 1 FROM tributary.conversations c WHERE c.avatar_media_id = i.id)
      AND NOT EXISTS (SELECT 1 FROM tributary.participants p WHERE p.avatar_media_id = i.id)
    RETURNING i.sha256
)
UPDATE tributary.media_objects o SET released_at = now() FROM gone g WHERE o.sha256 = g.sha256;
UPDATE tributary.conversation_access SET has_left = false, former_avatar_media_id = NULL WHERE has_left;
DELETE FROM tributary.former_people;
