-- Everything of Tributary lives in a schema of its own, always named in full:
-- behind a transaction pooler the search_path cannot be relied on.
CREATE SCHEMA tributary;

-- A UUIDv7 (RFC 9562): Postgres makes them itself only from version 18 on.
CREATE FUNCTION tributary.uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    placing substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;

-- One row. The epoch is part of every stream cursor: a restored backup gets a
-- new one, so that a cursor from the lost future is answered with `resync`.
CREATE TABLE tributary.installation (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch      uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tributary.installation DEFAULT VALUES;

-- The transaction ledger, a fast path only: a retry is not byte-equal, so the
-- digest covers the event ids; a re-created homeserver counts from 1 again, so
-- the id alone does not identify a transaction.
CREATE TABLE tributary.transactions (
    transaction_id text NOT NULL,
    digest         bytea NOT NULL,
    event_count    integer NOT NULL,
    received_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (transaction_id, digest)
);
CREATE INDEX transactions_received_at ON tributary.transactions (received_at);

-- Ties one Clerk user to one Matrix user on one bridge. `user_id` is null until
-- a link code is redeemed, `matrix_user_id` until the companion has reported.
CREATE TABLE tributary.messenger_connections (
    id                   uuid PRIMARY KEY,
    user_id              text,
    bridge_id            text,
    matrix_user_id       text,
    bridge_user_id       text,
    remote_name          text,
    status               text NOT NULL CHECK (status IN ('PENDING', 'CONNECTED', 'ERROR', 'DISCONNECTED')),
    error                text,
    link_code_hash       bytea,
    link_code_expires_at timestamptz,
    linked_at            timestamptz,
    disconnected_at      timestamptz,
    last_sync_at         timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    CHECK ((bridge_id IS NULL) = (matrix_user_id IS NULL)),
    -- Linked means: owned, and by an owner who knows which account it is.
    CHECK (linked_at IS NULL OR (user_id IS NOT NULL AND matrix_user_id IS NOT NULL))
);
-- A Matrix user belongs to at most one Clerk user at a time.
CREATE UNIQUE INDEX messenger_connections_matrix_user
    ON tributary.messenger_connections (bridge_id, matrix_user_id) WHERE disconnected_at IS NULL;
CREATE UNIQUE INDEX messenger_connections_link_code
    ON tributary.messenger_connections (link_code_hash) WHERE link_code_hash IS NOT NULL;
CREATE INDEX messenger_connections_user ON tributary.messenger_connections (user_id);

-- What the bridge last said of each of a Matrix user's logins; the best one wins.
CREATE TABLE tributary.bridge_logins (
    connection_id uuid NOT NULL REFERENCES tributary.messenger_connections ON DELETE CASCADE,
    remote_id     text NOT NULL,
    state_event   text NOT NULL,
    error         text,
    stated_at     timestamptz NOT NULL,
    PRIMARY KEY (connection_id, remote_id)
);

-- Hashes of OpenID tokens already taken as a proof: they have no audience, so a
-- second use within their hour is somebody else's.
CREATE TABLE tributary.used_openid_tokens (
    token_hash bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

CREATE TABLE tributary.link_attempts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      text NOT NULL,
    attempted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX link_attempts_user ON tributary.link_attempts (user_id, attempted_at);

-- A conversation is what the bridge calls a portal; it outlives its Matrix room.
CREATE TABLE tributary.conversations (
    id              uuid PRIMARY KEY DEFAULT tributary.uuid_v7(),
    bridge_id       text NOT NULL,
    network         text NOT NULL,
    protocol_id     text NOT NULL,
    channel_id      text NOT NULL,
    receiver        text NOT NULL DEFAULT '',
    matrix_room_id  text NOT NULL,
    name            text,
    topic           text,
    avatar_media_id uuid,
    is_group        boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (bridge_id, protocol_id, channel_id, receiver)
);

-- Every room the homeserver told us of, with what mapping needs and no content.
CREATE TABLE tributary.rooms (
    room_id         text PRIMARY KEY,
    -- unknown: not yet resolved; portal: a bridge's; other: anything else
    kind            text NOT NULL DEFAULT 'unknown' CHECK (kind IN ('unknown', 'portal', 'other')),
    bridge_id       text,
    protocol_id     text,
    channel_id      text,
    receiver        text NOT NULL DEFAULT '',
    -- com.beeper.room_type.v2, else com.beeper.room_type
    room_type_v2    text,
    room_type       text,
    conversation_id uuid REFERENCES tributary.conversations ON DELETE SET NULL,
    enabled         boolean NOT NULL DEFAULT true,
    backfill        boolean NOT NULL DEFAULT true,
    -- origin_server_ts of m.room.create: the newest room leads its conversation
    created_ts      bigint,
    -- the version of the fold that filled it (DESIGN invariant 8)
    fold_version    integer NOT NULL DEFAULT 0,
    last_event_at   timestamptz,
    -- when its newest history was last compared with what is stored
    reconciled_at   timestamptz,
    resolved_at     timestamptz,
    first_seen_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'portal') = (bridge_id IS NOT NULL AND protocol_id IS NOT NULL AND channel_id IS NOT NULL))
);
CREATE INDEX rooms_unreconciled ON tributary.rooms (last_event_at)
    WHERE reconciled_at IS NULL OR reconciled_at < last_event_at;
CREATE INDEX rooms_conversation ON tributary.rooms (conversation_id);
CREATE INDEX rooms_portal ON tributary.rooms (bridge_id, protocol_id, channel_id, receiver) WHERE kind = 'portal';

-- Who is in which room: ids only, kept for rooms without a customer as well, so
-- that a later link maps at once.
CREATE TABLE tributary.room_members (
    room_id    text NOT NULL REFERENCES tributary.rooms ON DELETE CASCADE,
    user_id    text NOT NULL,
    membership text NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_members_user ON tributary.room_members (user_id, membership);

-- Access: a grant per connection, room and interval of the homeserver's receipt
-- time. Null bounds are open. `user_id` is the connection's Clerk user, repeated
-- here so that every read is decided by one index.
CREATE TABLE tributary.room_grants (
    id              uuid PRIMARY KEY DEFAULT tributary.uuid_v7(),
    connection_id   uuid NOT NULL REFERENCES tributary.messenger_connections ON DELETE CASCADE,
    user_id         text NOT NULL,
    room_id         text NOT NULL REFERENCES tributary.rooms ON DELETE CASCADE,
    conversation_id uuid NOT NULL REFERENCES tributary.conversations ON DELETE CASCADE,
    from_at         timestamptz,
    until_at        timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX room_grants_open ON tributary.room_grants (connection_id, room_id) WHERE until_at IS NULL;
CREATE INDEX room_grants_user ON tributary.room_grants (user_id, conversation_id, room_id);
CREATE INDEX room_grants_room ON tributary.room_grants (room_id);
CREATE INDEX room_grants_conversation ON tributary.room_grants (conversation_id);

-- What differs per viewer of a conversation.
CREATE TABLE tributary.conversation_access (
    user_id            text NOT NULL,
    conversation_id    uuid NOT NULL REFERENCES tributary.conversations ON DELETE CASCADE,
    title              text,
    unread_count       integer NOT NULL DEFAULT 0,
    -- the newest message that this user may see; null while there is none
    last_event_at      timestamptz,
    -- last_event_at, or the row's creation: what the list is ordered by
    sort_at            timestamptz NOT NULL DEFAULT now(),
    -- the newest (timestamp, event id) that an own message or receipt covers
    read_through_at    timestamptz,
    read_through_event text,
    -- the last `read` call: what was stored by then is read
    read_at            timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, conversation_id)
);
CREATE INDEX conversation_access_list ON tributary.conversation_access (user_id, sort_at DESC, conversation_id DESC);
CREATE INDEX conversation_access_conversation ON tributary.conversation_access (conversation_id);

-- A media file as Matrix names it. The archive fills the rest.
CREATE TABLE tributary.media (
    id         uuid PRIMARY KEY DEFAULT tributary.uuid_v7(),
    mxc        text NOT NULL UNIQUE,
    state      text NOT NULL DEFAULT 'pending'
               CHECK (state IN ('pending', 'stored', 'too_large', 'forbidden', 'missing', 'failed')),
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE tributary.conversations
    ADD CONSTRAINT conversations_avatar FOREIGN KEY (avatar_media_id) REFERENCES tributary.media ON DELETE SET NULL;
CREATE INDEX conversations_avatar ON tributary.conversations (avatar_media_id) WHERE avatar_media_id IS NOT NULL;

CREATE TABLE tributary.participants (
    id              uuid PRIMARY KEY DEFAULT tributary.uuid_v7(),
    conversation_id uuid NOT NULL REFERENCES tributary.conversations ON DELETE CASCADE,
    matrix_user_id  text NOT NULL,
    external_id     text,
    display_name    text,
    avatar_media_id uuid REFERENCES tributary.media ON DELETE SET NULL,
    membership      text NOT NULL DEFAULT 'leave',
    -- the bridge's bot, the sender bot and functional members: nobody to show
    is_service      boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (conversation_id, matrix_user_id)
);
CREATE INDEX participants_avatar ON tributary.participants (avatar_media_id) WHERE avatar_media_id IS NOT NULL;

-- The set of known state events of mapped rooms; the current state is derived.
CREATE TABLE tributary.state_events (
    room_id          text NOT NULL REFERENCES tributary.rooms ON DELETE CASCADE,
    event_id         text NOT NULL,
    type             text NOT NULL,
    state_key        text NOT NULL,
    sender           text NOT NULL,
    origin_server_ts bigint NOT NULL,
    received_at      timestamptz NOT NULL,
    replaces_state   text,
    content          jsonb NOT NULL,
    PRIMARY KEY (room_id, event_id)
);
CREATE INDEX state_events_key ON tributary.state_events (room_id, type, state_key);
CREATE INDEX state_events_replaces ON tributary.state_events (room_id, replaces_state) WHERE replaces_state IS NOT NULL;

CREATE TABLE tributary.messages (
    id                   uuid PRIMARY KEY,
    conversation_id      uuid NOT NULL REFERENCES tributary.conversations ON DELETE CASCADE,
    room_id              text NOT NULL,
    event_id             text NOT NULL,
    sender_id            uuid NOT NULL REFERENCES tributary.participants ON DELETE CASCADE,
    sender               text NOT NULL,
    -- the event's type: what a redaction leaves of `type`, which is the msgtype
    event_type           text NOT NULL,
    type                 text NOT NULL,
    body                 text NOT NULL,
    formatted_body       text,
    -- the event's content; null once redacted
    content              jsonb,
    -- milliseconds, as the sender's server claimed: orders edits, is not shown
    origin_server_ts     bigint NOT NULL,
    -- the shown time: origin_server_ts, or the receipt for one outside 1970..2200
    "timestamp"          timestamptz NOT NULL,
    -- when the homeserver received it: decides access and what is live
    received_at          timestamptz NOT NULL,
    reply_to_event_id    text,
    thread_root_event_id text,
    historical           boolean NOT NULL,
    deleted_at           timestamptz,
    -- compared with conversation_access.read_at: later than the room's lock, not the transaction's begin
    stored_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (room_id, event_id)
);
CREATE INDEX messages_page ON tributary.messages (conversation_id, "timestamp" DESC, event_id COLLATE "C" DESC);
CREATE INDEX messages_sender ON tributary.messages (sender_id);

-- A redaction is a permanent tombstone, kept also when its target is unknown.
CREATE TABLE tributary.redactions (
    room_id          text NOT NULL REFERENCES tributary.rooms ON DELETE CASCADE,
    event_id         text NOT NULL,
    redacts          text NOT NULL,
    sender           text NOT NULL,
    origin_server_ts bigint NOT NULL,
    "timestamp"      timestamptz NOT NULL,
    PRIMARY KEY (room_id, event_id)
);
CREATE INDEX redactions_target ON tributary.redactions (room_id, redacts);

-- The newest receipt of each person in each room.
CREATE TABLE tributary.receipts (
    room_id    text NOT NULL REFERENCES tributary.rooms ON DELETE CASCADE,
    user_id    text NOT NULL,
    event_id   text NOT NULL,
    receipt_ts bigint NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX receipts_event ON tributary.receipts (room_id, event_id);

-- Events of mapped rooms that could not be folded, verbatim.
CREATE TABLE tributary.dead_letters (
    id         uuid PRIMARY KEY,
    room_id    text NOT NULL,
    event_id   text NOT NULL,
    raw        text NOT NULL,
    error      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (room_id, event_id)
);
CREATE INDEX dead_letters_created ON tributary.dead_letters (created_at, id);

-- Work that must survive a crash: claimed with SKIP LOCKED under a lease.
CREATE TABLE tributary.jobs (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL,
    key         text NOT NULL,
    payload     jsonb NOT NULL DEFAULT '{}',
    progress    jsonb NOT NULL DEFAULT '{}',
    state       text NOT NULL DEFAULT 'queued'
                CHECK (state IN ('queued', 'running', 'waiting', 'done', 'failed', 'cancelled')),
    -- asked for again while it ran: it goes once more from the start
    again       boolean NOT NULL DEFAULT false,
    run_at      timestamptz NOT NULL DEFAULT now(),
    lease_owner uuid,
    lease_until timestamptz,
    attempts    integer NOT NULL DEFAULT 0,
    reason      text,
    error       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    finished_at timestamptz
);
CREATE UNIQUE INDEX jobs_active ON tributary.jobs (kind, key) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX jobs_due ON tributary.jobs (kind, run_at, id) WHERE state IN ('queued', 'waiting');
CREATE INDEX jobs_leased ON tributary.jobs (kind, lease_until) WHERE state = 'running';
CREATE INDEX jobs_key ON tributary.jobs (kind, key, created_at DESC);
CREATE INDEX jobs_finished ON tributary.jobs (finished_at) WHERE finished_at IS NOT NULL;

-- A customer's stream: the counter is taken inside the transaction as its last
-- step, in the order of user ids, so positions are without holes and committed
-- in order (DESIGN invariant 6).
CREATE TABLE tributary.stream_positions (
    user_id        text PRIMARY KEY,
    position       bigint NOT NULL,
    -- rows up to here have been pruned
    pruned_through bigint NOT NULL DEFAULT 0
);

-- What happened, by id: the frame is made from the rows as they are when sent.
CREATE TABLE tributary.outbox (
    user_id         text NOT NULL,
    position        bigint NOT NULL,
    kind            text NOT NULL,
    conversation_id uuid,
    message_id      uuid,
    connection_id   uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, position)
);
CREATE INDEX outbox_created ON tributary.outbox (created_at);

CREATE TABLE tributary.audit (
    id      uuid PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text NOT NULL,
    action  text NOT NULL,
    target  text,
    origin  text,
    outcome text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_at ON tributary.audit (at, id);

-- Row level security without a policy: a Supabase project that exposes the
-- schema by accident exposes nothing. The owner, who is Tributary, sees all.
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'tributary' LOOP
        EXECUTE format('ALTER TABLE tributary.%I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
END $$;
