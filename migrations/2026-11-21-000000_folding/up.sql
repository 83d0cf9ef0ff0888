-- The versions of edited messages. Every edit is remembered as one, for ever, so
-- that a pruned copy of it is not taken for a message; what a redaction left of it
-- has no content. The original is here too while an edit is shown in its stead:
-- its row is the one whose event_id is its target.
CREATE TABLE tributary.message_versions (
    room_id          text NOT NULL REFERENCES tributary.rooms ON DELETE CASCADE,
    event_id         text NOT NULL,
    target_event_id  text NOT NULL,
    sender           text NOT NULL,
    event_type       text NOT NULL,
    type             text NOT NULL,
    body             text NOT NULL,
    formatted_body   text,
    content          jsonb,
    -- milliseconds, as the sender's server claimed: decides which edit is shown
    origin_server_ts bigint NOT NULL,
    "timestamp"      timestamptz NOT NULL,
    received_at      timestamptz NOT NULL,
    PRIMARY KEY (room_id, event_id)
);
-- Other than the key it does not begin with the room: while a table has no statistics,
-- the planner takes either of two indexes that do, also for what it has to filter then.
CREATE INDEX message_versions_target ON tributary.message_versions (target_event_id, room_id);

-- Reactions that stand, also to messages that are not known yet.
CREATE TABLE tributary.reactions (
    room_id          text NOT NULL REFERENCES tributary.rooms ON DELETE CASCADE,
    event_id         text NOT NULL,
    target_event_id  text NOT NULL,
    sender           text NOT NULL,
    key              text NOT NULL,
    origin_server_ts bigint NOT NULL,
    "timestamp"      timestamptz NOT NULL,
    received_at      timestamptz NOT NULL,
    PRIMARY KEY (room_id, event_id)
);
CREATE INDEX reactions_target ON tributary.reactions (target_event_id, room_id);

-- The file that an event brought: a message's, or a version's of it.
CREATE TABLE tributary.attachments (
    room_id         text NOT NULL REFERENCES tributary.rooms ON DELETE CASCADE,
    event_id        text NOT NULL,
    -- the message: the event itself, or the one that it is a version of
    target_event_id text NOT NULL,
    media_id        uuid NOT NULL REFERENCES tributary.media,
    kind            text NOT NULL CHECK (kind IN ('image', 'video', 'audio', 'voice', 'file', 'sticker')),
    filename        text,
    mime_type       text,
    -- bytes
    size            bigint,
    -- pixels
    width           integer,
    height          integer,
    duration_ms     bigint,
    PRIMARY KEY (room_id, event_id)
);
CREATE INDEX attachments_target ON tributary.attachments (target_event_id, room_id);
CREATE INDEX attachments_media ON tributary.attachments (media_id);

-- Constant defaults: no row is rewritten.
ALTER TABLE tributary.messages
    -- the edit that is shown; all three are null while it is the original
    ADD COLUMN edited_at        timestamptz,
    ADD COLUMN edit_event_id    text,
    ADD COLUMN edit_received_at timestamptz,
    -- {"reactions": [{"key", "count", "senders": [participant id]}]}, for whoever reads the table
    ADD COLUMN metadata         jsonb NOT NULL DEFAULT '{"reactions": []}';

-- Whether they have written, edited or reacted: a ghost that does is somebody,
-- whatever the bridge says of it.
ALTER TABLE tributary.participants ADD COLUMN has_spoken boolean NOT NULL DEFAULT false;
UPDATE tributary.participants p SET has_spoken = true
WHERE EXISTS (SELECT 1 FROM tributary.messages m WHERE m.sender_id = p.id);

ALTER TABLE tributary.message_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE tributary.reactions ENABLE ROW LEVEL SECURITY;
ALTER TABLE tributary.attachments ENABLE ROW LEVEL SECURITY;
