//! Conversations, with who is in them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Item, Place, files};
use crate::{
    db::{
        Connection,
        read::{conversations, participants},
    },
    model::{conversation::Conversation, export::ReadMarker},
};

/// A group may have thousands of members.
const MOST: i64 = 5;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    read_through_event: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    read_through_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    read_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Array<Text>)]
    room_ids: Vec<String>,
}

/// The next ones.
pub(super) async fn behind(
    conn: &mut Connection,
    user_id: &str,
    after: Option<Uuid>,
) -> QueryResult<Vec<(Item, Place)>> {
    let rows: Vec<Row> = sql_query(
        "SELECT a.conversation_id AS id, a.read_through_event, a.read_through_at, a.read_at,
                ARRAY(SELECT DISTINCT g.room_id COLLATE \"C\" FROM tributary.room_grants g
                      WHERE g.user_id = a.user_id AND g.conversation_id = a.conversation_id
                      ORDER BY 1) AS room_ids
         FROM tributary.conversation_access a
         WHERE a.user_id = $1 AND ($2::uuid IS NULL OR a.conversation_id > $2)
         ORDER BY a.conversation_id LIMIT $3",
    )
    .bind::<Text, _>(user_id)
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(MOST)
    .load(conn)
    .await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let conversations = conversations::by_ids(conn, user_id, &ids).await?;
    let mut conversations: HashMap<_, _> =
        conversations.into_iter().map(|one| (one.id, one)).collect();
    let mut people = participants::of(conn, user_id, &ids).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(mut conversation) = conversations.remove(&row.id) else {
            continue;
        };
        conversation.participants = Some(people.remove(&row.id).unwrap_or_default());
        let place = Place::Conversations(Some(row.id));
        items.push((item(conn, conversation, row).await?, place));
    }
    Ok(items)
}

async fn item(conn: &mut Connection, conversation: Conversation, row: Row) -> QueryResult<Item> {
    let of_people = conversation.participants.iter().flatten();
    let urls = of_people.filter_map(|person| person.avatar_url.as_deref());
    let urls = urls.chain(conversation.avatar_url.as_deref());
    Ok(Item::Conversation {
        media: files::of_pictures(conn, urls).await?,
        conversation: Box::new(conversation),
        room_ids: row.room_ids,
        read_marker: ReadMarker {
            event_id: row.read_through_event,
            timestamp: row.read_through_at,
            read_at: row.read_at,
        },
    })
}
