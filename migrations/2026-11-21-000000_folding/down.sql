-- What is shown of an edited message is its original again.
UPDATE tributary.messages m
SET type = v.type, body = v.body, formatted_body = v.formatted_body, content = v.content
FROM tributary.message_versions v
WHERE v.room_id = m.room_id AND v.event_id = m.event_id AND v.target_event_id = v.event_id
  AND m.deleted_at IS NULL;
-- An older version does not know what these rooms' edits and reactions were.
UPDATE tributary.rooms SET fold_version = least(fold_version, 1);
ALTER TABLE tributary.participants DROP COLUMN has_spoken;
ALTER TABLE tributary.messages
    DROP COLUMN edited_at, DROP COLUMN edit_event_id, DROP COLUMN edit_received_at, DROP COLUMN metadata;
DROP TABLE tributary.attachments;
DROP TABLE tributary.reactions;
DROP TABLE tributary.message_versions;
