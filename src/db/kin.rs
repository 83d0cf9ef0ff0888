//! Which rooms are one conversation: those of the same portal, and those that
//! the bridge's tombstones tie together.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, state::CURRENT_FIRST};
use crate::model::portal::Portal;

/// The portal that `{t}` names: of a room or of a conversation.
macro_rules! portal_of {
    ($t:literal) => {
        concat!(
            "(",
            $t,
            ".bridge_id, ",
            $t,
            ".protocol_id, ",
            $t,
            ".channel_id, ",
            $t,
            ".receiver)"
        )
    };
}
pub(super) use portal_of;

/// Is the room `{new}` the one that the tombstone in `{old}` speaks of? It has to be a
/// portal of the same bridge and protocol; another channel or receiver is what a
/// bridge writes tombstones for.
macro_rules! continues {
    ($old:literal, $new:literal) => {
        concat!(
            $old,
            ".replaced_by = ",
            $new,
            ".room_id AND ",
            $old,
            ".kind = 'portal' AND ",
            $new,
            ".kind = 'portal' AND (",
            $old,
            ".bridge_id, ",
            $old,
            ".protocol_id) = (",
            $new,
            ".bridge_id, ",
            $new,
            ".protocol_id)"
        )
    };
}

/// The rooms that are one conversation with room `r`, one step away.
const NEXT: &str = concat!(
    "SELECT s.room_id FROM tributary.rooms s WHERE s.conversation_id = r.conversation_id
     UNION ALL
     SELECT s.room_id FROM tributary.rooms s
     WHERE r.kind = 'portal' AND s.kind = 'portal' AND ", portal_of!("s"), " = ", portal_of!("r"), "
     UNION ALL
     SELECT s.room_id FROM tributary.conversations c JOIN tributary.rooms s ON s.conversation_id = c.id
     WHERE r.kind = 'portal' AND ", portal_of!("c"), " = ", portal_of!("r"), "
     UNION ALL
     SELECT s.room_id FROM tributary.conversations c
     JOIN tributary.rooms s ON s.kind = 'portal' AND ", portal_of!("s"), " = ", portal_of!("c"), "
     WHERE c.id = r.conversation_id
     UNION ALL
     SELECT s.room_id FROM tributary.rooms s WHERE ", continues!("r", "s"), "
     UNION ALL
     SELECT s.room_id FROM tributary.rooms s WHERE ", continues!("s", "r")
);

/// The conversations that room `r` may continue, one step away.
pub(super) fn continued() -> String {
    format!(
        "SELECT c.id FROM tributary.conversations c WHERE {} = {}
         UNION ALL
         SELECT k.conversation_id FROM ({NEXT}) AS next JOIN tributary.rooms k USING (room_id)
         WHERE k.conversation_id IS NOT NULL",
        portal_of!("c"),
        portal_of!("r"),
    )
}

/// All rooms that are one conversation with those in `seeds`, as `kin`.
fn kin(seeds: &str) -> String {
    format!(
        "WITH RECURSIVE kin(room_id) AS (
             SELECT room_id FROM ({seeds}) AS seeds
             UNION
             SELECT next.room_id FROM kin JOIN tributary.rooms r USING (room_id)
             CROSS JOIN LATERAL ({NEXT}) AS next)"
    )
}

/// What a look at a room has shown of where it belongs.
#[derive(Debug, Clone, Copy)]
pub struct Ties<'a> {
    /// The room.
    pub room_id: &'a str,
    /// Its bridge and portal, if it is one.
    pub portal: Option<(&'a str, &'a Portal)>,
    /// The room that replaces it.
    pub replaced_by: Option<&'a str>,
}

/// What has to be locked before a room's ties are written down: every room that may
/// be one conversation with it before or afterwards, and the name of its portal, so
/// that two new rooms of one portal see each other as well. Sorted.
///
/// # Errors
///
/// When the statement fails.
pub async fn to_lock(conn: &mut Connection, ties: Ties<'_>) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        room_id: String,
    }
    const SEEDS: &str = concat!(
        "SELECT room_id FROM unnest($1::text[]) AS given(room_id)
         UNION
         SELECT s.room_id FROM tributary.rooms s WHERE s.replaced_by = $2
         UNION
         SELECT s.room_id FROM tributary.rooms s
         WHERE s.kind = 'portal' AND ",
        portal_of!("s"),
        " = ($3, $4, $5, $6)
         UNION
         SELECT s.room_id FROM tributary.conversations c
         JOIN tributary.rooms s ON s.conversation_id = c.id
         WHERE ",
        portal_of!("c"),
        " = ($3, $4, $5, $6)"
    );
    let (bridge_id, portal) = ties.portal.unzip();
    let given: Vec<_> = [Some(ties.room_id), ties.replaced_by]
        .into_iter()
        .flatten()
        .collect();
    let rows: Vec<Id> = sql_query(format!("{} SELECT room_id FROM kin", kin(SEEDS)))
        .bind::<Array<Text>, _>(given)
        .bind::<Text, _>(ties.room_id)
        .bind::<Nullable<Text>, _>(bridge_id)
        .bind::<Nullable<Text>, _>(portal.map(|p| &p.protocol_id))
        .bind::<Nullable<Text>, _>(portal.map(|p| &p.channel_id))
        .bind::<Nullable<Text>, _>(portal.map(|p| &p.receiver))
        .load(conn)
        .await?;
    let mut names: Vec<_> = rows.into_iter().map(|row| row.room_id).collect();
    names.extend(ties.portal.map(|(bridge_id, portal)| {
        let (protocol_id, channel_id) = (&portal.protocol_id, &portal.channel_id);
        format!("{bridge_id}/{protocol_id}/{channel_id}/{}", portal.receiver)
    }));
    names.sort();
    Ok(names)
}

/// The conversations of all rooms that are one with this one, the oldest first.
///
/// # Errors
///
/// When the statement fails.
pub async fn conversations(conn: &mut Connection, room_id: &str) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let rows: Vec<Id> = sql_query(format!(
        "{}
         SELECT c.id FROM tributary.conversations c
         WHERE c.id IN (
             SELECT r.conversation_id FROM kin JOIN tributary.rooms r USING (room_id)
             UNION ALL
             SELECT o.id FROM kin JOIN tributary.rooms r USING (room_id)
             JOIN tributary.conversations o ON {} = {} WHERE r.kind = 'portal')
         ORDER BY c.created_at, c.id",
        kin("SELECT $1 AS room_id"),
        portal_of!("o"),
        portal_of!("r"),
    ))
    .bind::<Text, _>(room_id)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Writes down which room replaces another. It is never taken back: what has become
/// one conversation stays one.
///
/// # Errors
///
/// When the statement fails.
pub async fn replace(conn: &mut Connection, room_id: &str, replaced_by: &str) -> QueryResult<()> {
    sql_query("UPDATE tributary.rooms SET replaced_by = $2 WHERE room_id = $1")
        .bind::<Text, _>(room_id)
        .bind::<Text, _>(replaced_by)
        .execute(conn)
        .await?;
    Ok(())
}

/// A stored tombstone of a portal.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Tombstone {
    /// The portal's bridge.
    #[diesel(sql_type = Text)]
    pub bridge_id: String,
    /// Who wrote it.
    #[diesel(sql_type = Text)]
    pub sender: String,
    /// The room that it names, whatever the sender meant by it.
    #[diesel(sql_type = Text)]
    pub replacement_room: String,
}

/// The tombstones that were pushed in a portal, the current one first.
///
/// # Errors
///
/// When the statement fails.
pub async fn tombstones(conn: &mut Connection, room_id: &str) -> QueryResult<Vec<Tombstone>> {
    sql_query(format!(
        "SELECT r.bridge_id, s.sender, s.content ->> 'replacement_room' AS replacement_room
         FROM tributary.rooms r
         JOIN tributary.state_events s ON s.room_id = r.room_id
         WHERE r.room_id = $1 AND r.kind = 'portal'
           AND s.type = 'm.room.tombstone' AND s.state_key = ''
           AND jsonb_typeof(s.content -> 'replacement_room') = 'string'
         ORDER BY {CURRENT_FIRST}"
    ))
    .bind::<Text, _>(room_id)
    .load(conn)
    .await
}
