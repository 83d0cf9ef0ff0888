DROP TABLE tributary.search_progress;
DROP TABLE tributary.search_queue;
DROP TABLE tributary.search_entries;
