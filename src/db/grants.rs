//! Access: a grant per connection, room and interval.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Bool, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, statement::Keep as _};

/// Did the room receive this before grant `g` ended? Times of receipt are counted back from
/// when something came in, so that of a leave which was held up is too late: from when it was
/// said (less [`super::rooms`]' `TURN`) the homeserver's own clock decides, `origin_server_ts`. An open
/// grant is asked nothing else. Without the second one for what has none that could be read.
macro_rules! before_end {
    ($received_at:literal) => {
        concat!("(g.until_at IS NULL OR ", $received_at, " <= g.until_at)")
    };
    ($received_at:literal, $origin_server_ts:literal) => {
        concat!(
            "(g.until_at IS NULL OR ",
            $received_at,
            " <= g.until_at AND (g.until_ts IS NULL OR ",
            $origin_server_ts,
            " <= g.until_ts OR ",
            $received_at,
            " < least(to_timestamp(g.until_ts / 1000.0), g.until_at) - interval '5 seconds'))"
        )
    };
}

/// Does grant `g` cover what its room received then? [`super::rooms::Grant::covers`] in SQL.
macro_rules! covers {
    ($received_at:literal $(, $origin_server_ts:literal)?) => {
        concat!(
            "(g.from_at IS NULL OR ",
            $received_at,
            " >= g.from_at) AND ",
            $crate::db::grants::before_end!($received_at $(, $origin_server_ts)?)
        )
    };
}
pub(super) use {before_end, covers};

/// A grant that opened or ended.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Changed {
    /// The Clerk user.
    #[diesel(sql_type = Text)]
    pub user_id: String,
    /// The conversation.
    #[diesel(sql_type = SqlUuid)]
    pub conversation_id: Uuid,
    /// The room.
    #[diesel(sql_type = Text)]
    pub room_id: String,
    /// Whether it opened.
    #[diesel(sql_type = Bool)]
    pub opened: bool,
}

/// Is member `m` of room `r` the Matrix user of the linked connection `c`?
const ENTITLED: &str = "c.matrix_user_id = m.user_id AND c.bridge_id = r.bridge_id
    AND c.linked_at IS NOT NULL AND c.disconnected_at IS NULL
    AND m.membership IN ('join', 'invite') AND r.kind = 'portal'";

/// Leaves `s` as the ends of grants that they are: `again` when they come behind another leave, and
/// with their `origin_server_ts` unless that is of another time, since bridges date events back.
const ENDS: &str = "SELECT s.received_at AS until_at,
        EXISTS (SELECT 1 FROM tributary.state_events p
            WHERE p.room_id = s.room_id AND p.event_id = s.replaces_state AND p.type = s.type
              AND p.state_key = s.state_key AND p.content ->> 'membership' IN ('leave', 'ban')) AS again,
        CASE WHEN abs(s.origin_server_ts - extract(epoch FROM s.received_at) * 1000) <= 60000
             THEN s.origin_server_ts END AS until_ts,
        s.event_id
    FROM tributary.state_events s
    WHERE s.type = 'm.room.member' AND s.content ->> 'membership' IN ('leave', 'ban')";

/// Orders [`ENDS`] by when they were said, the last one first.
const LAST_FIRST: &str =
    "least(until_at, to_timestamp(until_ts / 1000.0)) DESC, event_id COLLATE \"C\" DESC";

/// Was event `s` received before the end `g`?
const BEFORE_END: &str = before_end!("s.received_at", "s.origin_server_ts");

/// Brings the grants of these rooms to what membership and links say.
///
/// A grant ends with the homeserver's receipt of the leave, so that what was
/// received up to then stays readable, and with its `origin_server_ts`, unless that is of
/// another time: bridges date events back. It begins with the room, or, for somebody
/// who had left and came back, with the receipt of their return. None opens in a room
/// through which an erasure has yet to go, nor for a connection that is being let go.
///
/// # Errors
///
/// When a statement fails.
pub async fn sync(conn: &mut Connection, room_ids: &[String]) -> QueryResult<Vec<Changed>> {
    // OFFSET keeps the condition a lookup for each grant: as a join, which it would
    // become, it has been planned as one over the members of all rooms.
    let mut changed: Vec<Changed> = sql_query(format!(
        "UPDATE tributary.room_grants g
         SET (until_at, until_ts) = (
             SELECT coalesce(l.until_at, now()), l.until_ts
             FROM (SELECT) AS always LEFT JOIN LATERAL (
                 SELECT until_at, until_ts FROM ({ENDS}
                     AND s.room_id = g.room_id AND s.state_key = (
                         SELECT c.matrix_user_id FROM tributary.messenger_connections c WHERE c.id = g.connection_id)
                     -- An earlier leave ended an earlier grant, also one that came in late.
                     AND (g.from_at IS NULL OR s.received_at >= g.from_at) AND NOT EXISTS (
                         SELECT 1 FROM tributary.state_events n
                         WHERE n.room_id = s.room_id AND n.replaces_state = s.event_id
                           AND n.type = s.type AND n.state_key = s.state_key
                           AND n.content ->> 'membership' IN ('join', 'invite'))) AS ends
                 -- Whoever had left and is banned then has left before.
                 ORDER BY again, {LAST_FIRST} LIMIT 1) AS l ON true)
         WHERE g.room_id = ANY($1) AND g.until_at IS NULL AND NOT EXISTS (
             SELECT 1 FROM tributary.messenger_connections c, tributary.rooms r, tributary.room_members m
             WHERE c.id = g.connection_id AND r.room_id = g.room_id AND m.room_id = g.room_id
               AND {ENTITLED} OFFSET 0)
         RETURNING g.user_id, g.conversation_id, g.room_id, false AS opened"
    ))
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .load(conn)
    .await?;
    let opened: Vec<Changed> = sql_query(format!(
        "INSERT INTO tributary.room_grants (connection_id, user_id, room_id, conversation_id, from_at)
         SELECT c.id, c.user_id, r.room_id, r.conversation_id,
                CASE WHEN g.until_at IS NOT NULL THEN coalesce(
                    (SELECT min(s.received_at) FROM tributary.state_events s
                     WHERE s.room_id = r.room_id AND s.type = 'm.room.member' AND s.state_key = m.user_id
                       AND s.content ->> 'membership' IN ('join', 'invite') AND NOT {BEFORE_END}),
                    now()) END
         FROM tributary.rooms r
         JOIN tributary.room_members m ON m.room_id = r.room_id
         JOIN tributary.messenger_connections c ON {ENTITLED}
         LEFT JOIN LATERAL (
             SELECT until_at, until_ts FROM ({ENDS}
                 AND s.room_id = r.room_id AND s.state_key = m.user_id) AS ends
             ORDER BY {LAST_FIRST} LIMIT 1) AS g ON true
         WHERE r.room_id = ANY($1) AND r.conversation_id IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM tributary.erasure_rooms e WHERE e.room_id = r.room_id)
         ORDER BY c.id, r.room_id
         FOR SHARE OF c
         ON CONFLICT (connection_id, room_id) WHERE until_at IS NULL DO NOTHING
         RETURNING user_id, conversation_id, room_id, true AS opened"
    ))
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .load(conn)
    .await?;
    changed.extend(opened);
    Ok(changed)
}

/// The Matrix users who may see what a room receives now.
///
/// # Errors
///
/// When the statement fails.
pub async fn holders(mut conn: &Connection, room_id: &str) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Holder {
        #[diesel(sql_type = Text)]
        matrix_user_id: String,
    }
    let holders: Vec<Holder> = sql_query(
        "SELECT DISTINCT c.matrix_user_id FROM tributary.room_grants g
         JOIN tributary.messenger_connections c ON c.id = g.connection_id
         WHERE g.room_id = $1 AND g.until_at IS NULL",
    )
    .bind::<Text, _>(room_id)
    .load(&mut conn)
    .await?;
    Ok(holders.into_iter().map(|row| row.matrix_user_id).collect())
}

/// Ends every grant of a connection, now.
///
/// # Errors
///
/// When the statement fails.
pub async fn end_all(conn: &mut Connection, connection_id: Uuid) -> QueryResult<Vec<Changed>> {
    sql_query(
        "UPDATE tributary.room_grants g SET until_at = now()
         WHERE g.connection_id = $1 AND g.until_at IS NULL
         RETURNING g.user_id, g.conversation_id, g.room_id, false AS opened",
    )
    .bind::<SqlUuid, _>(connection_id)
    .kept()
    .load(conn)
    .await
}
