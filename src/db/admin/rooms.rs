//! Every room that Tributary knows, and the operator's switches.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    db::{Connection, read::Page},
    model::room::Room,
};

/// Which rooms; `None` is any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Which this connection sees.
    pub connection_id: Option<Uuid>,
    /// Whether there is a conversation of them.
    pub mapped: Option<bool>,
    /// Whether they are ingested.
    pub enabled: Option<bool>,
}

/// A place between two rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// When the room before it was first heard of.
    pub first_seen_at: DateTime<Utc>,
    /// That room.
    pub room_id: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    room_id: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    conversation_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    bridge_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Bool)]
    enabled: bool,
    #[diesel(sql_type = Bool)]
    backfill: bool,
    #[diesel(sql_type = BigInt)]
    members: i64,
    #[diesel(sql_type = BigInt)]
    viewers: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_event_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    reconciled_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    first_seen_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    backfill_state: Option<String>,
}

/// Of rooms `r`. What is counted belongs to one room each.
const SHOWN: &str = "
    SELECT r.room_id, r.conversation_id, r.kind, r.bridge_id, c.name, r.enabled, r.backfill,
           (SELECT count(*) FROM tributary.room_members m
            WHERE m.room_id = r.room_id AND m.membership IN ('join', 'invite')) AS members,
           (SELECT count(DISTINCT g.user_id) FROM tributary.room_grants g
            WHERE g.room_id = r.room_id AND g.until_at IS NULL) AS viewers,
           r.last_event_at, r.reconciled_at, r.first_seen_at,
           (SELECT j.state FROM tributary.jobs j WHERE j.kind = 'backfill' AND j.key = r.room_id
            ORDER BY j.created_at DESC LIMIT 1) AS backfill_state
    FROM r LEFT JOIN tributary.conversations c ON c.id = r.conversation_id
    ORDER BY r.first_seen_at DESC, r.room_id DESC";

/// Up to `limit` rooms, those last heard of first, behind `after`.
///
/// # Errors
///
/// When the statement fails.
pub async fn page(
    conn: &mut Connection,
    filter: Filter,
    after: Option<Place>,
    limit: i64,
) -> QueryResult<Page<Room, Place>> {
    // Cut before anything is counted.
    let rows: Vec<Row> = sql_query(format!(
        "WITH r AS MATERIALIZED (
             SELECT r.* FROM tributary.rooms r
             WHERE ($1::uuid IS NULL OR EXISTS (
                       SELECT 1 FROM tributary.room_grants g
                       WHERE g.connection_id = $1 AND g.room_id = r.room_id AND g.until_at IS NULL))
               AND ($2::bool IS NULL OR (r.conversation_id IS NOT NULL) = $2)
               AND ($3::bool IS NULL OR r.enabled = $3)
               AND ($4::timestamptz IS NULL OR (r.first_seen_at, r.room_id) < ($4, $5::text))
             ORDER BY r.first_seen_at DESC, r.room_id DESC
             LIMIT $6)
         {SHOWN}"
    ))
    .bind::<Nullable<SqlUuid>, _>(filter.connection_id)
    .bind::<Nullable<Bool>, _>(filter.mapped)
    .bind::<Nullable<Bool>, _>(filter.enabled)
    .bind::<Nullable<Timestamptz>, _>(after.as_ref().map(|place| place.first_seen_at))
    .bind::<Nullable<Text>, _>(after.as_ref().map(|place| &place.room_id))
    .bind::<BigInt, _>(limit.saturating_add(1))
    .load(conn)
    .await?;
    let Page { items, next } = Page::cut(rows, limit, |row: &Row| Place {
        first_seen_at: row.first_seen_at,
        room_id: row.room_id.clone(),
    });
    let items = items.into_iter().map(Row::shown).collect();
    Ok(Page { items, next })
}

/// One room.
///
/// # Errors
///
/// When the statement fails.
pub async fn get(conn: &mut Connection, room_id: &str) -> QueryResult<Option<Room>> {
    let row: Option<Row> = sql_query(format!(
        "WITH r AS MATERIALIZED (SELECT * FROM tributary.rooms WHERE room_id = $1) {SHOWN}"
    ))
    .bind::<Text, _>(room_id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(Row::shown))
}

/// Sets a room's switches. The caller holds the room's lock.
///
/// # Errors
///
/// When the statement fails.
pub async fn set(
    conn: &mut Connection,
    room_id: &str,
    enabled: bool,
    backfill: bool,
) -> QueryResult<()> {
    sql_query("UPDATE tributary.rooms SET enabled = $2, backfill = $3 WHERE room_id = $1")
        .bind::<Text, _>(room_id)
        .bind::<Bool, _>(enabled)
        .bind::<Bool, _>(backfill)
        .execute(conn)
        .await?;
    Ok(())
}

impl Row {
    fn shown(self) -> Room {
        Room {
            room_id: self.room_id,
            conversation_id: self.conversation_id,
            kind: self.kind,
            bridge_id: self.bridge_id,
            name: self.name,
            enabled: self.enabled,
            backfill: self.backfill,
            members: self.members,
            viewers: self.viewers,
            last_event_at: self.last_event_at,
            reconciled_at: self.reconciled_at,
            first_seen_at: self.first_seen_at,
            backfill_state: self.backfill_state,
        }
    }
}
