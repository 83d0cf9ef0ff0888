-- What was last heard of each bridge, by whichever replica, so that one that neither
-- says nor answers anything is noticed, once for all of them.
CREATE TABLE tributary.bridges (
    id           text PRIMARY KEY,
    -- when it last pushed a status or answered a question
    heard_at     timestamptz NOT NULL DEFAULT now(),
    -- when it was last asked because nothing had come
    asked_at     timestamptz,
    -- such questions in a row that had no answer
    misses       integer NOT NULL DEFAULT 0,
    -- since when nothing came, once it counts as silent
    silent_since timestamptz
);
ALTER TABLE tributary.bridges ENABLE ROW LEVEL SECURITY;
