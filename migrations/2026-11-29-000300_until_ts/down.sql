ALTER TABLE tributary.room_grants DROP COLUMN until_ts;
