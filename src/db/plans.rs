//! How the statements of a busy transaction are planned.

use diesel::QueryResult;
use diesel_async::SimpleAsyncConnection as _;

use super::Connection;

/// Index lookups, whatever the tables' sizes. What is not allowed is planned as very dear, which
/// Postgres would take for worth compiling: behind a pooler, where a role may have no
/// settings of its own, a push took most of a second for that.
pub(super) const STEADY: &str = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; \
                      SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off";

/// Until the end of the transaction, statements that are kept also keep their plans,
/// which for small sets take longer to make than to run. A plan made while a table
/// was small would scan it for ever, so only plans by index lookup are allowed: right
/// for a batch of events, and for nothing that reads a large part of a table.
///
/// # Errors
///
/// When the statement fails.
pub async fn steady(mut conn: &Connection) -> QueryResult<()> {
    conn.batch_execute(STEADY).await
}
