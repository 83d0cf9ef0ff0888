-- What a conversation was to whoever has left it: its picture, and who was in it. A constant
-- default and nulls: no row is rewritten.
ALTER TABLE tributary.conversation_access
    -- not, or no longer, in the room that leads the conversation
    ADD COLUMN has_left               boolean NOT NULL DEFAULT false,
    -- the picture that it had then; null for whoever is there
    ADD COLUMN former_avatar_media_id uuid REFERENCES tributary.media ON DELETE SET NULL;

-- The participants of a conversation, as the state said that was received while a viewer who
-- has left was there. Whoever is there has no rows.
CREATE TABLE tributary.former_people (
    user_id         text NOT NULL,
    conversation_id uuid NOT NULL,
    participant_id  uuid NOT NULL REFERENCES tributary.participants ON DELETE CASCADE,
    display_name    text,
    avatar_media_id uuid REFERENCES tributary.media ON DELETE SET NULL,
    membership      text NOT NULL,
    PRIMARY KEY (user_id, conversation_id, participant_id),
    FOREIGN KEY (user_id, conversation_id) REFERENCES tributary.conversation_access ON DELETE CASCADE
);
CREATE INDEX former_people_participant ON tributary.former_people (participant_id);
CREATE INDEX former_people_avatar ON tributary.former_people (avatar_media_id) WHERE avatar_media_id IS NOT NULL;

ALTER TABLE tributary.former_people ENABLE ROW LEVEL SECURITY;
