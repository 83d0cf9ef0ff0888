//! What there is of what, counted in one statement that stays cheap however much that is.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Double, Nullable, Text},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// Nothing is counted further: beyond it more is no news.
const MOST: i64 = 10_000;

/// A number, and of what it is.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct Sample {
    /// What was looked at.
    #[diesel(sql_type = Text)]
    pub of: String,
    /// Of which kind; empty when there are none.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// In which state; empty when there are none.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// The number; none when there is nothing to have it.
    #[diesel(sql_type = Nullable<Double>)]
    pub value: Option<f64>,
}

/// Looks. Times are ages in seconds, or seconds since 1970.
///
/// # Errors
///
/// When the statement fails.
pub async fn read(conn: &mut Connection) -> QueryResult<Vec<Sample>> {
    sql_query(
        "SELECT 'jobs' AS of, kind, state, count(*)::float8 AS value FROM tributary.jobs
             WHERE state IN ('queued', 'running', 'waiting') GROUP BY kind, state
         UNION ALL
         SELECT 'oldest_due', kind, '', extract(epoch FROM now() - min(run_at))::float8 FROM tributary.jobs
             WHERE state IN ('queued', 'waiting') AND run_at <= now() GROUP BY kind
         UNION ALL
         SELECT 'connections', '', status, count(*)::float8 FROM tributary.messenger_connections
             WHERE user_id IS NOT NULL GROUP BY status
         UNION ALL
         SELECT 'dead_letters', '', '', count(*)::float8
             FROM (SELECT FROM tributary.dead_letters LIMIT $1) AS few
         UNION ALL
         SELECT 'media_pending', '', '', count(*)::float8
             FROM (SELECT FROM tributary.media WHERE state = 'pending' LIMIT $1) AS few
         UNION ALL
         SELECT 'search_queue', '', '', count(*)::float8
             FROM (SELECT FROM tributary.search_queue LIMIT $1) AS few
         UNION ALL
         SELECT 'erasures_open', '', '', count(*)::float8 FROM tributary.erasures WHERE finished_at IS NULL
         UNION ALL
         SELECT 'frames', '', '', greatest(reltuples, 0)::float8 FROM pg_class
             WHERE oid = 'tributary.outbox'::regclass
         UNION ALL
         SELECT 'oldest_frame', '', '', extract(epoch FROM now() - min(created_at))::float8
             FROM tributary.outbox
         UNION ALL
         SELECT 'last_transaction', '', '', extract(epoch FROM max(received_at))::float8
             FROM tributary.transactions
         UNION ALL
         SELECT 'database_size', '', '', pg_database_size(current_database())::float8",
    )
    .bind::<BigInt, _>(MOST)
    .load(conn)
    .await
}
