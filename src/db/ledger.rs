//! The transaction ledger: the fast path against repetition, never the only guard.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Binary, Bool, Integer, Text},
};
use diesel_async::RunQueryDsl as _;

use super::{Connection, statement::Keep as _};

/// What the ledger knew of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is new.
    New,
    /// It is new, but its id was used before for other events: a re-created homeserver.
    IdReused,
    /// It has been committed before.
    Again,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Bool)]
    fresh: bool,
    #[diesel(sql_type = Bool)]
    reused: bool,
}

/// Enters a transaction. A concurrent one with the same key waits here until the
/// other has committed, so that it is not answered before.
///
/// # Errors
///
/// When the statement fails.
pub async fn record(
    mut conn: &Connection,
    transaction_id: &str,
    digest: &[u8],
    events: usize,
) -> QueryResult<Recorded> {
    let row: Row = sql_query(
        "WITH entered AS (
             INSERT INTO tributary.transactions (transaction_id, digest, event_count)
             VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1
         )
         SELECT EXISTS (SELECT 1 FROM entered) AS fresh,
                EXISTS (SELECT 1 FROM tributary.transactions
                        WHERE transaction_id = $1 AND digest <> $2) AS reused",
    )
    .bind::<Text, _>(transaction_id)
    .bind::<Binary, _>(digest)
    .bind::<Integer, _>(i32::try_from(events).unwrap_or(i32::MAX))
    .kept()
    .get_result(&mut conn)
    .await?;
    Ok(match (row.fresh, row.reused) {
        (true, false) => Recorded::New,
        (true, true) => Recorded::IdReused,
        (false, _) => Recorded::Again,
    })
}
