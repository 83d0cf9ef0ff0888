//! The messages of a room, the oldest first.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{HEAVIEST, Item, MOST, Place, files};
use crate::db::{Connection, read::messages::with_content, viewers::MAY_SEE};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    timestamp: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    event_id: String,
}

/// The next ones.
pub(super) async fn behind(
    conn: &mut Connection,
    user_id: &str,
    room_id: &str,
    after: Option<(DateTime<Utc>, String)>,
) -> QueryResult<Vec<(Item, Place)>> {
    let rows = places(conn, user_id, room_id, after).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let messages = with_content(conn, user_id, &ids).await?;
    let media = messages.iter().flat_map(|full| &full.message.attachments);
    let known = files::known(conn, media.map(|file| file.media_id).collect()).await?;
    let mut messages: HashMap<_, _> = messages
        .into_iter()
        .map(|full| (full.message.id, full))
        .collect();
    let item = |row: Row| {
        let message = messages.remove(&row.id)?;
        let attachments = message.message.attachments.iter();
        let item = Item::Message {
            room_id: room_id.to_owned(),
            media: attachments
                .map(|file| files::of_attachment(file, &known))
                .collect(),
            message: Box::new(message),
        };
        let place = Place::Messages {
            room_id: room_id.to_owned(),
            after: Some((row.timestamp, row.event_id)),
        };
        Some((item, place))
    };
    Ok(rows.into_iter().filter_map(item).collect())
}

/// Which they are: as many as are not too heavy together. All messages of a room are in the
/// room's conversation, by which the index finds them in their order.
async fn places(
    conn: &mut Connection,
    user_id: &str,
    room_id: &str,
    after: Option<(DateTime<Utc>, String)>,
) -> QueryResult<Vec<Row>> {
    let (timestamp, event_id) = after.unzip();
    sql_query(format!(
        "SELECT w.id, w.timestamp, w.event_id
         FROM (SELECT s.*, sum(s.weight) OVER (ORDER BY s.timestamp, s.event_id COLLATE \"C\")
                           - s.weight AS before
               FROM (SELECT m.id, m.timestamp, m.event_id, coalesce(pg_column_size(m.content), 0)
                            + 2 * octet_length(m.body)
                            + 2 * coalesce(octet_length(m.formatted_body), 0) AS weight
                     FROM tributary.messages m
                     JOIN tributary.conversation_access a
                       ON a.conversation_id = m.conversation_id AND a.user_id = $1
                     WHERE m.conversation_id = (SELECT r.conversation_id FROM tributary.rooms r
                                                WHERE r.room_id = $2)
                       AND m.room_id = $2 AND {MAY_SEE}
                       AND ($3::timestamptz IS NULL
                            OR (m.timestamp, m.event_id COLLATE \"C\") > ($3, $4::text COLLATE \"C\"))
                     ORDER BY m.timestamp, m.event_id COLLATE \"C\" LIMIT $5) AS s) AS w
         WHERE w.before < $6
         ORDER BY w.timestamp, w.event_id COLLATE \"C\""
    ))
    .bind::<Text, _>(user_id)
    .bind::<Text, _>(room_id)
    .bind::<Nullable<Timestamptz>, _>(timestamp)
    .bind::<Nullable<Text>, _>(event_id)
    .bind::<BigInt, _>(MOST)
    .bind::<BigInt, _>(HEAVIEST)
    .load(conn)
    .await
}
