ALTER TABLE tributary.media
    DROP CONSTRAINT media_stored, DROP COLUMN sha256, DROP COLUMN size, DROP COLUMN mime_type,
    DROP COLUMN attempts, DROP COLUMN due_at, DROP COLUMN error, DROP COLUMN settled_at;
DROP INDEX tributary.media_pending;
DROP TABLE tributary.media_uploads;
DROP TABLE tributary.media_objects;
-- It is fetched anew when the archive is there again.
UPDATE tributary.media SET state = 'pending' WHERE state <> 'pending';
