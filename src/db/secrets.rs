//! `tributary.secrets`: what all replicas sign with.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Binary, Text},
};
use diesel_async::RunQueryDsl as _;
use secrecy::SecretSlice;

use super::Connection;

/// What media tickets are signed with.
pub const MEDIA_TICKETS: &str = "media_tickets";

/// A secret by its name, at least 32 bytes.
///
/// # Errors
///
/// When the statement fails, or there is no such secret.
pub async fn get(mut conn: &Connection, name: &str) -> QueryResult<SecretSlice<u8>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Binary)]
        secret: Vec<u8>,
    }
    let row: Row = sql_query("SELECT secret FROM tributary.secrets WHERE name = $1")
        .bind::<Text, _>(name)
        .get_result(&mut conn)
        .await?;
    Ok(row.secret.into())
}
