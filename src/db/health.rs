//! How the work is going, in one cheap statement.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Bool, Nullable, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// How the work is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Work {
    /// Jobs run, are due, or wait for another try. Those planned for later don't count.
    #[diesel(sql_type = Bool)]
    pub active: bool,
    /// Some job has been due for more than a minute, or its holder is gone.
    #[diesel(sql_type = Bool)]
    pub behind: bool,
    /// When a transaction with events was last committed, by any replica.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_transaction_at: Option<DateTime<Utc>>,
}

/// Looks at the jobs and the ledger.
///
/// # Errors
///
/// When the statement fails.
pub async fn work(conn: &mut Connection) -> QueryResult<Work> {
    sql_query(
        "SELECT EXISTS (SELECT 1 FROM tributary.jobs
                        WHERE state IN ('running', 'waiting')
                           OR (state = 'queued' AND run_at <= now())) AS active,
                EXISTS (SELECT 1 FROM tributary.jobs
                        WHERE state IN ('queued', 'waiting') AND run_at < now() - interval '60 seconds')
                OR EXISTS (SELECT 1 FROM tributary.jobs
                           WHERE state = 'running' AND lease_until < now() - interval '60 seconds')
                    AS behind,
                (SELECT max(received_at) FROM tributary.transactions) AS last_transaction_at",
    )
    .get_result(conn)
    .await
}
