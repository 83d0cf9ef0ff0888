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

/// Did the room receive this behind the return with which grant `g` begins? A return that was
/// held up seems to be later than it was: what was received since it was said is behind it, if
/// it is no older by the homeserver's clock.
macro_rules! since_start {
    ($received_at:literal) => {
        concat!("(g.from_at IS NULL OR ", $received_at, " >= g.from_at)")
    };
    ($received_at:literal, $origin_server_ts:literal) => {
        concat!(
            "(g.from_at IS NULL OR ",
            $received_at,
            " >= g.from_at OR g.from_ts IS NOT NULL AND ",
            $origin_server_ts,
            " >= g.from_ts AND ",
            $received_at,
            " >= to_timestamp(g.from_ts / 1000.0))"
        )
    };
}

/// Does grant `g` cover what its room received then? [`super::rooms::Grant::covers`] in SQL.
macro_rules! covers {
    ($received_at:literal $(, $origin_server_ts:literal)?) => {
        concat!(
            $crate::db::grants::since_start!($received_at $(, $origin_server_ts)?),
            " AND ",
            $crate::db::grants::before_end!($received_at $(, $origin_server_ts)?)
        )
    };
}
pub(super) use {before_end, covers, since_start};

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

/// Does member event `s` come behind another of these memberships? A lookup each: EXISTS has been
/// planned as one over all state there is.
macro_rules! behind {
    ($memberships:literal) => {
        concat!(
            "(SELECT true FROM tributary.state_events p
            WHERE p.room_id = s.room_id AND p.event_id = s.replaces_state AND p.type = s.type
              AND p.state_key = s.state_key AND p.content ->> 'membership' IN (",
            $memberships,
            ") LIMIT 1) IS NOT NULL"
        )
    };
}

/// How many milliseconds member event `s` seems to have been on its way, and a difference of clocks.
macro_rules! late_by {
    () => {
        "extract(epoch FROM s.received_at) * 1000 - s.origin_server_ts"
    };
}

/// Returns `s` as the starts of grants that they are. Their `origin_server_ts` matters only for one
/// that was held up; bridges date events back, so one of another time says nothing. It
/// `is_return` when nobody was there before, and not when that is not known.
const STARTS: &str = concat!(
    "SELECT s.received_at AS from_at, s.replaces_state IS NULL OR ",
    behind!("'leave', 'ban', 'knock'"),
    " AS is_return, CASE WHEN ",
    late_by!(),
    " BETWEEN 5000 AND 60000 THEN s.origin_server_ts END AS from_ts
    FROM tributary.state_events s
    WHERE s.type = 'm.room.member' AND s.content ->> 'membership' IN ('join', 'invite')"
);

/// Leaves `s` as the ends of grants that they are: `again` when they come behind another leave, and
/// with their `origin_server_ts` unless that is of another time.
const ENDS: &str = concat!(
    "SELECT s.room_id, s.state_key, s.event_id, s.received_at AS until_at, ",
    behind!("'leave', 'ban', 'knock'"),
    " AS again, CASE WHEN abs(",
    late_by!(),
    ") <= 60000 THEN s.origin_server_ts END AS until_ts
    FROM tributary.state_events s
    WHERE s.type = 'm.room.member' AND s.content ->> 'membership' IN ('leave', 'ban')"
);

/// Orders [`ENDS`] by when they were said, the last one first.
const LAST_FIRST: &str =
    "least(until_at, to_timestamp(until_ts / 1000.0)) DESC, event_id COLLATE \"C\" DESC";

/// Was event `s` received behind the start of grant `g`?
const SINCE_START: &str = since_start!("s.received_at", "s.origin_server_ts");

/// Was event `s` received before the end `g`?
const BEFORE_END: &str = before_end!("s.received_at", "s.origin_server_ts");

/// Is return `s` behind the leave `g`? By when they were said, where that is known of both: either may have been held up.
/// One that replaces it is, whatever the clocks say.
const BEHIND_END: &str = concat!(
    "CASE WHEN s.replaces_state = g.event_id THEN true WHEN g.until_ts IS NOT NULL AND abs(",
    late_by!(),
    ") <= 60000 THEN (s.origin_server_ts, s.received_at) > (g.until_ts, g.until_at)
         ELSE s.received_at > g.until_at END"
);

/// `from_ts` of the return `back` from the leave `g`; none for one that its bridge has dated back to before it.
const FROM_TS: &str = "CASE WHEN to_timestamp(back.from_ts / 1000.0) >= least(g.until_at, to_timestamp(g.until_ts / 1000.0))
    THEN back.from_ts END";

/// Brings the grants of these rooms to what membership and links say.
///
/// A grant ends with the homeserver's receipt of the leave, so that what was
/// received up to then stays readable, and with its `origin_server_ts`, unless that is of
/// another time: bridges date events back. It begins with the room, or, for somebody
/// who had left and came back, with their return, of which its `origin_server_ts` says when it
/// was if it was held up. None opens in a room
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
                     AND {SINCE_START} AND NOT EXISTS (
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
        "INSERT INTO tributary.room_grants (connection_id, user_id, room_id, conversation_id, from_at, from_ts)
         SELECT c.id, c.user_id, r.room_id, r.conversation_id,
                CASE WHEN g.until_at IS NOT NULL THEN coalesce(back.from_at, now()) END, {FROM_TS}
         FROM tributary.rooms r
         JOIN tributary.room_members m ON m.room_id = r.room_id
         JOIN tributary.messenger_connections c ON {ENTITLED}
         LEFT JOIN LATERAL (
             SELECT until_at, until_ts, event_id FROM ({ENDS}
                 AND s.room_id = r.room_id AND s.state_key = m.user_id) AS ends
             ORDER BY {LAST_FIRST} LIMIT 1) AS g ON true
         LEFT JOIN LATERAL ({STARTS}
             AND s.room_id = r.room_id AND s.state_key = m.user_id AND {BEHIND_END}
             ORDER BY s.received_at LIMIT 1) AS back ON true
         WHERE r.room_id = ANY($1) AND r.conversation_id IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM tributary.erasure_rooms e WHERE e.room_id = r.room_id)
         ORDER BY c.id, r.room_id
         FOR SHARE OF c
         -- The return may come in behind what came after it: a name, or what else was pushed.
         ON CONFLICT (connection_id, room_id) WHERE until_at IS NULL
             DO UPDATE SET from_at = excluded.from_at, from_ts = excluded.from_ts
             WHERE room_grants.from_at > excluded.from_at
         RETURNING user_id, conversation_id, room_id, true AS opened"
    ))
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .load(conn)
    .await?;
    changed.extend(opened);
    Ok(changed)
}

/// Takes out of the grants of these rooms what was received between a leave and the return behind
/// it: when both come in together, or the leave comes in late, nobody has been away for [`sync`].
/// What was up to the leave becomes a grant of its own, and the other goes on from the return. A
/// leave from before the link is history. `people` are those of whom the member events have changed,
/// with their rooms.
///
/// # Errors
///
/// When the statement fails.
pub async fn split(
    conn: &mut Connection,
    people: &[(String, String)],
) -> QueryResult<Vec<Changed>> {
    let (rooms, users): (Vec<_>, Vec<_>) = people.iter().cloned().unzip();
    sql_query(format!(
        "WITH away AS MATERIALIZED (
             SELECT DISTINCT ON (g.id, back.from_at) g.*, l.until_at AS left_at, l.until_ts AS left_ts,
                    back.from_at AS back_at, back.from_ts AS back_ts
             FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS t(room_id, user_id)) AS t
             JOIN tributary.messenger_connections c ON c.matrix_user_id = t.user_id
             JOIN tributary.room_grants g ON g.connection_id = c.id AND g.room_id = t.room_id
             CROSS JOIN LATERAL ({ENDS}
                 AND s.room_id = g.room_id AND s.state_key = c.matrix_user_id
                 AND s.received_at > c.linked_at AND {SINCE_START} AND {BEFORE_END} OFFSET 0) AS l
             CROSS JOIN LATERAL (
                 SELECT back.from_at, {FROM_TS} AS from_ts
                 FROM (SELECT l.*) AS g CROSS JOIN LATERAL ({STARTS}
                     AND s.room_id = g.room_id AND s.state_key = g.state_key AND {BEHIND_END}) AS back
                 WHERE back.is_return ORDER BY back.from_at LIMIT 1) AS back
             WHERE NOT l.again
               -- One behind the end is for what came after it; the one that belongs to the leave is yet to come.
               AND (g.until_at IS NULL OR least(back.from_at, to_timestamp(back.from_ts / 1000.0)) <= g.until_at)
               -- Each leave ends one grant; one that was held up may seem to be within the next as well.
               AND NOT EXISTS (SELECT 1 FROM tributary.room_grants e
                               WHERE e.connection_id = g.connection_id AND e.room_id = g.room_id
                                 AND e.until_at = l.until_at)
             ORDER BY g.id, back.from_at, least(l.until_at, to_timestamp(l.until_ts / 1000.0)) DESC
         ), ended AS (
             INSERT INTO tributary.room_grants
                 (connection_id, user_id, room_id, conversation_id, from_at, from_ts, until_at, until_ts, created_at)
             SELECT connection_id, user_id, room_id, conversation_id, lag(back_at, 1, from_at) OVER turns,
                    lag(back_ts, 1, from_ts) OVER turns, left_at, left_ts, created_at
             FROM away WINDOW turns AS (PARTITION BY id ORDER BY back_at)
         )
         UPDATE tributary.room_grants g SET from_at = a.back_at, from_ts = a.back_ts
         FROM (SELECT DISTINCT ON (id) id, back_at, back_ts FROM away ORDER BY id, back_at DESC) AS a
         WHERE g.id = a.id
         RETURNING g.user_id, g.conversation_id, g.room_id, false AS opened"
    ))
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(users)
    .kept()
    .load(conn)
    .await
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
