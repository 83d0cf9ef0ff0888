//! Asking for the history of rooms.

use std::collections::BTreeMap;

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Text},
};
use diesel_async::RunQueryDsl as _;
use serde_json::{Map, Value};

use super::{
    Connection,
    jobs::{Enqueued, NewJob, enqueue_shared},
};

/// Queues a backfill of each of these rooms; the answers are in their order, and so is
/// the work. It counts as the work of whoever gained access last, so that nobody waits
/// for all the rooms of somebody else.
///
/// # Errors
///
/// When a statement fails.
pub async fn enqueue(
    conn: &Connection,
    room_ids: &[String],
    payload: &Map<String, Value>,
) -> QueryResult<Vec<Enqueued>> {
    let job = |room_id: &String| NewJob {
        kind: "backfill",
        key: room_id.clone(),
        payload: payload.clone(),
    };
    let jobs: Vec<_> = room_ids.iter().map(job).collect();
    enqueue_shared(conn, &jobs, &whose(conn, room_ids).await?).await
}

async fn whose(
    mut conn: &Connection,
    room_ids: &[String],
) -> QueryResult<BTreeMap<String, String>> {
    #[derive(QueryableByName)]
    struct Whose {
        #[diesel(sql_type = Text)]
        room_id: String,
        #[diesel(sql_type = Text)]
        user_id: String,
    }
    let rows: Vec<Whose> = sql_query(
        "SELECT DISTINCT ON (g.room_id) g.room_id, g.user_id FROM tributary.room_grants g
         WHERE g.room_id = ANY($1) AND g.until_at IS NULL
         ORDER BY g.room_id, g.created_at DESC, g.user_id",
    )
    .bind::<Array<Text>, _>(room_ids)
    .load(&mut conn)
    .await?;
    let rows = rows.into_iter();
    Ok(rows.map(|row| (row.room_id, row.user_id)).collect())
}
