-- Who has left already. Only their rows are written, in the order of their key; titles are what
-- they were.
WITH gone AS MATERIALIZED (
    SELECT a.user_id, a.conversation_id FROM tributary.conversation_access a
    JOIN tributary.conversations c ON c.id = a.conversation_id
    WHERE NOT EXISTS (SELECT 1 FROM tributary.room_grants g
                      WHERE g.user_id = a.user_id AND g.conversation_id = a.conversation_id
                        AND g.room_id = c.matrix_room_id AND g.until_at IS NULL)
    ORDER BY a.user_id, a.conversation_id FOR NO KEY UPDATE OF a
)
UPDATE tributary.conversation_access a SET has_left = true FROM gone g
WHERE (a.user_id, a.conversation_id) = (g.user_id, g.conversation_id);

-- What state they have received that nothing received by then replaces, the latest room's first.
CREATE UNLOGGED TABLE tributary.received AS
SELECT DISTINCT ON (a.user_id, a.conversation_id, s.type, s.state_key)
       a.user_id, a.conversation_id, s.type, s.state_key, s.content
FROM tributary.conversation_access a
CROSS JOIN LATERAL (
    SELECT g.room_id, coalesce(g.until_at, 'infinity') AS until_at,
           row_number() OVER (ORDER BY g.until_at DESC NULLS FIRST, g.room_id COLLATE "C" DESC) AS nth
    FROM tributary.room_grants g
    WHERE g.user_id = a.user_id AND g.conversation_id = a.conversation_id) AS last
JOIN tributary.state_events s ON s.room_id = last.room_id AND s.received_at <= last.until_at
WHERE a.has_left AND (s.type = 'm.room.member' OR s.type = 'm.room.avatar' AND s.state_key = '' AND last.nth = 1)
ORDER BY a.user_id, a.conversation_id, s.type, s.state_key, last.nth,
         EXISTS (SELECT 1 FROM tributary.state_events n
                 WHERE n.room_id = s.room_id AND n.replaces_state = s.event_id AND n.type = s.type
                   AND n.state_key = s.state_key AND n.event_id <> s.event_id
                   AND n.received_at <= last.until_at),
         s.origin_server_ts DESC, s.event_id COLLATE "C" DESC;

-- Those that were forgotten are fetched again.
INSERT INTO tributary.media (mxc)
SELECT DISTINCT mxc
FROM (SELECT content ->> CASE type WHEN 'm.room.avatar' THEN 'url' ELSE 'avatar_url' END AS mxc FROM tributary.received) AS r
WHERE mxc ~ '^mxc://[^/]{1,255}/[^/]{1,255}$'
ORDER BY mxc ON CONFLICT DO NOTHING;

UPDATE tributary.conversation_access a SET former_avatar_media_id = i.id
FROM tributary.received r JOIN tributary.media i ON i.mxc = r.content ->> 'url'
WHERE r.type = 'm.room.avatar' AND (a.user_id, a.conversation_id) = (r.user_id, r.conversation_id);

INSERT INTO tributary.former_people
    (user_id, conversation_id, participant_id, display_name, avatar_media_id, membership)
SELECT r.user_id, r.conversation_id, p.id,
       CASE WHEN jsonb_typeof(r.content -> 'displayname') = 'string' THEN r.content ->> 'displayname' END,
       i.id, coalesce(r.content ->> 'membership', 'leave')
FROM tributary.received r
JOIN tributary.participants p ON p.conversation_id = r.conversation_id AND p.matrix_user_id = r.state_key
LEFT JOIN tributary.media i ON i.mxc = r.content ->> 'avatar_url'
WHERE r.type = 'm.room.member';

DROP TABLE tributary.received;
