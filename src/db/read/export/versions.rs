//! The versions of a room's edited messages.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;
use uuid::Uuid;

use super::{HEAVIEST, Item, MOST, Place, files};
use crate::{
    db::{Connection, read::messages::visible_version, viewers::may_see},
    model::message::Version,
};

/// Versions `v` of messages that viewer `$1` may see, in room `$2`. The original of a
/// message is one only while they see an edit of it: otherwise it would tell that there was
/// one.
const VISIBLE: &str = concat!(
    "FROM tributary.message_versions v
     JOIN tributary.messages m ON m.room_id = v.room_id AND m.event_id = v.target_event_id
     JOIN tributary.conversation_access a ON a.conversation_id = m.conversation_id AND a.user_id = $1
     WHERE v.room_id = $2 AND ",
    may_see!("m.received_at", "m.origin_server_ts"),
    " AND ",
    visible_version!(),
    " AND (v.event_id <> v.target_event_id OR EXISTS (
         SELECT 1 FROM tributary.message_versions e
         WHERE e.room_id = v.room_id AND e.target_event_id = m.event_id AND e.event_id <> m.event_id
           AND e.sender = m.sender AND e.event_type = m.event_type AND e.content IS NOT NULL AND ",
    may_see!("e.received_at", "e.origin_server_ts"),
    "))"
);

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    message_id: Uuid,
    #[diesel(sql_type = Text)]
    event_id: String,
    #[diesel(sql_type = Text)]
    body: String,
    #[diesel(sql_type = Nullable<Text>)]
    formatted_body: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = Jsonb)]
    content: Value,
}

/// The next ones.
pub(super) async fn behind(
    conn: &mut Connection,
    user_id: &str,
    room_id: &str,
    after: Option<String>,
) -> QueryResult<Vec<(Item, Place)>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT w.message_id, w.event_id, w.body, w.formatted_body, w.at, w.content
         FROM (SELECT s.*, sum(s.weight) OVER (ORDER BY s.event_id) - s.weight AS before
               FROM (SELECT m.id AS message_id, v.event_id, v.body, v.formatted_body,
                            v.timestamp AS at, v.content,
                            pg_column_size(v.content) + 2 * octet_length(v.body)
                            + 2 * coalesce(octet_length(v.formatted_body), 0) AS weight
                     {VISIBLE} AND ($3::text IS NULL OR v.event_id > $3)
                     ORDER BY v.event_id LIMIT $4) AS s) AS w
         WHERE w.before < $5 ORDER BY w.event_id"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Text, _>(room_id)
    .bind::<Nullable<Text>, _>(after)
    .bind::<BigInt, _>(MOST)
    .bind::<BigInt, _>(HEAVIEST)
    .load(conn)
    .await?;
    let events: Vec<_> = rows.iter().map(|row| row.event_id.as_str()).collect();
    let attachments = files::of_events(conn, room_id, &events).await?;
    let ids = attachments.values().map(|file| file.media_id).collect();
    let known = files::known(conn, ids).await?;
    let item = |row: Row| {
        let attachment = attachments.get(&row.event_id);
        let place = Place::Versions {
            room_id: room_id.to_owned(),
            after: Some(row.event_id.clone()),
        };
        let item = Item::Version {
            room_id: room_id.to_owned(),
            message_id: row.message_id,
            version: Version {
                event_id: row.event_id,
                body: row.body,
                formatted_body: row.formatted_body,
                at: row.at,
            },
            content: row.content,
            media: attachment
                .map(|file| files::of_attachment(file, &known))
                .into_iter()
                .collect(),
        };
        (item, place)
    };
    Ok(rows.into_iter().map(item).collect())
}
