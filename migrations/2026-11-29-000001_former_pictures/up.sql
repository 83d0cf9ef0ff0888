-- Which views still show a file, when something else no longer does.
CREATE INDEX CONCURRENTLY IF NOT EXISTS conversation_access_avatar
    ON tributary.conversation_access (former_avatar_media_id) WHERE former_avatar_media_id IS NOT NULL;
