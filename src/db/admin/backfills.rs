//! Jobs of the kind `backfill`, with the conversations of their rooms.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    db::{Connection, jobs::JobState, read::Page},
    model::backfill::Backfill,
};

/// Which backfills; `None` is any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// In this state.
    pub state: Option<JobState>,
    /// Of this Matrix room.
    pub room_id: Option<&'a str>,
}

/// A place between two backfills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the one before it was asked for.
    pub created_at: DateTime<Utc>,
    /// That one.
    pub id: Uuid,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    room_id: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    conversation_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    days: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    max_messages: Option<i64>,
    #[diesel(sql_type = BigInt)]
    fetched: i64,
    #[diesel(sql_type = BigInt)]
    stored: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    oldest_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    started_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    finished_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "j.id, j.key AS room_id, r.conversation_id, j.state, j.reason,
     (j.payload ->> 'days')::bigint AS days, (j.payload ->> 'maxMessages')::bigint AS max_messages,
     coalesce((j.progress ->> 'fetched')::bigint, 0) AS fetched,
     coalesce((j.progress ->> 'stored')::bigint, 0) AS stored,
     (j.progress ->> 'oldestAt')::timestamptz AS oldest_at,
     j.attempts, j.error, j.created_at, j.started_at, j.finished_at";

/// Up to `limit` backfills, the newest first, behind `after`.
///
/// # Errors
///
/// When the statement fails.
pub async fn page(
    conn: &mut Connection,
    filter: Filter<'_>,
    after: Option<Place>,
    limit: i64,
) -> QueryResult<Page<Backfill, Place>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}
         FROM tributary.jobs j LEFT JOIN tributary.rooms r ON r.room_id = j.key
         WHERE j.kind = 'backfill'
           AND ($1::text IS NULL OR j.state = $1)
           AND ($2::text IS NULL OR j.key = $2)
           AND ($3::timestamptz IS NULL OR (j.created_at, j.id) < ($3, $4::uuid))
         ORDER BY j.created_at DESC, j.id DESC
         LIMIT $5"
    ))
    .bind::<Nullable<Text>, _>(filter.state.map(JobState::as_str))
    .bind::<Nullable<Text>, _>(filter.room_id)
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

/// One backfill.
///
/// # Errors
///
/// When the statement fails.
pub async fn get(conn: &mut Connection, id: Uuid) -> QueryResult<Option<Backfill>> {
    let row: Option<Row> = sql_query(format!(
        "SELECT {COLUMNS}
         FROM tributary.jobs j LEFT JOIN tributary.rooms r ON r.room_id = j.key
         WHERE j.kind = 'backfill' AND j.id = $1"
    ))
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(Row::shown))
}

/// These backfills, in this order.
///
/// # Errors
///
/// When the statement fails.
pub async fn of(conn: &mut Connection, ids: &[Uuid]) -> QueryResult<Vec<Backfill>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}
         FROM unnest($1::uuid[]) WITH ORDINALITY AS asked(id, place)
         JOIN tributary.jobs j ON j.id = asked.id
         LEFT JOIN tributary.rooms r ON r.room_id = j.key
         ORDER BY asked.place"
    ))
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(Row::shown).collect())
}

impl Row {
    fn shown(self) -> Backfill {
        Backfill {
            id: self.id,
            room_id: self.room_id,
            conversation_id: self.conversation_id,
            state: self.state,
            reason: self.reason,
            days: self.days,
            max_messages: self.max_messages,
            fetched: self.fetched,
            stored: self.stored,
            oldest_at: self.oldest_at,
            attempts: self.attempts,
            error: self.error,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}
