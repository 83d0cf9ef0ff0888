ALTER TABLE tributary.room_grants DROP COLUMN from_ts;
