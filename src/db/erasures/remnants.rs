//! What a room has from after everybody who holds something of it had left: nobody sees it,
//! so it goes. Nothing of it goes while somebody is in the room. The caller holds the locks
//! of the room and of all others of its conversation.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::db::{
    Connection,
    grants::before_end,
    media,
    state::{self, Person},
};

/// When the last one who holds something of room `$1` had left, by the homeserver's clock where
/// that is known; null while somebody is in it, and when nobody holds anything.
const ALL_LEFT: &str = "(SELECT CASE WHEN bool_and(g.until_at IS NOT NULL)
            THEN max(coalesce(to_timestamp(g.until_ts / 1000.0), g.until_at)) END
     FROM tributary.room_grants g WHERE g.room_id = $1)";

/// Was event `s` received while grant `g` went on?
const BY_THEN: &str = before_end!("s.received_at", "s.origin_server_ts");

/// Deletes up to `most` state events, and lets names and pictures be again what they were
/// before them.
///
/// # Errors
///
/// When a statement fails.
pub async fn state(conn: &mut Connection, room_id: &str, most: i64) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Gone {
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Text)]
        state_key: String,
    }
    let gone: Vec<Gone> = sql_query(format!(
        "DELETE FROM tributary.state_events WHERE room_id = $1 AND event_id IN (
             SELECT s.event_id FROM tributary.state_events s
             WHERE s.room_id = $1 AND {ALL_LEFT} IS NOT NULL AND NOT EXISTS (
                 SELECT 1 FROM tributary.room_grants g WHERE g.room_id = $1 AND {BY_THEN})
             LIMIT $2)
         RETURNING type AS kind, state_key"
    ))
    .bind::<Text, _>(room_id)
    .bind::<BigInt, _>(most)
    .load(conn)
    .await?;
    if !gone.is_empty() {
        let member = |gone: &Gone| {
            (gone.kind == "m.room.member").then(|| Person {
                room_id: room_id.to_owned(),
                user_id: gone.state_key.clone(),
                // What they are on the network is not said by their state.
                external_id: None,
            })
        };
        let members: Vec<_> = gone.iter().filter_map(member).collect();
        let people = state::derive_participants(conn, &members).await?;
        let room = state::derive_conversations(conn, &[room_id.to_owned()]).await?;
        media::forget_unused(conn, &[people.pictures, room.pictures].concat()).await?;
    }
    Ok(i64::try_from(gone.len()).unwrap_or(i64::MAX))
}

/// Deletes up to `most` redactions of what is not there either. Of what somebody holds they
/// stay, whenever they came.
///
/// # Errors
///
/// When the statement fails.
pub async fn redactions(conn: &mut Connection, room_id: &str, most: i64) -> QueryResult<i64> {
    let gone = sql_query(format!(
        "DELETE FROM tributary.redactions WHERE room_id = $1 AND event_id IN (
             SELECT d.event_id FROM tributary.redactions d
             WHERE d.room_id = $1 AND d.timestamp > {ALL_LEFT}
               AND NOT EXISTS (SELECT 1 FROM tributary.messages m
                               WHERE m.room_id = $1 AND m.event_id = d.redacts)
               AND NOT EXISTS (SELECT 1 FROM tributary.message_versions v
                               WHERE v.room_id = $1 AND v.event_id = d.redacts)
             LIMIT $2)"
    ))
    .bind::<Text, _>(room_id)
    .bind::<BigInt, _>(most)
    .execute(conn)
    .await?;
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

/// Deletes the participants of a room's conversation whom nobody sees in it: who came later
/// than everybody had left, and of whom there is nothing that anybody holds. Returns their
/// pictures.
///
/// # Errors
///
/// When the statement fails.
pub async fn people(conn: &mut Connection, room_id: &str) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Gone {
        #[diesel(sql_type = Nullable<SqlUuid>)]
        avatar_media_id: Option<Uuid>,
    }
    let gone: Vec<Gone> = sql_query(format!(
        "DELETE FROM tributary.participants p
         USING tributary.rooms here
         WHERE here.room_id = $1 AND p.conversation_id = here.conversation_id
           AND {ALL_LEFT} IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM tributary.messages m WHERE m.sender_id = p.id)
           AND NOT EXISTS (SELECT 1 FROM tributary.rooms r
                           JOIN tributary.reactions k ON k.room_id = r.room_id
                           WHERE r.conversation_id = p.conversation_id AND k.sender = p.matrix_user_id)
           AND NOT EXISTS (SELECT 1 FROM tributary.room_grants g
                           JOIN tributary.room_members m ON m.room_id = g.room_id
                           WHERE g.conversation_id = p.conversation_id AND m.user_id = p.matrix_user_id
                             AND (g.until_at IS NULL OR p.created_at <= g.until_at))
           AND NOT EXISTS (SELECT 1 FROM tributary.former_people k WHERE k.participant_id = p.id)
         RETURNING p.avatar_media_id"
    ))
    .bind::<Text, _>(room_id)
    .load(conn)
    .await?;
    Ok(gone
        .into_iter()
        .filter_map(|row| row.avatar_media_id)
        .collect())
}
