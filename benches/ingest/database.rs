//! What is in the database of both sides: Tributary's tables are in a schema of their own.

use tokio_postgres::Client;

use crate::report::Side;

/// How many events a side has stored.
pub(crate) async fn stored(counts: &Client, side: Side) -> anyhow::Result<i64> {
    let sql = match side {
        Side::Tributary => {
            "SELECT (SELECT count(*) FROM tributary.messages)
                  + (SELECT count(*) FROM tributary.redactions)"
        }
        Side::BarePg => "SELECT count(*) FROM public.messages",
    };
    Ok(counts.query_one(sql, &[]).await?.get(0))
}
