-- Messages $from to $to of $all, spread over three years, the newest last. Every $everyth is
-- user_0's. A few chats have most of the messages, as with people.
WITH written AS MATERIALIZED (
    SELECT tributary.uuid_v7() AS id, d.i, c.conversation_id, c.room_id, s.body, s.terms, p.id AS sender_id,
           p.matrix_user_id AS sender,
           timestamptz '2026-11-01' - interval '3 years' * (1 - d.i::float / $all) AS at
    FROM (SELECT i, CASE WHEN i % $every = 0 THEN 0 ELSE 1 + i / $every % 9 END AS u, (power(random(), 3) * 299)::int AS k,
                 1 + floor(random() * 199999)::int AS n, floor(random() * 2)::int AS p
          FROM generate_series($from::bigint, $to) i) AS d
    JOIN public.chats c ON c.u = d.u AND c.k = d.k
    JOIN public.people p ON p.u = d.u AND p.k = d.k AND p.p = d.p
    JOIN public.sentences s ON s.n = d.n
), stored AS (
    INSERT INTO tributary.messages
        (id, conversation_id, room_id, event_id, sender_id, sender, event_type, type, body, content,
         origin_server_ts, "timestamp", received_at, historical)
    SELECT id, conversation_id, room_id,
           -- as long as those of room version 12
           '$' || encode(substr(sha256(i::text::bytea), 1, 21), 'hex') || '_', sender_id, sender,
           'm.room.message', 'm.text', body, jsonb_build_object('msgtype', 'm.text', 'body', body),
           (extract(epoch FROM at) * 1000)::bigint, at, at, true
    FROM written
)
INSERT INTO tributary.search_entries (message_id, at, document)
SELECT id, at, array_to_tsvector(ARRAY(SELECT right(conversation_id::text, 8) || term FROM unnest(terms) AS term))
FROM written
