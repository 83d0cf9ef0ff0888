-- messages_covering has the same keys.
DROP INDEX CONCURRENTLY IF EXISTS tributary.messages_page;
