-- Full-text search. Tables of their own, so that a push writes nothing but the ids of
-- what has changed, and no index; what is in messages is put into the index just after.

-- The words of a message, of all its versions: what may match. Each begins with the end of
-- its conversation's id, so that a look into the index meets no other conversation's.
CREATE TABLE tributary.search_entries (
    message_id uuid PRIMARY KEY REFERENCES tributary.messages ON DELETE CASCADE,
    -- the message's time, by which what was found is ordered
    at         timestamptz NOT NULL,
    document   tsvector NOT NULL
);
-- Without a list of what is pending: each look would read all of it.
CREATE INDEX search_entries_document ON tributary.search_entries USING gin (document) WITH (fastupdate = off);

-- Messages whose words have to be put into the index, or taken out of it. No index: rows
-- come at the end and are taken from the front.
CREATE TABLE tributary.search_queue (
    message_id uuid NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- How far all messages have been put into the index by the present rules for words.
CREATE TABLE tributary.search_progress (
    -- there is one row
    is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version  integer NOT NULL,
    -- messages up to this id are in; null when all are
    after_id uuid
);
INSERT INTO tributary.search_progress (version) VALUES (0);

ALTER TABLE tributary.search_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE tributary.search_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE tributary.search_progress ENABLE ROW LEVEL SECURITY;
