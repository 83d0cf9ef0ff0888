//! NOTIFY and LISTEN: hints between replicas.

use diesel::{sql_query, sql_types::Text};
use diesel_async::RunQueryDsl as _;
use futures_util::StreamExt as _;
use secrecy::SecretString;

use super::{
    Connection, Error,
    connect::{Connector, Trouble},
    statement::Keep as _,
};

/// The channel of all replicas.
const CHANNEL: &str = "tributary";

/// Sends a payload of up to 8,000 bytes to every replica. A hint need not survive a
/// crash, so it does not wait for the disk, nor make others wait.
///
/// # Errors
///
/// When the statement fails.
pub async fn send(conn: &mut Connection, payload: &str) -> Result<(), Error> {
    sql_query("SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(payload)
        .kept()
        .execute(conn)
        .await?;
    Ok(())
}

/// Listens on a connection of its own and hands every payload on, until the
/// connection breaks.
///
/// # Errors
///
/// When it cannot connect, or no longer.
pub async fn listen(url: &SecretString, mut heard: impl FnMut(&str)) -> Result<(), Error> {
    let connector = Connector::new(url).map_err(Trouble::lasting)?;
    let mut conn = connector.connect().await?;
    sql_query(format!("LISTEN {CHANNEL}"))
        .execute(&mut conn)
        .await?;
    let mut notifications = std::pin::pin!(conn.notifications_stream());
    while let Some(notification) = notifications.next().await {
        heard(&notification?.payload);
    }
    Ok(())
}
