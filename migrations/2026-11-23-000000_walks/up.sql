-- How far back a room's history has come in without a gap, so that a later backfill
-- goes on from there. The row goes when somebody gains access: of what nobody could
-- see nothing was kept.
CREATE TABLE tributary.walks (
    room_id        text PRIMARY KEY REFERENCES tributary.rooms ON DELETE CASCADE,
    fold_version   integer NOT NULL,
    -- where the next page begins; null is the newest event
    token          text,
    -- messages up to there, and up to where the walk has ended: not all that was read
    -- behind the token was asked for
    token_messages bigint NOT NULL DEFAULT 0,
    messages       bigint NOT NULL DEFAULT 0,
    oldest_at      timestamptz,
    -- a whole page was older than this; null while none was
    cut_at         timestamptz,
    -- the room's beginning was reached
    is_whole       boolean NOT NULL DEFAULT false
);
ALTER TABLE tributary.walks ENABLE ROW LEVEL SECURITY;

ALTER TABLE tributary.rooms
    -- up to where the room has been compared with what was pushed
    ADD COLUMN reconcile_token text;

-- Constant defaults: no row is rewritten.
ALTER TABLE tributary.jobs
    -- whose work it is; empty for nobody's in particular
    ADD COLUMN share text NOT NULL DEFAULT '',
    -- how much of theirs is before it: everybody's first is done before anybody's second
    ADD COLUMN turn integer NOT NULL DEFAULT 0;
CREATE INDEX jobs_turn ON tributary.jobs (kind, turn, run_at, id) WHERE state IN ('queued', 'waiting');
CREATE INDEX jobs_share ON tributary.jobs (kind, share) WHERE state IN ('queued', 'running', 'waiting');
DROP INDEX tributary.jobs_due;
