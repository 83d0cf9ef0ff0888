//! Participants of a conversation, for a viewer.

use std::collections::HashMap;

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Bool, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::avatar_url;
use crate::{
    db::{
        Connection,
        grants::{before_end, covers},
        statement::Keep as _,
        viewers::{IS_SELF, WAS, is_or, may_see},
    },
    model::participant::Participant,
};

/// May viewer `a` know participant `p` of conversation `conv`? People of a room that the
/// viewer has never been in are not theirs to see, nor those who came when they had left.
pub(super) const MAY_KNOW: &str = concat!(
    "(NOT a.has_left AND EXISTS (
                 SELECT 1 FROM tributary.room_grants g
                 JOIN tributary.room_members r ON r.room_id = g.room_id
                 WHERE g.user_id = a.user_id AND g.conversation_id = conv.id
                   AND r.user_id = p.matrix_user_id
                   AND ",
    before_end!("p.created_at"),
    ")
      OR a.has_left AND EXISTS (
                 SELECT 1 FROM tributary.former_people k
                 WHERE k.user_id = a.user_id AND k.conversation_id = a.conversation_id
                   AND k.participant_id = p.id)
      OR EXISTS (SELECT 1 FROM tributary.messages m
                 WHERE m.sender_id = p.id AND m.conversation_id = conv.id AND ",
    may_see!("m.received_at", "m.origin_server_ts"),
    ")
      OR p.has_spoken AND EXISTS (
                 SELECT 1 FROM tributary.room_grants g
                 JOIN tributary.reactions r ON r.room_id = g.room_id
                 WHERE g.user_id = a.user_id AND g.conversation_id = conv.id
                   AND r.sender = p.matrix_user_id AND ",
    covers!("r.received_at", "r.origin_server_ts"),
    "))"
);

/// What participant `p` is called; where these are, [`WAS`] has to be.
pub(super) const NAME: &str = is_or!("display_name");
/// Their picture.
pub(super) const PICTURE: &str = is_or!("avatar_media_id");
/// Whether they are in the room. Whoever has left may have seen nothing of it.
const MEMBERSHIP: &str = concat!("coalesce(", is_or!("membership"), ", 'leave')");

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    conversation_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    matrix_user_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    external_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    display_name: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    avatar: Option<Uuid>,
    #[diesel(sql_type = Bool)]
    is_self: bool,
    #[diesel(sql_type = Text)]
    membership: String,
}

impl From<Row> for Participant {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            matrix_user_id: row.matrix_user_id,
            external_id: row.external_id,
            display_name: row.display_name,
            avatar_url: avatar_url(row.avatar),
            is_self: row.is_self,
            membership: row.membership,
        }
    }
}

/// Who is, or was, in a conversation of this viewer's; service members are nobody.
///
/// # Errors
///
/// When the statement fails.
pub async fn list(
    conn: &mut Connection,
    user_id: &str,
    conversation_id: Uuid,
) -> QueryResult<Vec<Participant>> {
    let mut all = of(conn, user_id, &[conversation_id]).await?;
    Ok(all.remove(&conversation_id).unwrap_or_default())
}

/// Who is, or was, in each of these conversations, where they are this viewer's.
///
/// # Errors
///
/// When the statement fails.
pub async fn of(
    conn: &mut Connection,
    user_id: &str,
    conversation_ids: &[Uuid],
) -> QueryResult<HashMap<Uuid, Vec<Participant>>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT p.conversation_id, p.id, p.matrix_user_id, p.external_id, {NAME} AS display_name,
                i.id AS avatar, {MEMBERSHIP} AS membership, {IS_SELF} AS is_self
         FROM tributary.conversation_access a
         JOIN tributary.conversations conv ON conv.id = a.conversation_id
         JOIN tributary.participants p ON p.conversation_id = conv.id
         {WAS}
         LEFT JOIN tributary.media i ON i.id = {PICTURE} AND i.state = 'stored'
         WHERE a.user_id = $1 AND a.conversation_id = ANY($2) AND NOT p.is_service
           AND {MAY_KNOW}
         ORDER BY p.id"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .kept()
    .load(conn)
    .await?;
    let mut people: HashMap<Uuid, Vec<Participant>> = HashMap::new();
    for row in rows {
        people
            .entry(row.conversation_id)
            .or_default()
            .push(row.into());
    }
    Ok(people)
}
