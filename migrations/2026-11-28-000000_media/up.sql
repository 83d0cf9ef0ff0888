-- The archive of media. Constant defaults and nulls: no row is rewritten. Both tables that
-- are touched have a row per file at most, so nothing waits long.

-- What is in the object store, by the SHA-256 of its content: one file is kept once,
-- whoever sent it. The row is there before the object, and goes after it.
CREATE TABLE tributary.media_objects (
    sha256      bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    -- when it was there in full
    stored_at   timestamptz,
    -- when something that held it let go, until it is known whether that was the last
    released_at timestamptz,
    -- it is being deleted: nothing may come to hold it until it is gone
    is_leaving  boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX media_objects_released ON tributary.media_objects (released_at) WHERE released_at IS NOT NULL;

-- Uploads that have begun and not ended: what a crash leaves of one in the store is found
-- by its row.
CREATE TABLE tributary.media_uploads (
    -- its temporary name in the store
    id           uuid PRIMARY KEY,
    -- as the store calls an upload in parts
    multipart_id text,
    -- what it turned out to be, before it gets its name
    sha256       bytea,
    started_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX media_uploads_sha256 ON tributary.media_uploads (sha256) WHERE sha256 IS NOT NULL;

ALTER TABLE tributary.media
    -- of what is stored: decrypted, as it is served
    ADD COLUMN sha256     bytea REFERENCES tributary.media_objects,
    -- bytes
    ADD COLUMN size       bigint,
    -- what it really is, not what its message says
    ADD COLUMN mime_type  text,
    -- tries that failed
    ADD COLUMN attempts   integer NOT NULL DEFAULT 0,
    -- not before; at once if null
    ADD COLUMN due_at     timestamptz,
    -- why the last try failed, in words
    ADD COLUMN error      text,
    -- when the state became other than pending
    ADD COLUMN settled_at timestamptz,
    ADD CONSTRAINT media_stored CHECK ((state = 'stored') = (sha256 IS NOT NULL)
        AND (state = 'stored') <= (size IS NOT NULL AND mime_type IS NOT NULL));
CREATE INDEX media_sha256 ON tributary.media (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX media_pending ON tributary.media (id) WHERE state = 'pending';

ALTER TABLE tributary.media_objects ENABLE ROW LEVEL SECURITY;
ALTER TABLE tributary.media_uploads ENABLE ROW LEVEL SECURITY;
