-- When the leave was said that ended a grant, by the homeserver's clock: when it was received is
-- counted back from when it came in, which is too late for one that was held up. Nulls: no row is
-- rewritten, and those that have ended stay as they are.
ALTER TABLE tributary.room_grants
    -- milliseconds; null while the grant is open, and when no leave of that time has ended it
    ADD COLUMN until_ts bigint;
