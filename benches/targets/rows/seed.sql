-- So many messages, spread over the chats and the last two years, as if they had been pushed.
-- Rows are what they are because of the push: what checks them is left out.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET max_parallel_workers_per_gather = 0;
CREATE TEMPORARY TABLE chats AS
SELECT row_number() OVER (ORDER BY r.room_id) - 1 AS n, r.room_id, r.conversation_id, p.id AS sender_id, p.matrix_user_id
FROM tributary.rooms r
JOIN tributary.participants p ON p.conversation_id = r.conversation_id AND p.matrix_user_id LIKE '@facebook\_1%';
CREATE UNIQUE INDEX ON chats (n);
ANALYZE chats;
INSERT INTO tributary.messages
    (id, conversation_id, room_id, event_id, sender_id, sender, event_type, type, body, content,
     origin_server_ts, timestamp, received_at, historical, stored_at)
SELECT tributary.uuid_v7(), c.conversation_id, c.room_id, '$seed' || m.n || '-' || txid_current(), c.sender_id,
       c.matrix_user_id, 'm.room.message', 'm.text', m.body,
       jsonb_build_object('msgtype', 'm.text', 'body', m.body, 'm.mentions', '{}'::jsonb),
       extract(epoch FROM m.at) * 1000, m.at, m.at, true, m.at
FROM (SELECT n, 'see you at ' || md5(n::text) || ', did they answer?' AS body,
             now() - interval '2 years' * (1 - n::float8 / $messages) - interval '1 day' AS at
      FROM generate_series(1, $messages) AS n) AS m
JOIN chats c ON c.n = m.n % (SELECT count(*) FROM chats);
UPDATE tributary.search_progress SET after_id = '00000000-0000-0000-0000-000000000000';
SET session_replication_role = origin;
