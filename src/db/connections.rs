//! `tributary.messenger_connections`: who owns which Matrix user.
//!
//! These are the writers' queries. What a Clerk user may read of them is in
//! [`super::read::connections`].

mod takeover;

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Binary, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

pub use self::takeover::absorb;
use super::Connection;
use crate::model::connection::Status;

/// A row, as the operations on it need it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Account {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// The Clerk user; none while it is provisional.
    #[diesel(sql_type = Nullable<Text>)]
    pub user_id: Option<String>,
    /// The bridge; known together with the Matrix user.
    #[diesel(sql_type = Nullable<Text>)]
    pub bridge_id: Option<String>,
    /// The Matrix user; none until a code is redeemed.
    #[diesel(sql_type = Nullable<Text>)]
    pub matrix_user_id: Option<String>,
    /// The id on the network.
    #[diesel(sql_type = Nullable<Text>)]
    pub bridge_user_id: Option<String>,
    /// The name on the network.
    #[diesel(sql_type = Nullable<Text>)]
    pub remote_name: Option<String>,
    #[diesel(sql_type = Text)]
    status: String,
    /// What is wrong, in the bridge's words.
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    linked_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    disconnected_at: Option<DateTime<Utc>>,
}

impl Account {
    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        // The column is checked; a word from a later version is an error to look at.
        Status::parse(&self.status).unwrap_or(Status::Error)
    }

    /// Whether it has an owner who has not disconnected.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.linked_at.is_some() && self.disconnected_at.is_none()
    }

    /// Whether its owner has disconnected.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.disconnected_at.is_some()
    }

    /// The bridge and the Matrix user, once they are known.
    #[must_use]
    pub fn matrix_user(&self) -> Option<(&str, &str)> {
        self.bridge_id
            .as_deref()
            .zip(self.matrix_user_id.as_deref())
    }
}

const COLUMNS: &str = "c.id, c.user_id, c.bridge_id, c.matrix_user_id, c.bridge_user_id, c.remote_name, \
     c.status, c.error, c.linked_at, c.disconnected_at FROM tributary.messenger_connections c";

/// Who takes turns: what is said of a Clerk user's or a Matrix user's connections
/// is decided by one transaction at a time.
#[derive(Debug, Clone, Copy)]
pub enum Turn<'a> {
    /// An address, of which something is counted. Comes before all others.
    Address(&'a str),
    /// A Clerk user. Comes before the Matrix user's, where both are taken.
    User(&'a str),
    /// A Matrix user on a bridge.
    MatrixUser(&'a str, &'a str),
}

/// Takes a turn for the rest of the transaction. All turns come before the rooms'
/// locks, so that nobody who holds a room waits for one.
///
/// # Errors
///
/// When the statement fails.
pub async fn take_turn(conn: &mut Connection, turn: Turn<'_>) -> QueryResult<()> {
    let (first, second) = match turn {
        // No bridge has such a name.
        Turn::Address(address) => ("@", address),
        Turn::User(user_id) => ("", user_id),
        Turn::MatrixUser(bridge_id, matrix_user_id) => (bridge_id, matrix_user_id),
    };
    // Another seed than that of the rooms' locks.
    sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 1))")
        .bind::<Text, _>(first)
        .bind::<Text, _>(second)
        .execute(conn)
        .await?;
    Ok(())
}

/// The connection of a Matrix user that nobody has disconnected.
///
/// # Errors
///
/// When the statement fails.
pub async fn of_matrix_user(
    conn: &mut Connection,
    bridge_id: &str,
    matrix_user_id: &str,
) -> QueryResult<Option<Account>> {
    sql_query(format!(
        "SELECT {COLUMNS}
         WHERE c.bridge_id = $1 AND c.matrix_user_id = $2 AND c.disconnected_at IS NULL"
    ))
    .bind::<Text, _>(bridge_id)
    .bind::<Text, _>(matrix_user_id)
    .get_result(conn)
    .await
    .optional()
}

/// The connection that a link code opens, while the code is good.
///
/// # Errors
///
/// When the statement fails.
pub async fn of_code(
    conn: &mut Connection,
    code_hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<Option<Account>> {
    sql_query(format!(
        "SELECT {COLUMNS}
         WHERE c.link_code_hash = $1 AND c.link_code_expires_at > $2 AND c.disconnected_at IS NULL"
    ))
    .bind::<Binary, _>(code_hash)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()
}

/// A connection of a Clerk user; none when it is somebody else's.
///
/// # Errors
///
/// When the statement fails.
pub async fn of_user(
    conn: &mut Connection,
    user_id: &str,
    id: Uuid,
) -> QueryResult<Option<Account>> {
    sql_query(format!(
        "SELECT {COLUMNS} WHERE c.user_id = $1 AND c.id = $2"
    ))
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()
}

/// A connection, whoever's it is.
///
/// # Errors
///
/// When the statement fails.
pub async fn get(conn: &mut Connection, id: Uuid) -> QueryResult<Option<Account>> {
    sql_query(format!("SELECT {COLUMNS} WHERE c.id = $1"))
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()
}

/// The linked connections on a bridge, each with its owner.
///
/// # Errors
///
/// When the statement fails.
pub async fn linked_on(conn: &mut Connection, bridge_id: &str) -> QueryResult<Vec<(Uuid, String)>> {
    let accounts: Vec<Account> = sql_query(format!(
        "SELECT {COLUMNS}
         WHERE c.bridge_id = $1 AND c.linked_at IS NOT NULL AND c.disconnected_at IS NULL
         ORDER BY c.id"
    ))
    .bind::<Text, _>(bridge_id)
    .load(conn)
    .await?;
    let owned = accounts.into_iter();
    Ok(owned
        .filter_map(|account| Some((account.id, account.user_id?)))
        .collect())
}

/// The connections that a Clerk user has not disconnected: linked ones first,
/// then the newest.
///
/// # Errors
///
/// When the statement fails.
pub async fn active_of_user(conn: &mut Connection, user_id: &str) -> QueryResult<Vec<Account>> {
    sql_query(format!(
        "SELECT {COLUMNS} WHERE c.user_id = $1 AND c.disconnected_at IS NULL
         ORDER BY c.linked_at IS NOT NULL DESC, c.created_at DESC, c.id DESC"
    ))
    .bind::<Text, _>(user_id)
    .load(conn)
    .await
}

/// All connections of a Clerk user.
///
/// # Errors
///
/// When the statement fails.
pub async fn all_of_user(conn: &mut Connection, user_id: &str) -> QueryResult<Vec<Account>> {
    sql_query(format!(
        "SELECT {COLUMNS} WHERE c.user_id = $1 ORDER BY c.id"
    ))
    .bind::<Text, _>(user_id)
    .load(conn)
    .await
}

/// Adds a Clerk user's connection that waits for its code.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert_pending(conn: &mut Connection, id: Uuid, user_id: &str) -> QueryResult<()> {
    sql_query(
        "INSERT INTO tributary.messenger_connections (id, user_id, status) VALUES ($1, $2, 'PENDING')",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(user_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds a Matrix user's connection that nobody owns yet.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert_provisional(
    conn: &mut Connection,
    id: Uuid,
    bridge_id: &str,
    matrix_user_id: &str,
) -> QueryResult<Account> {
    sql_query(format!(
        "WITH c AS (
             INSERT INTO tributary.messenger_connections (id, bridge_id, matrix_user_id, status)
             VALUES ($1, $2, $3, 'PENDING') RETURNING *)
         SELECT {}",
        COLUMNS.replace("tributary.messenger_connections c", "c")
    ))
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(bridge_id)
    .bind::<Text, _>(matrix_user_id)
    .get_result(conn)
    .await
}

/// What is said of a connection. Nothing said changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Description<'a> {
    /// The id on the network.
    pub bridge_user_id: Option<&'a str>,
    /// The name on the network.
    pub remote_name: Option<&'a str>,
}

impl Description<'_> {
    /// Whether it says something that is not known of a connection.
    #[must_use]
    pub fn adds_to(&self, account: &Account) -> bool {
        let is_new = |said: Option<&str>, known: Option<&str>| said.is_some() && said != known;
        is_new(self.bridge_user_id, account.bridge_user_id.as_deref())
            || is_new(self.remote_name, account.remote_name.as_deref())
    }
}

/// Writes down what is said of a connection.
///
/// # Errors
///
/// When the statement fails.
pub async fn describe(
    conn: &mut Connection,
    id: Uuid,
    description: Description<'_>,
) -> QueryResult<()> {
    sql_query(
        "UPDATE tributary.messenger_connections
         SET bridge_user_id = coalesce($2, bridge_user_id), remote_name = coalesce($3, remote_name),
             updated_at = now()
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Nullable<Text>, _>(description.bridge_user_id)
    .bind::<Nullable<Text>, _>(description.remote_name)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down how a connection is doing; says whether that is new.
///
/// # Errors
///
/// When the statement fails.
pub async fn set_status(
    conn: &mut Connection,
    id: Uuid,
    status: Status,
    error: Option<&str>,
) -> QueryResult<bool> {
    let rows = sql_query(
        "UPDATE tributary.messenger_connections SET status = $2, error = $3, updated_at = now()
         WHERE id = $1 AND (status, error) IS DISTINCT FROM ($2, $3)",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(status.as_str())
    .bind::<Nullable<Text>, _>(error)
    .execute(conn)
    .await?;
    Ok(rows == 1)
}

/// Gives a connection a link code, in place of the one it may have had.
///
/// # Errors
///
/// When the statement fails.
pub async fn set_code(
    conn: &mut Connection,
    id: Uuid,
    code_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> QueryResult<()> {
    sql_query(
        "UPDATE tributary.messenger_connections
         SET link_code_hash = $2, link_code_expires_at = $3, updated_at = now() WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Binary, _>(code_hash)
    .bind::<Timestamptz, _>(expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a connection a Clerk user's. Its code stays until it expires, so that
/// the same user may send it again.
///
/// # Errors
///
/// When the statement fails.
pub async fn own(
    conn: &mut Connection,
    id: Uuid,
    user_id: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    sql_query(
        "UPDATE tributary.messenger_connections
         SET user_id = $2, linked_at = $3, updated_at = now() WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(user_id)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a connection's owner go. False when they had gone before.
///
/// # Errors
///
/// When the statement fails.
pub async fn disconnect(conn: &mut Connection, id: Uuid, now: DateTime<Utc>) -> QueryResult<bool> {
    let rows = sql_query(
        "UPDATE tributary.messenger_connections
         SET status = 'DISCONNECTED', error = NULL, disconnected_at = $2,
             link_code_hash = NULL, link_code_expires_at = NULL, updated_at = now()
         WHERE id = $1 AND disconnected_at IS NULL",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(rows == 1)
}
