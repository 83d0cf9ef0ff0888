ALTER TABLE tributary.dead_letters DROP COLUMN target_event_id;
