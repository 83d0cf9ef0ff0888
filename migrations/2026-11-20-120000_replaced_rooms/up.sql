-- The room that a tombstone by the bridge's bot names as the one that goes on.
ALTER TABLE tributary.rooms ADD COLUMN replaced_by text;
-- Empty when it is made, so that it takes one look at a small table.
CREATE INDEX rooms_replaced_by ON tributary.rooms (replaced_by) WHERE replaced_by IS NOT NULL;
