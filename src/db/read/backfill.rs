//! How the history of a viewer's conversations is coming in.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{db::Connection, model::time};

/// How far the newest backfill of a conversation is.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BackfillProgress)]
pub struct Progress {
    /// The viewer's connection that sees the room.
    #[diesel(sql_type = SqlUuid)]
    pub connection_id: Uuid,
    /// The conversation.
    #[diesel(sql_type = SqlUuid)]
    pub conversation_id: Uuid,
    /// The state of the job.
    #[diesel(sql_type = Text)]
    #[schema(schema_with = crate::model::words::job_state)]
    pub state: String,
    /// Messages that it brought.
    #[diesel(sql_type = BigInt)]
    pub stored: i64,
    /// The time of the oldest event read so far.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    #[serde(serialize_with = "time::milliseconds_opt")]
    #[schema(required)]
    pub oldest_at: Option<DateTime<Utc>>,
}

/// The newest backfill of each of these conversations, where they are the
/// viewer's and there was one; in no order.
///
/// # Errors
///
/// When the statement fails.
pub async fn progress(
    conn: &mut Connection,
    user_id: &str,
    conversation_ids: &[Uuid],
) -> QueryResult<Vec<Progress>> {
    sql_query(
        "SELECT a.conversation_id, last.*
         FROM tributary.conversation_access a
         CROSS JOIN LATERAL (
             SELECT g.connection_id, j.state,
                    coalesce((j.progress ->> 'stored')::bigint, 0) AS stored,
                    (j.progress ->> 'oldestAt')::timestamptz AS oldest_at
             FROM tributary.room_grants g
             JOIN tributary.jobs j ON j.kind = 'backfill' AND j.key = g.room_id
             WHERE g.user_id = a.user_id AND g.conversation_id = a.conversation_id
             ORDER BY j.created_at DESC, g.until_at IS NULL DESC, g.created_at
             LIMIT 1) AS last
         WHERE a.user_id = $1 AND a.conversation_id = ANY($2)",
    )
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .load(conn)
    .await
}
