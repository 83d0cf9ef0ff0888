//! What differs per viewer of a conversation: title, unread count, last message.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Bool, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, statement::Keep as _};

/// A viewer and a conversation of theirs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, QueryableByName)]
pub struct View {
    /// The Clerk user.
    #[diesel(sql_type = Text)]
    pub user_id: String,
    /// The conversation.
    #[diesel(sql_type = SqlUuid)]
    pub conversation_id: Uuid,
}

/// Is this participant viewer `a` themselves, by Matrix id or own ghost? `conv` is the
/// conversation.
macro_rules! is_self {
    ($participant:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM tributary.messenger_connections self
    WHERE self.user_id = a.user_id AND self.bridge_id = conv.bridge_id
      AND (self.matrix_user_id = ",
            $participant,
            ".matrix_user_id OR self.bridge_user_id = ",
            $participant,
            ".external_id))"
        )
    };
}

/// May viewer `a` see what the room of message `m` received at this time?
macro_rules! may_see {
    ($received_at:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM tributary.room_grants g
    WHERE g.user_id = a.user_id AND g.conversation_id = m.conversation_id AND g.room_id = m.room_id
      AND (g.from_at IS NULL OR ",
            $received_at,
            " >= g.from_at) AND (g.until_at IS NULL OR ",
            $received_at,
            " <= g.until_at))"
        )
    };
}
pub(super) use {is_self, may_see};

/// Is participant `p` viewer `a` themselves?
pub(super) const IS_SELF: &str = is_self!("p");

/// May viewer `a` see message `m`?
pub(super) const MAY_SEE: &str = may_see!("m.received_at");

fn split(views: &[View]) -> (Vec<&str>, Vec<Uuid>) {
    views
        .iter()
        .map(|view| (view.user_id.as_str(), view.conversation_id))
        .unzip()
}

/// Makes sure that every viewer has a row.
///
/// # Errors
///
/// When the statement fails.
pub async fn ensure(conn: &mut Connection, views: &[View]) -> QueryResult<()> {
    let (users, conversations) = split(views);
    sql_query(
        "INSERT INTO tributary.conversation_access (user_id, conversation_id)
         SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[]) AS v(user_id, conversation_id)
         ORDER BY 1, 2 ON CONFLICT DO NOTHING",
    )
    .bind::<Array<Text>, _>(users)
    .bind::<Array<SqlUuid>, _>(conversations)
    .kept()
    .execute(conn)
    .await?;
    Ok(())
}

/// Decides what kind of chat each conversation is, and its title for each viewer:
/// its name, or in a direct chat the other person's. For whoever is no longer in the
/// room that says so, it stays what it was. Returns the conversations whose kind has
/// changed, and the views whose title has.
///
/// # Errors
///
/// When a statement fails.
pub async fn derive_titles(
    conn: &mut Connection,
    conversation_ids: &[Uuid],
) -> QueryResult<(Vec<Uuid>, Vec<View>)> {
    #[derive(QueryableByName)]
    struct Turned {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    // Without a word of the bridge more than two people make a group; a customer
    // and their own ghost are one person.
    let turned: Vec<Turned> = sql_query(
        "UPDATE tributary.conversations c SET is_group = d.is_group, updated_at = now()
         FROM (SELECT c.id, CASE
                   WHEN r.room_type_v2 IS NOT NULL THEN r.room_type_v2 <> 'dm'
                   WHEN r.room_type = 'dm' THEN false
                   ELSE (SELECT count(*) > 2 FROM tributary.participants p
                         WHERE p.conversation_id = c.id AND p.membership IN ('join', 'invite')
                           AND NOT p.is_service
                           AND NOT EXISTS (
                               SELECT 1 FROM tributary.messenger_connections s
                               JOIN tributary.participants me ON me.conversation_id = c.id
                                AND me.matrix_user_id = s.matrix_user_id
                                AND me.membership IN ('join', 'invite')
                               WHERE s.bridge_id = c.bridge_id AND s.bridge_user_id = p.external_id))
                   END AS is_group
               FROM tributary.conversations c
               JOIN tributary.rooms r ON r.room_id = c.matrix_room_id
               WHERE c.id = ANY($1)) AS d
         WHERE c.id = d.id AND c.is_group <> d.is_group
         RETURNING c.id",
    )
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .kept()
    .load(conn)
    .await?;
    let renamed = sql_query(format!(
        "UPDATE tributary.conversation_access a SET title = d.title, updated_at = now()
         FROM (SELECT a.user_id, a.conversation_id, coalesce(conv.name,
                   CASE WHEN NOT conv.is_group THEN (
                       SELECT p.display_name FROM tributary.participants p
                       WHERE p.conversation_id = conv.id AND NOT p.is_service AND NOT {IS_SELF}
                       ORDER BY p.membership IN ('join', 'invite') DESC,
                                p.external_id IS NOT NULL DESC, p.matrix_user_id COLLATE \"C\"
                       LIMIT 1) END) AS title
               FROM tributary.conversation_access a
               JOIN tributary.conversations conv ON conv.id = a.conversation_id
               WHERE conv.id = ANY($1)
                 AND EXISTS (SELECT 1 FROM tributary.room_grants g
                             WHERE g.user_id = a.user_id AND g.conversation_id = conv.id
                               AND g.room_id = conv.matrix_room_id AND g.until_at IS NULL)) AS d
         WHERE (a.user_id, a.conversation_id) = (d.user_id, d.conversation_id)
           AND a.title IS DISTINCT FROM d.title
         RETURNING a.user_id, a.conversation_id"
    ))
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .kept()
    .load(conn)
    .await?;
    Ok((turned.into_iter().map(|row| row.id).collect(), renamed))
}

/// Everybody who is in these conversations now.
///
/// # Errors
///
/// When the statement fails.
pub async fn of(mut conn: &Connection, conversation_ids: &[Uuid]) -> QueryResult<Vec<View>> {
    if conversation_ids.is_empty() {
        return Ok(Vec::new());
    }
    sql_query(
        "SELECT DISTINCT g.user_id, g.conversation_id FROM tributary.room_grants g
         WHERE g.conversation_id = ANY($1) AND g.until_at IS NULL ORDER BY 1, 2",
    )
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .kept()
    .load(&mut conn)
    .await
}

/// A message that a viewer may see from now on.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Who, and where.
    pub view: View,
    /// The message's shown time.
    pub at: DateTime<Utc>,
    /// Its event id.
    pub event_id: String,
    /// Whether it is live, of somebody else and not redacted.
    pub counts: bool,
}

/// Adds new messages to the viewers' rows: the newest one, and how many are unread.
///
/// # Errors
///
/// When the statement fails.
pub async fn add(mut conn: &Connection, seen: &[Seen]) -> QueryResult<()> {
    if seen.is_empty() {
        return Ok(());
    }
    sql_query(
        "WITH gained AS (
             SELECT a.user_id, a.conversation_id, max(s.at) AS newest,
                    count(*) FILTER (WHERE s.counts AND (a.read_through_at IS NULL
                        OR (s.at, s.event_id COLLATE \"C\")
                         > (a.read_through_at, a.read_through_event COLLATE \"C\"))) AS unread
             FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::bool[])
                  AS s(user_id, conversation_id, at, event_id, counts)
             JOIN tributary.conversation_access a USING (user_id, conversation_id)
             GROUP BY 1, 2
         )
         UPDATE tributary.conversation_access a
         SET unread_count = a.unread_count + g.unread,
             last_event_at = greatest(a.last_event_at, g.newest),
             sort_at = greatest(a.last_event_at, g.newest), updated_at = now()
         FROM gained g
         WHERE (a.user_id, a.conversation_id) = (g.user_id, g.conversation_id)",
    )
    .bind::<Array<Text>, _>(seen.iter().map(|s| &s.view.user_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(
        seen.iter()
            .map(|s| s.view.conversation_id)
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Timestamptz>, _>(seen.iter().map(|s| s.at).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(seen.iter().map(|s| &s.event_id).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(seen.iter().map(|s| s.counts).collect::<Vec<_>>())
    .kept()
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// How far a viewer has read: an own message, or the target of an own receipt.
#[derive(Debug, Clone)]
pub struct ReadThrough {
    /// Who, and where.
    pub view: View,
    /// The event's shown time.
    pub at: DateTime<Utc>,
    /// The event.
    pub event_id: String,
}

/// Moves the viewers' read markers forward and counts again; returns whose count changed.
///
/// # Errors
///
/// When a statement fails.
pub async fn read_through(conn: &Connection, reads: &[ReadThrough]) -> QueryResult<Vec<View>> {
    if reads.is_empty() {
        return Ok(Vec::new());
    }
    let views: Vec<_> = reads.iter().map(|read| read.view.clone()).collect();
    move_markers(conn, reads).await?;
    recount_unread(conn, &views).await
}

async fn move_markers(mut conn: &Connection, reads: &[ReadThrough]) -> QueryResult<usize> {
    sql_query(
        "UPDATE tributary.conversation_access a
         SET read_through_at = n.at, read_through_event = n.event_id
         FROM (SELECT DISTINCT ON (user_id, conversation_id) *
               FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[])
                    AS n(user_id, conversation_id, at, event_id)
               ORDER BY user_id, conversation_id, at DESC, event_id COLLATE \"C\" DESC) AS n
         WHERE (a.user_id, a.conversation_id) = (n.user_id, n.conversation_id)
           AND (a.read_through_at IS NULL OR (n.at, n.event_id COLLATE \"C\")
                > (a.read_through_at, a.read_through_event COLLATE \"C\"))",
    )
    .bind::<Array<Text>, _>(reads.iter().map(|r| &r.view.user_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(
        reads
            .iter()
            .map(|r| r.view.conversation_id)
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Timestamptz>, _>(reads.iter().map(|r| r.at).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(reads.iter().map(|r| &r.event_id).collect::<Vec<_>>())
    .kept()
    .execute(&mut conn)
    .await
}

/// Finds the newest message that each viewer may see, and counts the unread ones
/// again; returns whose row changed. Its cost grows with the conversation: for when
/// access has changed, or messages are gone.
///
/// # Errors
///
/// When the statement fails.
pub async fn recount(conn: &Connection, views: &[View]) -> QueryResult<Vec<View>> {
    let newest = format!(
        "(SELECT max(m.timestamp) FROM tributary.messages m
          WHERE m.conversation_id = a.conversation_id AND {MAY_SEE})"
    );
    count(conn, views, &newest).await
}

/// As [`recount`], for every viewer of these conversations.
///
/// # Errors
///
/// When the statement fails.
pub async fn recount_all(
    mut conn: &Connection,
    conversation_ids: &[Uuid],
) -> QueryResult<Vec<View>> {
    let views: Vec<View> = sql_query(
        "SELECT user_id, conversation_id FROM tributary.conversation_access
         WHERE conversation_id = ANY($1) ORDER BY 1, 2",
    )
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .kept()
    .load(&mut conn)
    .await?;
    recount(conn, &views).await
}

/// Counts unread messages again, from the read marker on; returns whose row changed.
///
/// # Errors
///
/// When the statement fails.
pub async fn recount_unread(conn: &Connection, views: &[View]) -> QueryResult<Vec<View>> {
    count(conn, views, "a.last_event_at").await
}

/// The read marker stands there twice, since an index understands only its time; and
/// the counts are materialized, or each use of them would count again.
async fn count(mut conn: &Connection, views: &[View], newest: &str) -> QueryResult<Vec<View>> {
    if views.is_empty() {
        return Ok(Vec::new());
    }
    let (users, conversations) = split(views);
    sql_query(format!(
        "WITH counted AS MATERIALIZED (
             SELECT a.user_id, a.conversation_id, a.created_at,
                    {newest} AS newest,
                    (SELECT count(*) FROM tributary.messages m
                     JOIN tributary.participants p ON p.id = m.sender_id
                     WHERE m.conversation_id = a.conversation_id
                       AND m.deleted_at IS NULL AND NOT m.historical
                       AND (a.read_at IS NULL OR m.stored_at > a.read_at)
                       AND m.timestamp >= coalesce(a.read_through_at, '-infinity')
                       AND (a.read_through_at IS NULL OR (m.timestamp, m.event_id COLLATE \"C\")
                            > (a.read_through_at, a.read_through_event COLLATE \"C\"))
                       AND NOT {IS_SELF}
                       AND EXISTS (SELECT 1 FROM tributary.room_grants g
                                   JOIN tributary.messenger_connections c ON c.id = g.connection_id
                                   WHERE g.user_id = a.user_id AND g.room_id = m.room_id
                                     AND g.conversation_id = m.conversation_id
                                     AND m.received_at > c.linked_at
                                     AND (g.from_at IS NULL OR m.received_at >= g.from_at)
                                     AND (g.until_at IS NULL OR m.received_at <= g.until_at))
                    )::integer AS unread
             FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[]) AS v(user_id, conversation_id)) v
             JOIN tributary.conversation_access a USING (user_id, conversation_id)
             JOIN tributary.conversations conv ON conv.id = a.conversation_id
         )
         UPDATE tributary.conversation_access a
         SET unread_count = c.unread, last_event_at = c.newest,
             sort_at = coalesce(c.newest, c.created_at), updated_at = now()
         FROM counted c
         WHERE (a.user_id, a.conversation_id) = (c.user_id, c.conversation_id)
           AND (a.unread_count <> c.unread OR a.last_event_at IS DISTINCT FROM c.newest)
         RETURNING a.user_id, a.conversation_id"
    ))
    .bind::<Array<Text>, _>(users)
    .bind::<Array<SqlUuid>, _>(conversations)
    .kept()
    .load(&mut conn)
    .await
}
