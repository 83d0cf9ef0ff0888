//! What a database is like from where we stand, for whoever looks whether all is well.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName,
    connection::CacheSize,
    sql_query,
    sql_types::{Array, Bool, Oid, Text, Timestamptz},
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _, SimpleAsyncConnection as _};
use secrecy::SecretString;

use super::{Connection, connect::Connector};

/// For a connection, and for an answer of a pooler that has none left to give.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection of its own, on which no statement is kept prepared.
///
/// # Errors
///
/// The reason, which names neither the password nor the address.
pub async fn connect(url: &SecretString) -> Result<Connection, String> {
    // Whether it is a pooler's is only looked at later.
    let connector = Connector::through_pooler(url).map_err(|why| why.to_string())?;
    match tokio::time::timeout(PATIENCE, connector.connect()).await {
        Ok(Ok(mut conn)) => {
            conn.set_prepared_statement_cache_size(CacheSize::Disabled);
            Ok(conn)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// Which database this is, and what can be done in it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four answers to four questions"
)]
pub struct Facts {
    /// Such as `15.14`.
    #[diesel(sql_type = Text)]
    pub version: String,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Who we are in it.
    #[diesel(sql_type = Text)]
    pub role: String,
    /// It follows another server, which is the one that takes writes.
    #[diesel(sql_type = Bool)]
    pub is_replica: bool,
    /// Transactions are read-only unless they say otherwise.
    #[diesel(sql_type = Bool)]
    pub is_read_only: bool,
    /// The role may make the schema `tributary`.
    #[diesel(sql_type = Bool)]
    pub may_create: bool,
    /// There is such a schema.
    #[diesel(sql_type = Bool)]
    pub has_schema: bool,
}

/// Looks at the database.
///
/// # Errors
///
/// When the statement fails.
pub async fn facts(conn: &mut Connection) -> QueryResult<Facts> {
    sql_query(
        "SELECT current_setting('server_version') AS version,
                current_database()::text AS name,
                current_user::text AS role,
                pg_is_in_recovery() AS is_replica,
                current_setting('default_transaction_read_only')::bool AS is_read_only,
                has_database_privilege(current_database(), 'CREATE') AS may_create,
                to_regnamespace('tributary') IS NOT NULL AS has_schema",
    )
    .get_result(conn)
    .await
}

/// A database of one server, since that started.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Place {
    #[diesel(sql_type = Oid)]
    database: u32,
    #[diesel(sql_type = Timestamptz)]
    server_started_at: DateTime<Utc>,
}

/// Which one this is: two connections have equal ones only if they lead to the same.
///
/// # Errors
///
/// When the statement fails.
pub async fn place(conn: &mut Connection) -> QueryResult<Place> {
    sql_query(
        "SELECT oid AS database, pg_postmaster_start_time() AS server_started_at
         FROM pg_database WHERE datname = current_database()",
    )
    .get_result(conn)
    .await
}

/// The tables that the role cannot use: it may not read or add rows, or row level security
/// hides all of them from it.
///
/// # Errors
///
/// When the statement fails.
pub async fn closed_tables(conn: &mut Connection) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Tables {
        #[diesel(sql_type = Array<Text>)]
        names: Vec<String>,
    }
    let tables: Tables = sql_query(
        "SELECT coalesce(array_agg(c.relname::text ORDER BY c.relname), '{}') AS names
         FROM pg_class c
         WHERE c.relnamespace = to_regnamespace('tributary') AND c.relkind IN ('r', 'p')
           AND NOT (has_schema_privilege(c.relnamespace, 'USAGE')
                    AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                    AND (NOT row_security_active(c.oid)
                         OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)))",
    )
    .get_result(conn)
    .await?;
    Ok(tables.names)
}

/// Writes a row and takes it back.
///
/// # Errors
///
/// When it cannot be written.
pub async fn try_to_write(conn: &mut Connection) -> QueryResult<()> {
    conn.batch_execute("BEGIN").await?;
    let written = sql_query(
        "INSERT INTO tributary.transactions (transaction_id, digest, event_count)
         VALUES ('doctor ' || gen_random_uuid(), '', 0)",
    )
    .execute(conn)
    .await;
    conn.batch_execute("ROLLBACK").await?;
    written.map(drop)
}

/// What time it is at the server.
///
/// # Errors
///
/// When the statement fails.
pub async fn time(conn: &mut Connection) -> QueryResult<DateTime<Utc>> {
    #[derive(QueryableByName)]
    struct Time {
        #[diesel(sql_type = Timestamptz)]
        now: DateTime<Utc>,
    }
    let time: Time = sql_query("SELECT clock_timestamp() AS now")
        .get_result(conn)
        .await?;
    Ok(time.now)
}

/// Whether connections keep a session of the server's to themselves. Through a pooler in
/// transaction mode (PgBouncer's, Supavisor's) they do not.
///
/// # Errors
///
/// The reason, which names neither the password nor the address.
pub async fn has_own_sessions(url: &SecretString) -> Result<bool, String> {
    let connector = Connector::new(url).map_err(|why| why.to_string())?;
    match tokio::time::timeout(PATIENCE, connector.has_own_sessions()).await {
        Ok(asked) => asked.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
