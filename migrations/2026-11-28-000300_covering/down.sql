DROP INDEX CONCURRENTLY tributary.messages_covering;
