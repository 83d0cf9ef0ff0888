-- messages_covering has the same keys.
DROP INDEX CONCURRENTLY tributary.messages_page;
