//! A Clerk user's own connections.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    db,
    model::connection::{BackfillSummary, Connection, Status},
};

/// Joins how the history of the rooms of connection `c` is coming in, as `r`: their
/// latest backfills, and the messages that all brought since the connection sees them.
pub(in crate::db) const HISTORY: &str = "CROSS JOIN LATERAL (
         SELECT count(*) AS total,
                count(*) FILTER (WHERE b.states[1] = 'done') AS done,
                count(*) FILTER (WHERE b.states[1] IN ('queued', 'running', 'waiting')) AS active,
                coalesce(sum(b.stored), 0)::bigint AS messages
         FROM tributary.room_grants g
         CROSS JOIN LATERAL (
             SELECT array_agg(j.state ORDER BY j.created_at DESC) AS states,
                    sum((j.progress ->> 'stored')::bigint) AS stored
             FROM tributary.jobs j
             WHERE j.kind = 'backfill' AND j.key = g.room_id
               -- What was done for others, or for an earlier link, says nothing of this one.
               AND (j.finished_at IS NULL OR j.finished_at >= g.created_at)) AS b
         WHERE g.connection_id = c.id AND g.until_at IS NULL) AS r";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    matrix_user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    bridge_user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    remote_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_sync_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    rooms_total: i64,
    #[diesel(sql_type = BigInt)]
    rooms_done: i64,
    #[diesel(sql_type = BigInt)]
    rooms_active: i64,
    #[diesel(sql_type = BigInt)]
    messages: i64,
}

/// The connections of a Clerk user, the newest first; only the one with `id`, if given.
///
/// # Errors
///
/// When the statement fails.
pub async fn list(
    conn: &mut db::Connection,
    user_id: &str,
    id: Option<Uuid>,
) -> QueryResult<Vec<Connection>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT c.id, c.status, c.matrix_user_id, c.bridge_user_id, c.remote_name, c.error, c.last_sync_at,
                r.total AS rooms_total, r.done AS rooms_done, r.active AS rooms_active, r.messages
         FROM tributary.messenger_connections c
         {HISTORY}
         WHERE c.user_id = $1 AND ($2::uuid IS NULL OR c.id = $2)
         ORDER BY c.created_at DESC, c.id DESC"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Nullable<SqlUuid>, _>(id)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(Connection::from).collect())
}

impl From<Row> for Connection {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            // The column is checked; a word from a later version is an error to look at.
            status: Status::parse(&row.status).unwrap_or(Status::Error),
            matrix_user_id: row.matrix_user_id,
            bridge_user_id: row.bridge_user_id,
            remote_name: row.remote_name,
            error: row.error,
            last_sync_at: row.last_sync_at,
            backfill: BackfillSummary::new(
                row.rooms_total,
                row.rooms_done,
                row.rooms_active,
                row.messages,
            ),
        }
    }
}
