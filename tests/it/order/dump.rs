//! What is stored of a history, as lines that two arrivals of it have in common:
//! without row ids, times of arrival, `historical` and unread counts.

use diesel::{
    QueryableByName,
    sql_types::{Array, Text},
};
use diesel_async::RunQueryDsl as _;

use crate::support::world::World;

/// Every table that the fold writes, a line for each row. A time is one of an event, or
/// one of arrival: all events are of 2023, or have no time.
const LINES: &str = "
WITH rooms AS MATERIALIZED (
    SELECT t.tag, '!' || n || '-' || t.tag AS room_id FROM unnest($1::text[]) AS t(tag), generate_series(0, 2) AS n
), portals AS MATERIALIZED (
    SELECT r.tag, r.room_id, c.* FROM rooms r JOIN tributary.conversations c ON c.matrix_room_id = r.room_id
), lines AS (
    SELECT p.tag, jsonb_build_array('conversation', p.room_id, p.network, p.name, p.topic, p.is_group,
               (SELECT i.mxc FROM tributary.media i WHERE i.id = p.avatar_media_id)) AS line
    FROM portals p
    UNION ALL
    SELECT p.tag, jsonb_build_array('viewer', p.room_id, a.user_id, a.title, {a.last_event_at})
    FROM portals p JOIN tributary.conversation_access a ON a.conversation_id = p.id
    UNION ALL
    SELECT p.tag, jsonb_build_array('participant', p.room_id, q.matrix_user_id, q.external_id, q.display_name,
               q.membership, q.is_service, q.has_spoken,
               (SELECT i.mxc FROM tributary.media i WHERE i.id = q.avatar_media_id))
    FROM portals p JOIN tributary.participants q ON q.conversation_id = p.id
    UNION ALL
    SELECT r.tag, jsonb_build_array('message', m.room_id, m.event_id, m.sender, q.matrix_user_id,
               c.matrix_room_id, m.event_type, m.type, m.body, m.formatted_body, m.content,
               m.origin_server_ts, {m.timestamp}, m.reply_to_event_id, m.thread_root_event_id,
               {m.deleted_at}, {m.edited_at}, m.edit_event_id, m.edit_received_at IS NULL,
               m.metadata - 'reactions',
               (SELECT jsonb_agg(one.reaction - 'senders' || jsonb_build_object('senders',
                    (SELECT jsonb_agg(s.matrix_user_id ORDER BY u.position)
                     FROM jsonb_array_elements_text(one.reaction -> 'senders') WITH ORDINALITY AS u(id, position)
                     LEFT JOIN tributary.participants s ON s.id = u.id::uuid)) ORDER BY one.position)
                FROM jsonb_array_elements(m.metadata -> 'reactions') WITH ORDINALITY AS one(reaction, position)))
    FROM rooms r JOIN tributary.messages m ON m.room_id = r.room_id
    JOIN tributary.participants q ON q.id = m.sender_id
    JOIN tributary.conversations c ON c.id = m.conversation_id
    UNION ALL
    SELECT r.tag, jsonb_build_array('version', v.room_id, v.event_id, v.target_event_id, v.sender, v.event_type,
               v.type, v.body, v.formatted_body, v.content, v.origin_server_ts, {v.timestamp})
    FROM rooms r JOIN tributary.message_versions v ON v.room_id = r.room_id
    UNION ALL
    SELECT r.tag, jsonb_build_array('reaction', e.room_id, e.event_id, e.target_event_id, e.sender, e.key,
               e.origin_server_ts, {e.timestamp})
    FROM rooms r JOIN tributary.reactions e ON e.room_id = r.room_id
    UNION ALL
    SELECT r.tag, jsonb_build_array('attachment', a.room_id, a.event_id, a.target_event_id, i.mxc, a.kind,
               a.filename, a.mime_type, a.size, a.width, a.height, a.duration_ms)
    FROM rooms r JOIN tributary.attachments a ON a.room_id = r.room_id
    JOIN tributary.media i ON i.id = a.media_id
    UNION ALL
    SELECT r.tag, jsonb_build_array('redaction', d.room_id, d.event_id, d.redacts, d.sender,
               d.origin_server_ts, {d.timestamp})
    FROM rooms r JOIN tributary.redactions d ON d.room_id = r.room_id
    UNION ALL
    SELECT r.tag, jsonb_build_array('state', s.room_id, s.event_id, s.type, s.state_key, s.sender,
               s.origin_server_ts, s.replaces_state, s.content)
    FROM rooms r JOIN tributary.state_events s ON s.room_id = r.room_id
    UNION ALL
    SELECT r.tag, jsonb_build_array('member', m.room_id, m.user_id, m.membership)
    FROM rooms r JOIN tributary.room_members m ON m.room_id = r.room_id
    UNION ALL
    SELECT r.tag, jsonb_build_array('dead letter', l.room_id, l.event_id, l.target_event_id, l.error, l.raw)
    FROM rooms r JOIN tributary.dead_letters l ON l.room_id = r.room_id
    UNION ALL
    SELECT t.tag, jsonb_build_array('media', i.mxc)
    FROM unnest($1::text[]) AS t(tag) CROSS JOIN generate_series(0, 7) AS n
    JOIN tributary.media i ON i.mxc = 'mxc://lab.local/' || t.tag || '-' || n
), named AS (
    SELECT tag, replace(line::text, tag, 'TAG') AS line FROM lines
)";

/// A time in a dump.
fn time(column: &str) -> String {
    format!(
        "CASE WHEN {column} < '2025-01-01' THEN {column}::text WHEN {column} IS NOT NULL THEN 'arrival' END"
    )
}

fn lines() -> String {
    let mut sql = String::new();
    for part in LINES.split('{') {
        match part.split_once('}') {
            Some((column, rest)) if !sql.is_empty() => sql.push_str(&(time(column) + rest)),
            _ => sql.push_str(part),
        }
    }
    sql
}

/// One digest for each copy of a history, in the order of their tags.
pub(super) async fn digests(world: &World, tags: &[String]) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        digest: String,
    }
    let sql = format!(
        "{} SELECT md5(coalesce(string_agg(n.line, E'\\n' ORDER BY n.line COLLATE \"C\"), '')) AS digest
         FROM unnest($1::text[]) WITH ORDINALITY AS t(tag, position) LEFT JOIN named n USING (tag)
         GROUP BY t.position ORDER BY t.position",
        lines()
    );
    let mut conn = world.db.get().await.unwrap();
    let rows: Vec<Row> = diesel::sql_query(sql)
        .bind::<Array<Text>, _>(tags)
        .load(&mut conn)
        .await
        .unwrap();
    rows.into_iter().map(|row| row.digest).collect()
}

/// The lines of one copy.
pub(super) async fn dump(world: &World, tag: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        line: String,
    }
    let sql = format!(
        "{} SELECT line FROM named ORDER BY line COLLATE \"C\"",
        lines()
    );
    let mut conn = world.db.get().await.unwrap();
    let rows: Vec<Row> = diesel::sql_query(sql)
        .bind::<Array<Text>, _>([tag].as_slice())
        .load(&mut conn)
        .await
        .unwrap();
    rows.into_iter().map(|row| row.line).collect()
}

/// The lines that only one of two dumps has.
pub(super) fn difference(expected: &[String], found: &[String]) -> String {
    let only = |sign: char, these: &[String], those: &[String]| {
        let missing = these.iter().filter(|line| !those.contains(line));
        missing
            .map(|line| format!("{sign} {line}\n"))
            .collect::<Vec<_>>()
    };
    [only('-', expected, found), only('+', found, expected)]
        .concat()
        .concat()
}
