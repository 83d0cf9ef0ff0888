//! The audit, the newest first.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    db::{Connection, read::Page},
    model::audit::AuditRow,
};

/// Which rows; `None` is any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// What was done.
    pub action: Option<&'a str>,
    /// By whom.
    pub actor: Option<&'a str>,
    /// To what.
    pub target: Option<&'a str>,
}

/// A place between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When that of the row before it was done.
    pub at: DateTime<Utc>,
    /// That row.
    pub id: Uuid,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    actor: String,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Nullable<Text>)]
    target: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    origin: Option<String>,
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = Jsonb)]
    details: Value,
}

/// Up to `limit` rows, the newest first, behind `after`.
///
/// # Errors
///
/// When the statement fails.
pub async fn page(
    conn: &mut Connection,
    filter: Filter<'_>,
    after: Option<Place>,
    limit: i64,
) -> QueryResult<Page<AuditRow, Place>> {
    let rows: Vec<Row> = sql_query(
        "SELECT a.id, a.at, a.actor, a.action, a.target, a.origin, a.outcome, a.details
         FROM tributary.audit a
         WHERE ($1::text IS NULL OR a.action = $1)
           AND ($2::text IS NULL OR a.actor = $2)
           AND ($3::text IS NULL OR a.target = $3)
           AND ($4::timestamptz IS NULL OR (a.at, a.id) < ($4, $5::uuid))
         ORDER BY a.at DESC, a.id DESC
         LIMIT $6",
    )
    .bind::<Nullable<Text>, _>(filter.action)
    .bind::<Nullable<Text>, _>(filter.actor)
    .bind::<Nullable<Text>, _>(filter.target)
    .bind::<Nullable<Timestamptz>, _>(after.map(|place| place.at))
    .bind::<Nullable<SqlUuid>, _>(after.map(|place| place.id))
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)
    .await?;
    let Page { items, next } = Page::cut(rows, limit, |row: &Row| Place {
        at: row.at,
        id: row.id,
    });
    let items = items.into_iter().map(Row::shown).collect();
    Ok(Page { items, next })
}

impl Row {
    fn shown(self) -> AuditRow {
        AuditRow {
            id: self.id,
            at: self.at,
            actor: self.actor,
            action: self.action,
            target: self.target,
            origin: self.origin,
            outcome: self.outcome,
            details: self.details,
        }
    }
}
