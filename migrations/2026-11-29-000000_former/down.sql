DROP TABLE tributary.former_people;
ALTER TABLE tributary.conversation_access DROP COLUMN former_avatar_media_id, DROP COLUMN has_left;
