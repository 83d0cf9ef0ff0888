//! The time that all replicas share.

use chrono::{DateTime, Utc};
use diesel::{QueryResult, QueryableByName, sql_query, sql_types::Timestamptz};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// What Postgres's clock says now.
///
/// # Errors
///
/// When the statement fails.
pub async fn now(mut conn: &Connection) -> QueryResult<DateTime<Utc>> {
    #[derive(QueryableByName)]
    struct Now {
        #[diesel(sql_type = Timestamptz)]
        now: DateTime<Utc>,
    }
    let row: Now = sql_query("SELECT clock_timestamp() AS now")
        .get_result(&mut conn)
        .await?;
    Ok(row.now)
}
