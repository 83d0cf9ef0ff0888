//! Everybody's connections.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    db::{
        Connection,
        read::{Page, connections::HISTORY},
    },
    model::connection::{Account, BackfillSummary, Status},
};

/// Which connections; `None` is any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Of this Clerk user.
    pub user_id: Option<&'a str>,
    /// Of this Matrix user.
    pub matrix_user_id: Option<&'a str>,
}

/// A place between two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the one before it was first heard of.
    pub created_at: DateTime<Utc>,
    /// That one.
    pub id: Uuid,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    matrix_user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    bridge_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    bridge_user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    remote_name: Option<String>,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    linked_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    disconnected_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_sync_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(sql_type = BigInt)]
    done: i64,
    #[diesel(sql_type = BigInt)]
    active: i64,
    #[diesel(sql_type = BigInt)]
    messages: i64,
}

/// Of connections `c`. The codes and their hashes stay where they are.
fn shown() -> String {
    format!(
        "SELECT c.id, c.user_id, c.matrix_user_id, c.bridge_id, c.bridge_user_id, c.remote_name,
                c.status, c.error, c.linked_at, c.disconnected_at, c.last_sync_at, c.created_at, r.*
         FROM c {HISTORY} ORDER BY c.created_at DESC, c.id DESC"
    )
}

/// Up to `limit` connections, the newest first, behind `after`.
///
/// # Errors
///
/// When the statement fails.
pub async fn page(
    conn: &mut Connection,
    filter: Filter<'_>,
    after: Option<Place>,
    limit: i64,
) -> QueryResult<Page<Account, Place>> {
    // Cut before anything is counted.
    let rows: Vec<Row> = sql_query(format!(
        "WITH c AS MATERIALIZED (
             SELECT c.* FROM tributary.messenger_connections c
             WHERE ($1::text IS NULL OR c.user_id = $1)
               AND ($2::text IS NULL OR c.matrix_user_id = $2)
               AND ($3::timestamptz IS NULL OR (c.created_at, c.id) < ($3, $4::uuid))
             ORDER BY c.created_at DESC, c.id DESC
             LIMIT $5)
         {}",
        shown()
    ))
    .bind::<Nullable<Text>, _>(filter.user_id)
    .bind::<Nullable<Text>, _>(filter.matrix_user_id)
    .bind::<Nullable<Timestamptz>, _>(after.map(|place| place.created_at))
    .bind::<Nullable<SqlUuid>, _>(after.map(|place| place.id))
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)
    .await?;
    let Page { items, next } = Page::cut(rows, limit, |row: &Row| Place {
        created_at: row.created_at,
        id: row.id,
    });
    let items = items.into_iter().map(Row::shown).collect();
    Ok(Page { items, next })
}

/// One connection.
///
/// # Errors
///
/// When the statement fails.
pub async fn get(conn: &mut Connection, id: Uuid) -> QueryResult<Option<Account>> {
    let row: Option<Row> = sql_query(format!(
        "WITH c AS MATERIALIZED (SELECT * FROM tributary.messenger_connections WHERE id = $1) {}",
        shown()
    ))
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(Row::shown))
}

impl Row {
    fn shown(self) -> Account {
        Account {
            id: self.id,
            user_id: self.user_id,
            matrix_user_id: self.matrix_user_id,
            bridge_id: self.bridge_id,
            bridge_user_id: self.bridge_user_id,
            remote_name: self.remote_name,
            // The column is checked; a word from a later version is an error to look at.
            status: Status::parse(&self.status).unwrap_or(Status::Error),
            error: self.error,
            linked_at: self.linked_at,
            disconnected_at: self.disconnected_at,
            last_sync_at: self.last_sync_at,
            created_at: self.created_at,
            backfill: BackfillSummary::new(self.total, self.done, self.active, self.messages),
        }
    }
}
