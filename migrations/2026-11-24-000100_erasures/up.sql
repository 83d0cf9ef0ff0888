-- What was erased, when and how much: the receipt, which holds no content. It names
-- the Clerk user by hash alone, so that whoever knows the id finds it and nobody is listed.
CREATE TABLE tributary.erasures (
    id            uuid PRIMARY KEY,
    cause         text NOT NULL CHECK (cause IN ('connection', 'account', 'user_deleted')),
    -- SHA-256
    user_hash     bytea NOT NULL,
    requested_at  timestamptz NOT NULL,
    finished_at   timestamptz,
    conversations integer NOT NULL,
    messages      bigint NOT NULL DEFAULT 0,
    media         bigint NOT NULL DEFAULT 0,
    dead_letters  bigint NOT NULL DEFAULT 0
);
CREATE INDEX erasures_user ON tributary.erasures (user_hash, requested_at);

-- Rooms that an erasure has yet to go through. Nobody gains access to one of them
-- before: what is about to go must not be seen again.
CREATE TABLE tributary.erasure_rooms (
    erasure_id  uuid NOT NULL REFERENCES tributary.erasures ON DELETE CASCADE,
    room_id     text NOT NULL REFERENCES tributary.rooms ON DELETE CASCADE,
    -- messages up to this event id have been looked at
    after_event text NOT NULL DEFAULT '',
    PRIMARY KEY (erasure_id, room_id)
);
CREATE INDEX erasure_rooms_room ON tributary.erasure_rooms (room_id);

ALTER TABLE tributary.erasures ENABLE ROW LEVEL SECURITY;
ALTER TABLE tributary.erasure_rooms ENABLE ROW LEVEL SECURITY;
