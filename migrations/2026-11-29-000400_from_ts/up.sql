-- When a return that was held up was said, with which a grant begins, by the homeserver's clock: when it was
-- received is counted back from when it came in, which is too late for it. Nulls: no row is rewritten, and those
-- that are there stay as they are.
ALTER TABLE tributary.room_grants
    -- milliseconds; null when the grant begins with the room, or with a return that came in at once
    ADD COLUMN from_ts bigint;
