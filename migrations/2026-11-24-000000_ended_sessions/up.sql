-- Clerk sessions that ended before their tokens did, and deleted users, whose sessions
-- are all over: `sess_...` and `user_...`. Read by every replica; a row is needed no
-- longer than the longest token lives.
CREATE TABLE tributary.ended_sessions (
    id       text PRIMARY KEY,
    -- not the transaction's begin: replicas read on from the newest one that they know
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ended_sessions_ended_at ON tributary.ended_sessions (ended_at);

-- Ids of webhook deliveries that have had their effect.
CREATE TABLE tributary.webhook_deliveries (
    id          text PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_deliveries_received_at ON tributary.webhook_deliveries (received_at);

ALTER TABLE tributary.ended_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE tributary.webhook_deliveries ENABLE ROW LEVEL SECURITY;
