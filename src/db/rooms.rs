//! Rooms: which of them are portals, of what conversation, for whom.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use futures_util::future::try_join;
use uuid::Uuid;

use super::{Connection, statement::Keep as _};
use crate::model::portal::Portal;

/// What ingest has to know of a room.
#[derive(Debug, Clone)]
pub struct Room {
    /// Whether it has been resolved to be a portal or something else.
    pub resolved: bool,
    /// Its bridge and conversation, for a portal that has, or once had, a customer.
    pub mapped: Option<Mapped>,
    /// Whether the operator left it switched on.
    pub enabled: bool,
    /// Whether its last event was [remembered](touch) less than a second ago.
    pub is_fresh: bool,
    /// Who may see what in it.
    pub grants: Vec<Grant>,
}

/// What is known of rooms, by their ids.
pub type Known = HashMap<String, Room>;

/// The conversation that a room belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The bridge.
    pub bridge_id: String,
    /// The conversation.
    pub conversation_id: Uuid,
}

/// What was received so long before a leave was said was received before it, also when clocks
/// differ a little. `grants` has it in SQL.
const TURN: TimeDelta = TimeDelta::seconds(5);

/// When something was received, and when it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// When the homeserver received it, counted back from when it came in.
    pub received_at: DateTime<Utc>,
    /// Milliseconds since 1970, as the sender's server claimed; none for what cannot be read.
    pub origin_server_ts: Option<i64>,
}

impl At {
    /// Of an event that can be read.
    #[must_use]
    pub fn new(received_at: DateTime<Utc>, origin_server_ts: i64) -> Self {
        Self {
            received_at,
            origin_server_ts: Some(origin_server_ts),
        }
    }

    /// Of an event of which nothing else is known.
    #[must_use]
    pub fn receipt(received_at: DateTime<Utc>) -> Self {
        Self {
            received_at,
            origin_server_ts: None,
        }
    }
}

/// A connection's right to what a room received within an interval.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The Clerk user.
    pub user_id: String,
    /// The connection.
    pub connection_id: Uuid,
    /// From this receipt time on; none for all.
    pub from_at: Option<DateTime<Utc>>,
    /// `origin_server_ts` of the return that it begins with, if that was held up.
    pub from_ts: Option<i64>,
    /// Up to this receipt time; none while it is open.
    pub until_at: Option<DateTime<Utc>>,
    /// `origin_server_ts` of the leave that ended it; none when nothing says it.
    pub until_ts: Option<i64>,
    /// When the connection was linked: what was received later can be live.
    pub linked_at: DateTime<Utc>,
    /// The customer's Matrix id.
    pub matrix_user_id: String,
    /// The customer's own remote id, whose ghost is they as well.
    pub bridge_user_id: Option<String>,
}

impl Room {
    /// Whether content of it is stored at all.
    #[must_use]
    pub fn is_ingested(&self) -> bool {
        self.mapped.is_some() && self.enabled && self.grants.iter().any(Grant::is_open)
    }

    /// Whether what it received then is stored: now and, for what comes late, as
    /// long as somebody was in it.
    #[must_use]
    pub fn takes(&self, at: At) -> bool {
        let was_seen = || self.grants.iter().any(|grant| grant.covers(at));
        self.is_ingested() || self.mapped.is_some() && self.enabled && was_seen()
    }
}

impl Grant {
    /// Whether it has not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.until_at.is_none()
    }

    /// Whether it covers what the homeserver received then. Times of receipt are counted back
    /// from when something came in, so that of a leave or a return which was held up is too late:
    /// from when it was said the homeserver's own clock decides.
    #[must_use]
    pub fn covers(&self, at: At) -> bool {
        let At {
            received_at,
            origin_server_ts,
        } = at;
        let is_since_return = || {
            let Some((ts, from_ts)) = origin_server_ts.zip(self.from_ts) else {
                return false;
            };
            let said = DateTime::from_timestamp_millis(from_ts);
            ts >= from_ts && said.is_some_and(|said| received_at >= said)
        };
        let is_since = |from| received_at >= from || is_since_return();
        let was_said_before = |until: DateTime<Utc>| {
            let Some((ts, until_ts)) = origin_server_ts.zip(self.until_ts) else {
                return true;
            };
            let said = DateTime::from_timestamp_millis(until_ts).unwrap_or(until);
            ts <= until_ts || received_at < said.min(until) - TURN
        };
        let is_before = |until| received_at <= until && was_said_before(until);
        self.from_at.is_none_or(is_since) && self.until_at.is_none_or(is_before)
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    room_id: String,
    #[diesel(sql_type = Bool)]
    resolved: bool,
    #[diesel(sql_type = Bool)]
    enabled: bool,
    #[diesel(sql_type = Bool)]
    is_fresh: bool,
    #[diesel(sql_type = Nullable<Text>)]
    bridge_id: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    conversation_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    user_id: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    connection_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    from_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    from_ts: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    until_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    until_ts: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    linked_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    matrix_user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    bridge_user_id: Option<String>,
}

impl Row {
    fn grant(&self) -> Option<Grant> {
        Some(Grant {
            user_id: self.user_id.clone()?,
            connection_id: self.connection_id?,
            from_at: self.from_at,
            from_ts: self.from_ts,
            until_at: self.until_at,
            until_ts: self.until_ts,
            linked_at: self.linked_at?,
            matrix_user_id: self.matrix_user_id.clone()?,
            bridge_user_id: self.bridge_user_id.clone(),
        })
    }
}

/// Takes the rooms' advisory locks, sorted, for the rest of the transaction: two
/// transactions that hold events of one room must see each other. It is a
/// statement of its own because a statement sees what was committed before it began.
///
/// # Errors
///
/// When the statement fails.
pub async fn lock(conn: &Connection, room_ids: &[String]) -> QueryResult<()> {
    if room_ids.is_empty() {
        return Ok(());
    }
    take(conn, room_ids).await
}

/// Prepares the statement of [`lock`] on a new connection: what is sent along with a
/// statement that is not prepared yet would overtake it, and read what the locks'
/// holders are about to change.
pub(super) async fn prepare_lock(conn: &Connection) -> QueryResult<()> {
    take(conn, &[]).await
}

/// Prepares the statement of [`touch`].
pub(super) async fn prepare(conn: &Connection) -> QueryResult<()> {
    remember(conn, &[]).await
}

async fn take(mut conn: &Connection, room_ids: &[String]) -> QueryResult<()> {
    sql_query(
        "SELECT pg_advisory_xact_lock(key) FROM (
             SELECT DISTINCT hashtextextended(id, 0) AS key FROM unnest($1::text[]) AS id ORDER BY key
         ) AS keys",
    )
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// Takes the advisory locks of all rooms of a conversation, as [`lock`] does.
///
/// # Errors
///
/// When the statement fails.
pub async fn lock_conversation(conn: &mut Connection, conversation_id: Uuid) -> QueryResult<()> {
    sql_query(
        "SELECT pg_advisory_xact_lock(key) FROM (
             SELECT DISTINCT hashtextextended(room_id, 0) AS key FROM tributary.rooms
             WHERE conversation_id = $1 ORDER BY key
         ) AS keys",
    )
    .bind::<SqlUuid, _>(conversation_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// What is known of these rooms; a room that is missing from the answer is new.
///
/// # Errors
///
/// When the statement fails.
pub async fn load(mut conn: &Connection, room_ids: &[String]) -> QueryResult<Known> {
    if room_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = sql_query(
        "SELECT r.room_id, r.kind <> 'unknown' AS resolved, r.enabled, r.bridge_id, r.conversation_id,
                coalesce(r.last_event_at >= now() - interval '1 second', false) AS is_fresh,
                g.user_id, g.connection_id, g.from_at, g.from_ts, g.until_at, g.until_ts,
                c.linked_at, c.matrix_user_id, c.bridge_user_id
         FROM tributary.rooms r
         LEFT JOIN tributary.room_grants g ON g.room_id = r.room_id
         LEFT JOIN tributary.messenger_connections c ON c.id = g.connection_id
         WHERE r.room_id = ANY($1)",
    )
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .load(&mut conn)
    .await?;
    let mut rooms = HashMap::new();
    for row in rows {
        let grant = row.grant();
        let room = rooms.entry(row.room_id).or_insert_with(|| Room {
            resolved: row.resolved,
            enabled: row.enabled,
            is_fresh: row.is_fresh,
            mapped: row
                .bridge_id
                .zip(row.conversation_id)
                .map(|(bridge_id, conversation_id)| Mapped {
                    bridge_id,
                    conversation_id,
                }),
            grants: Vec::new(),
        });
        room.grants.extend(grant);
    }
    Ok(rooms)
}

/// Locks rooms and reads them, in one round trip.
///
/// # Errors
///
/// When a statement fails.
pub async fn lock_and_load(conn: &Connection, room_ids: &[String]) -> QueryResult<Known> {
    let ((), rooms) = try_join(lock(conn, room_ids), load(conn, room_ids)).await?;
    Ok(rooms)
}

/// Records that these rooms exist, and nothing else of them.
///
/// # Errors
///
/// When the statement fails.
pub async fn note(conn: &mut Connection, room_ids: &[String]) -> QueryResult<()> {
    sql_query(
        "INSERT INTO tributary.rooms (room_id)
         SELECT DISTINCT id FROM unnest($1::text[]) AS id ORDER BY id ON CONFLICT DO NOTHING",
    )
    .bind::<Array<Text>, _>(room_ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of these rooms have to be looked at: those that are not resolved, and
/// portals that a linked member does not see, because the link and the room's
/// discovery were committed at the same time and neither saw the other.
///
/// # Errors
///
/// When the statement fails.
pub async fn to_discover(conn: &mut Connection, room_ids: &[String]) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        id: String,
    }
    let rows: Vec<Id> = sql_query(
        "SELECT asked.id FROM unnest($1::text[]) AS asked(id)
         WHERE NOT EXISTS (SELECT 1 FROM tributary.rooms r
                           WHERE r.room_id = asked.id AND r.kind <> 'unknown')
            OR EXISTS (SELECT 1 FROM tributary.rooms r
                       JOIN tributary.room_members m ON m.room_id = r.room_id
                       JOIN tributary.messenger_connections c
                         ON c.matrix_user_id = m.user_id AND c.bridge_id = r.bridge_id
                       WHERE r.room_id = asked.id AND m.membership IN ('join', 'invite')
                         AND c.linked_at IS NOT NULL AND c.disconnected_at IS NULL
                         AND NOT EXISTS (SELECT 1 FROM tributary.room_grants g
                                         WHERE g.room_id = asked.id AND g.connection_id = c.id
                                           AND g.until_at IS NULL))",
    )
    .bind::<Array<Text>, _>(room_ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// What a room turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// A bridge's portal.
    Portal {
        /// The bridge.
        bridge_id: &'a str,
        /// What its `m.bridge` says.
        portal: &'a Portal,
        /// `origin_server_ts` of its `m.room.create`.
        created_ts: Option<i64>,
    },
    /// Anything else.
    Other,
}

/// Writes down what a room turned out to be.
///
/// # Errors
///
/// When the statement fails.
pub async fn resolve(
    conn: &mut Connection,
    room_id: &str,
    resolution: &Resolution<'_>,
) -> QueryResult<()> {
    let (kind, bridge_id, portal, created_ts) = match resolution {
        Resolution::Portal {
            bridge_id,
            portal,
            created_ts,
        } => ("portal", Some(*bridge_id), Some(*portal), *created_ts),
        Resolution::Other => ("other", None, None, None),
    };
    sql_query(
        "INSERT INTO tributary.rooms AS r
             (room_id, kind, bridge_id, protocol_id, channel_id, receiver,
              room_type_v2, room_type, created_ts, resolved_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
         ON CONFLICT (room_id) DO UPDATE SET
             kind = excluded.kind, bridge_id = excluded.bridge_id,
             protocol_id = excluded.protocol_id, channel_id = excluded.channel_id,
             receiver = excluded.receiver, room_type_v2 = excluded.room_type_v2,
             room_type = excluded.room_type,
             created_ts = coalesce(excluded.created_ts, r.created_ts), resolved_at = now()",
    )
    .bind::<Text, _>(room_id)
    .bind::<Text, _>(kind)
    .bind::<Nullable<Text>, _>(bridge_id)
    .bind::<Nullable<Text>, _>(portal.map(|p| &p.protocol_id))
    .bind::<Nullable<Text>, _>(portal.map(|p| &p.channel_id))
    .bind::<Text, _>(portal.map_or("", |p| &p.receiver))
    .bind::<Nullable<Text>, _>(portal.and_then(|p| p.room_type_v2.as_ref()))
    .bind::<Nullable<Text>, _>(portal.and_then(|p| p.room_type.as_ref()))
    .bind::<Nullable<BigInt>, _>(created_ts)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a room has been resolved to be a portal.
///
/// # Errors
///
/// When the statement fails.
pub async fn is_portal(conn: &mut Connection, room_id: &str) -> QueryResult<bool> {
    let found = sql_query("SELECT FROM tributary.rooms WHERE room_id = $1 AND kind = 'portal'")
        .bind::<Text, _>(room_id)
        .execute(conn)
        .await?;
    Ok(found > 0)
}

/// The portals of a bridge in which a Matrix user is joined or invited.
///
/// # Errors
///
/// When the statement fails.
pub async fn portals_of(
    conn: &mut Connection,
    bridge_id: &str,
    matrix_user_id: &str,
) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        room_id: String,
    }
    let rows: Vec<Id> = sql_query(
        "SELECT r.room_id FROM tributary.rooms r
         JOIN tributary.room_members m ON m.room_id = r.room_id
         WHERE r.kind = 'portal' AND r.bridge_id = $1 AND m.user_id = $2
           AND m.membership IN ('join', 'invite')
         ORDER BY r.room_id",
    )
    .bind::<Text, _>(bridge_id)
    .bind::<Text, _>(matrix_user_id)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.room_id).collect())
}

/// Remembers when rooms, and the connections that see them, last had an event.
/// A second's precision is enough, so rows that are fresh or busy are left alone; a room
/// that is [known](Room::is_fresh) to be need not be asked for.
///
/// # Errors
///
/// When the statement fails.
pub async fn touch(conn: &Connection, room_ids: &[String]) -> QueryResult<()> {
    if room_ids.is_empty() {
        return Ok(());
    }
    remember(conn, room_ids).await
}

async fn remember(mut conn: &Connection, room_ids: &[String]) -> QueryResult<()> {
    sql_query(
        "WITH stale AS (
             SELECT room_id FROM tributary.rooms
             WHERE room_id = ANY($1)
               AND (last_event_at IS NULL OR last_event_at < now() - interval '1 second')
             FOR UPDATE SKIP LOCKED
         ), touched AS (
             UPDATE tributary.rooms r SET last_event_at = now() FROM stale
             WHERE r.room_id = stale.room_id RETURNING r.room_id
         ), idle AS (
             SELECT c.id FROM tributary.messenger_connections c
             WHERE c.id IN (SELECT g.connection_id FROM tributary.room_grants g
                            JOIN touched USING (room_id) WHERE g.until_at IS NULL)
               AND (c.last_sync_at IS NULL OR c.last_sync_at < now() - interval '1 second')
             FOR UPDATE SKIP LOCKED
         )
         UPDATE tributary.messenger_connections c SET last_sync_at = now() FROM idle
         WHERE c.id = idle.id",
    )
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// Remembers that a walk over a room's history has ended, and with which fold.
///
/// # Errors
///
/// When the statement fails.
pub async fn mark_filled(conn: &mut Connection, room_id: &str, version: i32) -> QueryResult<()> {
    sql_query("UPDATE tributary.rooms SET fold_version = $2 WHERE room_id = $1")
        .bind::<Text, _>(room_id)
        .bind::<diesel::sql_types::Integer, _>(version)
        .execute(conn)
        .await?;
    Ok(())
}
