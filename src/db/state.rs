//! Room state: the set of known state events, and what follows from it.
//!
//! The current event of a type and key is the one that no other known event
//! replaces, then the greatest `origin_server_ts`, then the greatest event id:
//! a function of the set, so the order of arrival is of no consequence.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{
    Connection,
    media::{self, IS_MXC},
    statement::Keep as _,
};
use crate::model::change::State;

/// Orders the known events `s` of one type and key, the current one first.
pub(super) const CURRENT_FIRST: &str = "EXISTS (SELECT 1 FROM tributary.state_events n
        WHERE n.room_id = s.room_id AND n.replaces_state = s.event_id
          AND n.type = s.type AND n.state_key = s.state_key AND n.event_id <> s.event_id),
    s.origin_server_ts DESC, s.event_id COLLATE \"C\" DESC";

/// A type and key of a room whose set of events has grown.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Touched {
    /// The room.
    #[diesel(sql_type = Text)]
    pub room_id: String,
    /// The type.
    #[diesel(sql_type = Text, column_name = "type")]
    pub kind: String,
    /// The state key.
    #[diesel(sql_type = Text)]
    pub state_key: String,
}

/// Adds state events to the set; says what was new. One that is already redacted
/// comes in pruned.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(conn: &mut Connection, events: &[State]) -> QueryResult<Vec<Touched>> {
    sql_query(
        "INSERT INTO tributary.state_events
             (room_id, event_id, type, state_key, sender, origin_server_ts, received_at,
              replaces_state, content)
         SELECT e.room_id, e.event_id, e.type, e.state_key, e.sender, e.ts, e.received_at, e.replaces,
                CASE WHEN EXISTS (SELECT 1 FROM tributary.redactions d
                                  WHERE d.room_id = e.room_id AND d.redacts = e.event_id)
                     THEN CASE e.type WHEN 'm.room.member'
                          THEN jsonb_build_object('membership', e.content -> 'membership')
                          ELSE '{}' END
                     ELSE e.content END
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                     $7::timestamptz[], $8::text[], $9::jsonb[])
              AS e(room_id, event_id, type, state_key, sender, ts, received_at, replaces, content)
         ON CONFLICT DO NOTHING
         RETURNING room_id, type, state_key",
    )
    .bind::<Array<Text>, _>(events.iter().map(|e| &e.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(events.iter().map(|e| &e.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(events.iter().map(|e| &e.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(events.iter().map(|e| &e.state_key).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(events.iter().map(|e| &e.sender).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(events.iter().map(|e| e.origin_server_ts).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(events.iter().map(|e| e.received_at).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(
        events.iter().map(|e| e.replaces_state.as_ref()).collect::<Vec<_>>(),
    )
    .bind::<Array<Jsonb>, _>(events.iter().map(|e| &e.content).collect::<Vec<_>>())
    .kept()
    .load(conn)
    .await
}

/// Prunes stored state events that are redacted (specification, "Redactions"):
/// a member event keeps its membership, everything else that is kept here nothing.
///
/// # Errors
///
/// When the statement fails.
pub async fn prune_redacted(
    mut conn: &Connection,
    (rooms, events): (&[String], &[String]),
) -> QueryResult<Vec<Touched>> {
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    sql_query(
        "UPDATE tributary.state_events s
         SET content = CASE s.type WHEN 'm.room.member'
                       THEN jsonb_build_object('membership', s.content -> 'membership')
                       ELSE '{}' END
         FROM unnest($1::text[], $2::text[]) AS t(room_id, event_id)
         WHERE s.room_id = t.room_id AND s.event_id = t.event_id
         RETURNING s.room_id, s.type, s.state_key",
    )
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(events)
    .kept()
    .load(&mut conn)
    .await
}

/// Brings `room_members` to what the set of member events says of these people.
///
/// # Errors
///
/// When the statement fails.
pub async fn derive_members(conn: &mut Connection, people: &[(String, String)]) -> QueryResult<()> {
    let (rooms, users): (Vec<_>, Vec<_>) = people.iter().cloned().unzip();
    sql_query(format!(
        "WITH touched AS (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS t(room_id, user_id))
         INSERT INTO tributary.room_members (room_id, user_id, membership)
         SELECT DISTINCT ON (s.room_id, s.state_key)
                s.room_id, s.state_key, coalesce(s.content ->> 'membership', 'leave')
         FROM touched t
         JOIN tributary.state_events s
           ON s.room_id = t.room_id AND s.type = 'm.room.member' AND s.state_key = t.user_id
         ORDER BY s.room_id, s.state_key, {CURRENT_FIRST}
         ON CONFLICT (room_id, user_id) DO UPDATE SET membership = excluded.membership"
    ))
    .bind::<Array<Text>, _>(rooms)
    .bind::<Array<Text>, _>(users)
    .kept()
    .execute(conn)
    .await?;
    Ok(())
}

/// Everybody of whom the set of events says something in these rooms.
///
/// # Errors
///
/// When the statement fails.
pub async fn people(
    conn: &mut Connection,
    room_ids: &[String],
) -> QueryResult<Vec<(String, String)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        room_id: String,
        #[diesel(sql_type = Text)]
        user_id: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT DISTINCT room_id, state_key AS user_id FROM tributary.state_events
         WHERE room_id = ANY($1) AND type = 'm.room.member'",
    )
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .load(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.room_id, row.user_id))
        .collect())
}

/// A person as a bridge's ghost pattern knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The room.
    pub room_id: String,
    /// The Matrix id.
    pub user_id: String,
    /// The remote id, for a ghost.
    pub external_id: Option<String>,
}

/// What has come of deriving rows again.
#[derive(Debug, Clone, Default)]
pub struct Derived {
    /// The conversations that changed.
    pub conversations: Vec<Uuid>,
    /// What was shown until now: to be forgotten when all is derived, unless something still
    /// shows it.
    pub pictures: Vec<Uuid>,
}

/// Brings the participants of these people's conversations to what the member
/// events of the conversation's leading room say.
///
/// # Errors
///
/// When a statement fails.
pub async fn derive_participants(conn: &mut Connection, people: &[Person]) -> QueryResult<Derived> {
    let rooms: Vec<_> = people.iter().map(|p| &p.room_id).collect();
    let users: Vec<_> = people.iter().map(|p| &p.user_id).collect();
    let externals: Vec<_> = people.iter().map(|p| p.external_id.as_ref()).collect();
    let avatars = sql_query(format!(
        "SELECT DISTINCT current.mxc
         FROM unnest($1::text[], $2::text[]) AS t(room_id, user_id)
         CROSS JOIN LATERAL (
             SELECT s.content ->> 'avatar_url' AS mxc FROM tributary.state_events s
             WHERE s.room_id = t.room_id AND s.type = 'm.room.member' AND s.state_key = t.user_id
             ORDER BY {CURRENT_FIRST} LIMIT 1) AS current
         WHERE current.mxc {IS_MXC}"
    ))
    .bind::<Array<Text>, _>(&rooms)
    .bind::<Array<Text>, _>(&users)
    .kept()
    .load(conn)
    .await?;
    media::hold_named(conn, avatars).await?;
    // A room that does not lead adds people, but no longer says who they are. The
    // participants that the statement joins are those from before it.
    let changed: Vec<Changed> = sql_query(format!(
        "WITH touched AS (
             SELECT DISTINCT ON (room_id, user_id) * FROM
                 unnest($1::text[], $2::text[], $3::text[]) AS t(room_id, user_id, external_id)
         ), derived AS (
             SELECT DISTINCT ON (s.room_id, s.state_key)
                    c.id AS conversation_id, s.state_key AS user_id, t.external_id, c.matrix_room_id = s.room_id AS leads,
                    CASE WHEN jsonb_typeof(s.content -> 'displayname') = 'string'
                         THEN s.content ->> 'displayname' END AS display_name,
                    (SELECT m.id FROM tributary.media m
                     WHERE m.mxc = s.content ->> 'avatar_url') AS avatar_media_id,
                    coalesce(s.content ->> 'membership', 'leave') AS membership
             FROM touched t
             JOIN tributary.rooms r ON r.room_id = t.room_id
             JOIN tributary.conversations c ON c.id = r.conversation_id
             JOIN tributary.state_events s
               ON s.room_id = t.room_id AND s.type = 'm.room.member' AND s.state_key = t.user_id
             ORDER BY s.room_id, s.state_key, {CURRENT_FIRST}
         ), changed AS (
             INSERT INTO tributary.participants AS p
                 (conversation_id, matrix_user_id, external_id, display_name, avatar_media_id, membership)
             SELECT DISTINCT ON (conversation_id, user_id)
                    conversation_id, user_id, external_id, display_name, avatar_media_id,
                    CASE WHEN leads THEN membership ELSE 'leave' END
             FROM derived
             ORDER BY conversation_id, user_id, leads DESC
             ON CONFLICT (conversation_id, matrix_user_id) DO UPDATE
             SET external_id = coalesce(excluded.external_id, p.external_id),
                 display_name = excluded.display_name, avatar_media_id = excluded.avatar_media_id,
                 membership = excluded.membership, updated_at = now()
             WHERE EXISTS (SELECT 1 FROM derived d
                           WHERE d.conversation_id = excluded.conversation_id
                             AND d.user_id = excluded.matrix_user_id AND d.leads)
               AND (p.external_id, p.display_name, p.avatar_media_id, p.membership) IS DISTINCT FROM
                   (coalesce(excluded.external_id, p.external_id), excluded.display_name,
                    excluded.avatar_media_id, excluded.membership)
             RETURNING p.id, p.conversation_id, p.avatar_media_id
         )
         SELECT DISTINCT c.conversation_id,
                CASE WHEN p.avatar_media_id IS DISTINCT FROM c.avatar_media_id
                     THEN p.avatar_media_id END AS avatar
         FROM changed c LEFT JOIN tributary.participants p USING (id)"
    ))
    .bind::<Array<Text>, _>(&rooms)
    .bind::<Array<Text>, _>(&users)
    .bind::<Array<Nullable<Text>>, _>(&externals)
    .kept()
    .load(conn)
    .await?;
    Ok(derived(&changed))
}

/// A conversation that is no longer what it was.
#[derive(QueryableByName)]
struct Changed {
    #[diesel(sql_type = SqlUuid)]
    conversation_id: Uuid,
    /// What was shown until now, as its avatar or a participant's.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    avatar: Option<Uuid>,
}

fn ids(changed: &[Changed]) -> Vec<Uuid> {
    changed.iter().map(|c| c.conversation_id).collect()
}

fn derived(changed: &[Changed]) -> Derived {
    Derived {
        conversations: ids(changed),
        pictures: changed.iter().filter_map(|c| c.avatar).collect(),
    }
}

/// Brings the memberships of these rooms' conversations to those of the leading
/// room: whoever did not come along into a new one has left. Returns those that changed.
///
/// # Errors
///
/// When the statement fails.
pub async fn derive_memberships(
    conn: &mut Connection,
    room_ids: &[String],
) -> QueryResult<Vec<Uuid>> {
    let changed: Vec<Changed> = sql_query(
        "UPDATE tributary.participants p SET membership = d.membership, updated_at = now()
         FROM (SELECT p.id, coalesce(m.membership, 'leave') AS membership
               FROM tributary.conversations c
               JOIN tributary.participants p ON p.conversation_id = c.id
               LEFT JOIN tributary.room_members m
                 ON m.room_id = c.matrix_room_id AND m.user_id = p.matrix_user_id
               WHERE c.matrix_room_id = ANY($1)) AS d
         WHERE p.id = d.id AND p.membership <> d.membership
         RETURNING p.conversation_id, NULL::uuid AS avatar",
    )
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .load(conn)
    .await?;
    Ok(ids(&changed))
}

/// Brings name, topic and avatar of these rooms' conversations to what the state of
/// the leading room says.
///
/// # Errors
///
/// When a statement fails.
pub async fn derive_conversations(
    conn: &mut Connection,
    room_ids: &[String],
) -> QueryResult<Derived> {
    let text = |kind: &str, field: &str| {
        format!(
            "(SELECT CASE WHEN jsonb_typeof(s.content -> '{field}') = 'string'
                          THEN nullif(s.content ->> '{field}', '') END
              FROM tributary.state_events s
              WHERE s.room_id = c.matrix_room_id AND s.type = '{kind}' AND s.state_key = ''
              ORDER BY {CURRENT_FIRST} LIMIT 1)"
        )
    };
    let (name, topic, avatar) = (
        text("m.room.name", "name"),
        text("m.room.topic", "topic"),
        text("m.room.avatar", "url"),
    );
    let avatars = sql_query(format!(
        "SELECT DISTINCT d.mxc
         FROM (SELECT {avatar} AS mxc FROM tributary.conversations c WHERE c.matrix_room_id = ANY($1)) AS d
         WHERE d.mxc {IS_MXC}"
    ))
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .load(conn)
    .await?;
    media::hold_named(conn, avatars).await?;
    let changed: Vec<Changed> = sql_query(format!(
        "UPDATE tributary.conversations c
         SET name = d.name, topic = d.topic, avatar_media_id = d.avatar, updated_at = now()
         FROM (SELECT c.id, {name} AS name, {topic} AS topic, c.avatar_media_id AS former,
                      (SELECT m.id FROM tributary.media m WHERE m.mxc = {avatar}) AS avatar
               FROM tributary.conversations c WHERE c.matrix_room_id = ANY($1)) AS d
         WHERE c.id = d.id
           AND (c.name, c.topic, c.avatar_media_id) IS DISTINCT FROM (d.name, d.topic, d.avatar)
         RETURNING c.id AS conversation_id, d.former AS avatar"
    ))
    .bind::<Array<Text>, _>(room_ids)
    .kept()
    .load(conn)
    .await?;
    Ok(derived(&changed))
}

/// Decides which participants of these conversations are service members: nobody to
/// show. `services` are Matrix ids that always are: the bridges' bots and the sender bot.
///
/// bridgev2 lists the own ghosts of customers without double puppeting among the
/// functional members as well: a ghost that is a customer's own, or that has spoken,
/// is somebody. Returns the conversations that changed.
///
/// # Errors
///
/// When the statement fails.
pub async fn derive_services(
    mut conn: &Connection,
    conversation_ids: &[Uuid],
    services: &[String],
) -> QueryResult<Vec<Uuid>> {
    let is_person = "(p.external_id IS NOT NULL AND (p.has_spoken OR p.external_id = c.receiver
        OR EXISTS (SELECT 1 FROM tributary.messenger_connections own
                   WHERE own.bridge_id = c.bridge_id AND own.bridge_user_id = p.external_id)))";
    let changed: Vec<Changed> = sql_query(format!(
        "UPDATE tributary.participants p SET is_service = d.is_service, updated_at = now()
         FROM (SELECT p.id, p.matrix_user_id = ANY($2)
                      OR coalesce(said.service_members ? p.matrix_user_id, false) AND NOT {is_person} AS is_service
               FROM tributary.conversations c
               LEFT JOIN LATERAL (
                   SELECT s.content -> 'service_members' AS service_members
                   FROM tributary.state_events s
                   WHERE s.room_id = c.matrix_room_id
                     AND s.type = 'io.element.functional_members' AND s.state_key = ''
                   ORDER BY {CURRENT_FIRST} LIMIT 1) AS said ON true
               JOIN tributary.participants p ON p.conversation_id = c.id
               WHERE c.id = ANY($1)) AS d
         WHERE p.id = d.id AND p.is_service <> d.is_service
         RETURNING p.conversation_id, NULL::uuid AS avatar"
    ))
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .bind::<Array<Text>, _>(services)
    .kept()
    .load(&mut conn)
    .await?;
    Ok(ids(&changed))
}
