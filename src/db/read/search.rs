//! What may match a search, for a viewer: candidates from the index, or simply the newest
//! messages, each with the texts that the viewer is shown.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{
    messages::{OLD, is_theirs},
    participants::NAME,
};
use crate::db::{
    Connection, plans,
    statement::Keep as _,
    viewers::{MAY_SEE, WAS},
};

/// A place among the messages of all conversations, the newest first: behind this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its time.
    pub at: DateTime<Utc>,
    /// The message.
    pub id: Uuid,
}

impl Place {
    /// The place just before it, from where its message is the next one.
    #[must_use]
    pub fn including(self) -> Self {
        Self {
            id: Uuid::from_u128(self.id.as_u128().saturating_add(1)),
            ..self
        }
    }
}

/// Whose messages, and where.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The viewer.
    pub user_id: &'a str,
    /// Of this conversation alone.
    pub conversation_id: Option<Uuid>,
}

/// A message that may match.
#[derive(Debug, Clone, QueryableByName)]
pub struct Candidate {
    /// The message.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Its time.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// The beginning of the body that the viewer is shown; none of what they may not see,
    /// and of what is redacted.
    #[diesel(sql_type = Nullable<Text>)]
    pub body: Option<String>,
    /// The name of its file.
    #[diesel(sql_type = Nullable<Text>)]
    pub filename: Option<String>,
}

impl Candidate {
    /// Its place.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            at: self.at,
            id: self.id,
        }
    }
}

/// Until the end of the transaction, plans are lookups in indexes, which are made once: for
/// what a page reads, making one takes about as long as running it.
///
/// # Errors
///
/// When the statement fails.
pub async fn by_lookups(conn: &mut Connection) -> QueryResult<()> {
    plans::steady(conn).await
}

/// The time of the newest message in scope; none when there is none, nor a conversation.
///
/// # Errors
///
/// When the statement fails.
pub async fn newest(conn: &mut Connection, scope: Scope<'_>) -> QueryResult<Option<DateTime<Utc>>> {
    #[derive(QueryableByName)]
    struct Newest {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        at: Option<DateTime<Utc>>,
    }
    let newest: Newest = sql_query(
        "SELECT max(last_event_at) AS at FROM tributary.conversation_access
         WHERE user_id = $1 AND ($2::uuid IS NULL OR conversation_id = $2)",
    )
    .bind::<Text, _>(scope.user_id)
    .bind::<Nullable<SqlUuid>, _>(scope.conversation_id)
    .kept()
    .get_result(conn)
    .await?;
    Ok(newest.at)
}

/// Whether a conversation is the viewer's.
///
/// # Errors
///
/// When the statement fails.
pub async fn is_in_reach(conn: &mut Connection, scope: Scope<'_>) -> QueryResult<bool> {
    match scope.conversation_id {
        Some(id) => is_theirs(conn, scope.user_id, id).await,
        None => Ok(true),
    }
}

/// The newest messages before a place and not before `from`, up to `most`.
///
/// # Errors
///
/// When the statement fails.
pub async fn window(
    conn: &mut Connection,
    scope: Scope<'_>,
    (from, before): (DateTime<Utc>, Place),
    (most, most_characters): (i64, i32),
) -> QueryResult<Vec<Candidate>> {
    // Conversation by conversation, each by its own range of messages_covering.
    sql_query(format!(
        "WITH newest AS MATERIALIZED (
             SELECT n.* FROM tributary.conversation_access a
             CROSS JOIN LATERAL (
                 SELECT m.id, m.timestamp FROM tributary.messages m
                 WHERE m.conversation_id = a.conversation_id AND m.timestamp >= $3 AND m.timestamp <= $4
                   AND (m.timestamp, m.id) < ($4, $5)
                 ORDER BY m.timestamp DESC, m.id DESC LIMIT $6) AS n
             WHERE a.user_id = $1 AND ($2::uuid IS NULL OR a.conversation_id = $2) AND a.last_event_at >= $3
             ORDER BY n.timestamp DESC, n.id DESC LIMIT $6
         )
         {}
         ORDER BY m.timestamp DESC, m.id DESC",
        shown("newest n JOIN tributary.messages m ON m.id = n.id", 7)
    ))
    .bind::<Text, _>(scope.user_id)
    .bind::<Nullable<SqlUuid>, _>(scope.conversation_id)
    .bind::<Timestamptz, _>(from)
    .bind::<Timestamptz, _>(before.at)
    .bind::<SqlUuid, _>(before.id)
    .bind::<BigInt, _>(most)
    .bind::<Integer, _>(most_characters)
    .kept()
    .load(conn)
    .await
}

/// The newest message before a place that the viewer may see.
///
/// # Errors
///
/// When the statement fails.
pub async fn next_shown(
    conn: &mut Connection,
    scope: Scope<'_>,
    before: Place,
) -> QueryResult<Option<Place>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Timestamptz)]
        at: DateTime<Utc>,
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let next: Option<Row> = sql_query(format!(
        "SELECT n.timestamp AS at, n.id FROM tributary.conversation_access a
         CROSS JOIN LATERAL (
             SELECT m.id, m.timestamp FROM tributary.messages m
             WHERE m.conversation_id = a.conversation_id AND m.timestamp <= $3
               AND (m.timestamp, m.id) < ($3, $4) AND (SELECT {MAY_SEE})
             ORDER BY m.timestamp DESC, m.id DESC LIMIT 1) AS n
         WHERE a.user_id = $1 AND ($2::uuid IS NULL OR a.conversation_id = $2)
         ORDER BY n.timestamp DESC, n.id DESC LIMIT 1"
    ))
    .bind::<Text, _>(scope.user_id)
    .bind::<Nullable<SqlUuid>, _>(scope.conversation_id)
    .bind::<Timestamptz, _>(before.at)
    .bind::<SqlUuid, _>(before.id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(next.map(|row| Place {
        at: row.at,
        id: row.id,
    }))
}

/// What viewer `$1` is shown of the messages `m` in `tables`; `characters` is the number of
/// the parameter that says how much.
fn shown(tables: &str, characters: u8) -> String {
    format!(
        "SELECT m.id, m.timestamp AS at,
                CASE WHEN t.is_shown THEN
                    left(CASE WHEN old.version IS NULL THEN m.body ELSE old.body END, ${characters}) END AS body,
                CASE WHEN t.is_shown AND m.type NOT IN ('m.text', 'm.notice', 'm.emote') THEN
                    (SELECT f.filename FROM tributary.attachments f
                     WHERE f.room_id = m.room_id
                       AND f.event_id = coalesce(old.version, m.edit_event_id, m.event_id)) END AS filename
         FROM {tables}
         JOIN tributary.conversation_access a ON a.conversation_id = m.conversation_id AND a.user_id = $1
         {OLD}
         CROSS JOIN LATERAL (SELECT m.deleted_at IS NULL AND {MAY_SEE} AS is_shown OFFSET 0) AS t"
    )
}

/// Which messages before a place the index has for this query, the newest first; when there
/// are more than `most`, only that.
///
/// # Errors
///
/// When the statement fails.
pub async fn indexed(
    conn: &mut Connection,
    scope: Scope<'_>,
    tsquery: &str,
    before: Place,
    most: i64,
) -> QueryResult<Option<Vec<Uuid>>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        too_many: bool,
        #[diesel(sql_type = Array<SqlUuid>)]
        ids: Vec<Uuid>,
    }
    // A look for each conversation: what is behind another one's name is not met. It ends
    // with the first too many.
    let found: Option<Found> = sql_query(
        "WITH found AS MATERIALIZED (
             SELECT e.message_id, e.at FROM tributary.conversation_access a
             CROSS JOIN LATERAL (
                 SELECT e.message_id, e.at FROM tributary.search_entries e
                 WHERE e.document @@ replace($3, '@', right(a.conversation_id::text, 8))::tsquery
                   AND (e.at, e.message_id) < ($4, $5)) AS e
             WHERE a.user_id = $1 AND ($2::uuid IS NULL OR a.conversation_id = $2)
             LIMIT $6
         )
         SELECT count(*) >= $6 AS too_many,
                coalesce(array_agg(message_id ORDER BY at DESC, message_id DESC), '{}') AS ids
         FROM found",
    )
    .bind::<Text, _>(scope.user_id)
    .bind::<Nullable<SqlUuid>, _>(scope.conversation_id)
    .bind::<Text, _>(tsquery)
    .bind::<Timestamptz, _>(before.at)
    .bind::<SqlUuid, _>(before.id)
    .bind::<BigInt, _>(most.saturating_add(1))
    .kept()
    .get_result(conn)
    .await
    .optional()?;
    Ok(found.filter(|found| !found.too_many).map(|found| found.ids))
}

/// What the viewer is shown of these messages, the newest first.
///
/// # Errors
///
/// When the statement fails.
pub async fn shown_of(
    conn: &mut Connection,
    scope: Scope<'_>,
    ids: &[Uuid],
    most_characters: i32,
) -> QueryResult<Vec<Candidate>> {
    sql_query(format!(
        "{}
         WHERE m.id = ANY($2) AND ($3::uuid IS NULL OR m.conversation_id = $3)
         ORDER BY m.timestamp DESC, m.id DESC",
        shown("tributary.messages m", 4)
    ))
    .bind::<Text, _>(scope.user_id)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Nullable<SqlUuid>, _>(scope.conversation_id)
    .bind::<Integer, _>(most_characters)
    .kept()
    .load(conn)
    .await
}

/// A conversation's names: its title, and those of people in it, of whom the viewer need
/// not know each.
#[derive(Debug, Clone, QueryableByName)]
pub struct Named {
    /// The conversation.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// The names.
    #[diesel(sql_type = Array<Text>)]
    pub names: Vec<String>,
}

/// The names of a viewer's conversations: of the two thousand with the newest messages, of a
/// hundred people each.
///
/// # Errors
///
/// When the statement fails.
pub async fn names(conn: &mut Connection, user_id: &str) -> QueryResult<Vec<Named>> {
    sql_query(format!(
        "SELECT a.conversation_id AS id,
                array_remove(ARRAY(
                    SELECT {NAME} FROM tributary.participants p {WAS}
                    WHERE p.conversation_id = a.conversation_id AND NOT p.is_service LIMIT 100) || a.title, NULL)
                AS names
         FROM tributary.conversation_access a
         WHERE a.user_id = $1
         ORDER BY a.sort_at DESC, a.conversation_id DESC LIMIT 2000"
    ))
    .bind::<Text, _>(user_id)
    .kept()
    .load(conn)
    .await
}
