-- The indexes, what is derived, and statistics.
INSERT INTO tributary.conversation_access (user_id, conversation_id, title, last_event_at, sort_at, read_at)
SELECT 'user_' || c.u, c.conversation_id, coalesce(v.name, o.display_name), l.at, coalesce(l.at, v.created_at), now()
FROM public.chats c
JOIN tributary.conversations v ON v.id = c.conversation_id
LEFT JOIN LATERAL (
    SELECT m.timestamp AS at FROM tributary.messages m WHERE m.conversation_id = c.conversation_id
    ORDER BY m.timestamp DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (
    SELECT p.display_name FROM tributary.participants p
    WHERE p.conversation_id = c.conversation_id AND p.external_id <> c.u::text LIMIT 1) AS o ON true;
UPDATE tributary.search_progress SET version = $version, after_id = NULL;
DROP TABLE public.people;
