CREATE INDEX CONCURRENTLY messages_page
    ON tributary.messages (conversation_id, "timestamp" DESC, event_id COLLATE "C" DESC);
