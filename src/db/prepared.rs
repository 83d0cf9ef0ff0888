//! Statements that a connection knows before a batch of events is stored on it.
//!
//! What is sent along with a statement that is not prepared yet overtakes it. These may go out
//! together, in the order in which each needs what those before it did.

use diesel::QueryResult;
use diesel_async::SimpleAsyncConnection as _;
use futures_util::future::{try_join, try_join4};

use super::{
    Connection, messages, participants, plans::STEADY, reactions, read, rooms, stream, versions,
    viewers,
};

/// Prepares them, by running each for nothing: they get the plans that a
/// [steady](super::plans::steady) transaction would make.
///
/// # Errors
///
/// When a statement fails; the transaction is still open then.
pub(super) async fn prepare(mut conn: &Connection) -> QueryResult<()> {
    conn.batch_execute(&format!("BEGIN; {STEADY}")).await?;
    all(conn).await?;
    conn.batch_execute("COMMIT").await
}

/// In no order.
async fn all(conn: &Connection) -> QueryResult<()> {
    let about_messages = try_join4(
        versions::prepare(conn),
        reactions::prepare(conn),
        participants::prepare(conn),
        messages::prepare(conn),
    );
    let others = try_join4(
        rooms::prepare(conn),
        viewers::prepare(conn),
        stream::prepare(conn),
        read::messages::prepare(conn),
    );
    try_join(about_messages, others).await?;
    Ok(())
}
