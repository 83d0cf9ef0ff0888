-- What nobody can see is not kept either: edits of edits and reactions to them, which
-- the redaction of the message could not reach, and dead letters of what is about it.

-- The event that the one in the letter edits or reacts to.
ALTER TABLE tributary.dead_letters ADD COLUMN target_event_id text;

CREATE FUNCTION pg_temp.about(relation json) RETURNS text LANGUAGE sql AS $$
    -- As long as an id of Matrix at most, or an index could not hold it.
    SELECT CASE WHEN relation ->> 'rel_type' IN ('m.replace', 'm.annotation')
                 AND octet_length(relation ->> 'event_id') <= 255 THEN relation ->> 'event_id' END
$$;
-- A block each: what cannot be read as JSON is no reason to keep the others. Of that
-- the relation is read alone.
DO $$
DECLARE
    letter record;
BEGIN
    FOR letter IN SELECT id, raw FROM tributary.dead_letters LOOP
        BEGIN
            UPDATE tributary.dead_letters
            SET target_event_id = pg_temp.about(letter.raw::json #> '{content,m.relates_to}')
            WHERE id = letter.id;
        EXCEPTION WHEN data_exception OR statement_too_complex THEN
            BEGIN
                UPDATE tributary.dead_letters
                SET target_event_id = pg_temp.about(
                    substring(letter.raw FROM '"m\.relates_to"\s*:\s*(\{[^{}]*\})')::json)
                WHERE id = letter.id;
            EXCEPTION WHEN data_exception OR statement_too_complex THEN
                NULL;
            END;
        END;
    END LOOP;
END
$$;
DROP FUNCTION pg_temp.about(json);

DELETE FROM tributary.dead_letters l USING tributary.redactions d
WHERE d.room_id = l.room_id AND d.redacts = l.target_event_id;
DELETE FROM tributary.dead_letters l USING tributary.message_versions e
WHERE e.room_id = l.room_id AND e.event_id = l.target_event_id AND e.target_event_id <> e.event_id;
CREATE INDEX dead_letters_target ON tributary.dead_letters (target_event_id, room_id)
    WHERE target_event_id IS NOT NULL;

UPDATE tributary.message_versions v
SET type = v.event_type, body = '', formatted_body = NULL, content = NULL
FROM tributary.message_versions e
WHERE e.room_id = v.room_id AND e.event_id = v.target_event_id AND e.target_event_id <> e.event_id
  AND v.content IS NOT NULL;
DELETE FROM tributary.reactions r USING tributary.message_versions e
WHERE e.room_id = r.room_id AND e.event_id = r.target_event_id AND e.target_event_id <> e.event_id;

CREATE TEMPORARY TABLE taken ON COMMIT DROP AS
SELECT a.room_id, a.event_id, a.media_id FROM tributary.attachments a
JOIN tributary.message_versions e ON e.room_id = a.room_id AND e.event_id = a.target_event_id
WHERE e.target_event_id <> e.event_id;
DELETE FROM tributary.attachments a USING taken t WHERE a.room_id = t.room_id AND a.event_id = t.event_id;
DELETE FROM tributary.media i
WHERE i.id IN (SELECT media_id FROM taken)
  AND NOT EXISTS (SELECT 1 FROM tributary.attachments a WHERE a.media_id = i.id)
  AND NOT EXISTS (SELECT 1 FROM tributary.conversations c WHERE c.avatar_media_id = i.id)
  AND NOT EXISTS (SELECT 1 FROM tributary.participants p WHERE p.avatar_media_id = i.id);
