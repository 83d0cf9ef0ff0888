-- Whose erasure it waits for: a receipt says that it is through when the objects are gone
-- as well.
ALTER TABLE tributary.media_objects ADD COLUMN erasure_id uuid;
CREATE INDEX media_objects_erasure ON tributary.media_objects (erasure_id) WHERE erasure_id IS NOT NULL;
