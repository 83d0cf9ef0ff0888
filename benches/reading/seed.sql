-- What a customer and nine others have written to each other, in proportions as they are:
-- words by Zipf's law, conversations too.
--
-- Unlogged, unchecked and without indexes until it is full: it is measured, not kept.

ALTER TABLE tributary.search_entries SET UNLOGGED;
ALTER TABLE tributary.messages SET UNLOGGED;

-- The vocabulary: the nth word is said about n times less often than the first.
CREATE TABLE public.words AS
SELECT n, (SELECT string_agg(substr('bdfghklmnprstvwz', 1 + ((n * 7 + i * 13 + n / 16 * 3) % 16)::int, 1)
                     || substr('aeiou', 1 + ((n * 3 + i * 7 + n / 5) % 5)::int, 1), '' ORDER BY i)
              || CASE WHEN n > 200 THEN to_hex(n) ELSE '' END
           FROM generate_series(1, 1 + (ln(n + 1) / 3)::int) i) AS word
FROM generate_series(1, 60000) n;
ALTER TABLE public.words ADD PRIMARY KEY (n);

INSERT INTO tributary.messenger_connections (id, user_id, bridge_id, matrix_user_id, bridge_user_id, status, linked_at)
SELECT tributary.uuid_v7(), 'user_' || u, 'meta', '@customer' || u || ':lab.local', u::text, 'CONNECTED', now() - interval '3 years'
FROM generate_series(0, 9) u;

-- Each customer's 300 chats; one of ten is a group.
CREATE TABLE public.chats AS
SELECT u, k, '!bench' || lpad(u || '-' || k, 14, '0') || ':lab.local' AS room_id, tributary.uuid_v7() AS conversation_id,
       k % 10 = 0 AS is_group
FROM generate_series(0, 9) u, generate_series(0, 299) k;
ALTER TABLE public.chats ADD PRIMARY KEY (u, k);

INSERT INTO tributary.conversations (id, bridge_id, network, protocol_id, channel_id, matrix_room_id, name, is_group)
SELECT conversation_id, 'meta', 'facebook', 'facebookgo', u || '-' || k, room_id,
       CASE WHEN is_group THEN 'Group ' || k END, is_group FROM public.chats;
INSERT INTO tributary.rooms (room_id, kind, bridge_id, protocol_id, channel_id, conversation_id, fold_version, resolved_at)
SELECT room_id, 'portal', 'meta', 'facebookgo', u || '-' || k, conversation_id, 1, now() FROM public.chats;
INSERT INTO tributary.participants (conversation_id, matrix_user_id, external_id, display_name, membership, has_spoken)
SELECT c.conversation_id,
       CASE WHEN p = 0 THEN '@customer' || c.u || ':lab.local' ELSE '@facebook_' || c.u || c.k || p || ':lab.local' END,
       CASE WHEN p = 0 THEN c.u::text ELSE concat(c.u, c.k, p) END,
       CASE WHEN p = 0 THEN 'Customer ' || c.u ELSE initcap(v.word) || ' ' || initcap(w.word) END, 'join', true
FROM public.chats c
CROSS JOIN LATERAL generate_series(0, CASE WHEN c.is_group THEN 8 ELSE 1 END) p
JOIN public.words v ON v.n = 1 + (c.k * 7 + p * 31) % 200
JOIN public.words w ON w.n = 1 + (c.u * 89 + c.k * 3 + p * 17) % 200;
INSERT INTO tributary.room_members (room_id, user_id, membership)
SELECT c.room_id, p.matrix_user_id, 'join'
FROM public.chats c JOIN tributary.participants p USING (conversation_id);
INSERT INTO tributary.room_grants (connection_id, user_id, room_id, conversation_id)
SELECT m.id, m.user_id, c.room_id, c.conversation_id
FROM public.chats c JOIN tributary.messenger_connections m ON m.user_id = 'user_' || c.u;
CREATE TABLE public.people AS
SELECT c.u, c.k, p.id, p.matrix_user_id, row_number() OVER (PARTITION BY c.u, c.k ORDER BY p.id) - 1 AS p,
       count(*) OVER (PARTITION BY c.u, c.k) AS size
FROM public.chats c JOIN tributary.participants p USING (conversation_id);
ALTER TABLE public.people ADD PRIMARY KEY (u, k, p);

-- What they say: sentences that are said again and again, mostly of a few words.
CREATE TABLE public.sentences AS
SELECT s.n, string_agg(w.word, ' ' ORDER BY l) AS body, array_agg(DISTINCT w.word) AS terms
FROM generate_series(1, 200000) AS s(n)
CROSS JOIN LATERAL generate_series(1, 2 + (power(random(), 3) * 24 + s.n * 0)::int) AS l
JOIN LATERAL (SELECT exp(random() * ln(60000) + l * 0)::int AS n) AS r ON true
JOIN public.words w ON w.n = r.n
GROUP BY s.n;
ALTER TABLE public.sentences ADD PRIMARY KEY (n);
ANALYZE;
