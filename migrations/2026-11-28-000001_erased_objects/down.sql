ALTER TABLE tributary.media_objects DROP COLUMN erasure_id;
