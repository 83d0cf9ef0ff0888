//! People who write, edit or react in a conversation, whether a member event has
//! told of them or not.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, statement::Keep as _};

/// Somebody who has said something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speaker {
    /// Where.
    pub conversation_id: Uuid,
    /// Their Matrix id.
    pub user_id: String,
    /// Their remote id, for a ghost.
    pub external_id: Option<String>,
}

/// Makes sure that these are participants and known to have spoken. Returns the
/// conversations in which somebody did for the first time: who is a service member
/// there, and the titles, have to be derived again.
///
/// # Errors
///
/// When the statement fails.
pub async fn ensure_speakers(conn: &Connection, speakers: &[Speaker]) -> QueryResult<Vec<Uuid>> {
    if speakers.is_empty() {
        return Ok(Vec::new());
    }
    ensure(conn, speakers).await
}

/// Prepares the statement of [`ensure_speakers`].
pub(super) async fn prepare(conn: &Connection) -> QueryResult<()> {
    ensure(conn, &[]).await.map(drop)
}

async fn ensure(mut conn: &Connection, speakers: &[Speaker]) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Changed {
        #[diesel(sql_type = SqlUuid)]
        conversation_id: Uuid,
    }
    let conversations: Vec<_> = speakers.iter().map(|s| s.conversation_id).collect();
    let users: Vec<_> = speakers.iter().map(|s| &s.user_id).collect();
    let externals: Vec<_> = speakers.iter().map(|s| s.external_id.as_ref()).collect();
    let changed: Vec<Changed> = sql_query(
        "WITH spoken AS (
             UPDATE tributary.participants p SET has_spoken = true
             FROM unnest($1::uuid[], $2::text[]) AS s(conversation_id, user_id)
             WHERE p.conversation_id = s.conversation_id AND p.matrix_user_id = s.user_id
               AND NOT p.has_spoken
             RETURNING p.conversation_id
         ), added AS (
             INSERT INTO tributary.participants
                 (conversation_id, matrix_user_id, external_id, has_spoken, membership)
             SELECT DISTINCT ON (1, 2) s.conversation_id, s.user_id, s.external_id, true, coalesce(
                 (SELECT r.membership FROM tributary.conversations c
                  JOIN tributary.room_members r ON r.room_id = c.matrix_room_id
                  WHERE c.id = s.conversation_id AND r.user_id = s.user_id), 'leave')
             FROM unnest($1::uuid[], $2::text[], $3::text[]) AS s(conversation_id, user_id, external_id)
             WHERE NOT EXISTS (SELECT 1 FROM tributary.participants p
                               WHERE p.conversation_id = s.conversation_id
                                 AND p.matrix_user_id = s.user_id)
             ORDER BY 1, 2 ON CONFLICT DO NOTHING
             RETURNING conversation_id
         )
         SELECT conversation_id FROM spoken UNION SELECT conversation_id FROM added",
    )
    .bind::<Array<SqlUuid>, _>(conversations)
    .bind::<Array<Text>, _>(users)
    .bind::<Array<Nullable<Text>>, _>(externals)
    .kept()
    .load(&mut conn)
    .await?;
    Ok(changed.into_iter().map(|row| row.conversation_id).collect())
}
