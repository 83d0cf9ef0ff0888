//! What differs per viewer of a conversation: title, unread count, last message.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, grants::covers, statement::Keep as _};

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

/// May viewer `a` see what the room of message `m` received at this time, and what has this
/// `origin_server_ts`?
macro_rules! may_see {
    ($received_at:literal, $origin_server_ts:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM tributary.room_grants g
    WHERE g.user_id = a.user_id AND g.conversation_id = m.conversation_id AND g.room_id = m.room_id
      AND ",
            $crate::db::grants::covers!($received_at, $origin_server_ts),
            ")"
        )
    };
}
/// What this participant was to viewer `a`, in `was`: for whoever is there it looks nowhere
/// and is null.
macro_rules! was {
    ($participant:literal) => {
        concat!(
            "LEFT JOIN LATERAL (
         SELECT k.display_name, k.avatar_media_id, k.membership FROM tributary.former_people k
         WHERE a.has_left AND k.user_id = a.user_id AND k.conversation_id = a.conversation_id
           AND k.participant_id = ",
            $participant,
            ".id OFFSET 0) AS was ON true"
        )
    };
}

/// What participant `p`, of whom this is a column, is to viewer `a`: what they are, or `was`.
macro_rules! is_or {
    ($column:literal) => {
        concat!(
            "CASE WHEN a.has_left THEN was.",
            $column,
            " ELSE p.",
            $column,
            " END"
        )
    };
}
pub(super) use {is_or, is_self, may_see, was};

/// What participant `p` was to viewer `a`.
pub(super) const WAS: &str = was!("p");

/// Is participant `p` viewer `a` themselves?
pub(super) const IS_SELF: &str = is_self!("p");

/// May viewer `a` see message `m`?
pub(super) const MAY_SEE: &str = may_see!("m.received_at", "m.origin_server_ts");

/// Does grant `g` cover message `m`?
const COVERS: &str = covers!("m.received_at", "m.origin_server_ts");

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
/// its name, or in a direct chat the other person's; [`super::former`] does so for whoever
/// has left. Returns the conversations whose kind has changed, and the views whose title has.
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
               WHERE conv.id = ANY($1) AND NOT a.has_left) AS d
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

/// Adds new messages to the viewers' rows: the newest one, how far the viewers have read by
/// `reads`, and how many are unread after that. Returns those of whom that has to be
/// [counted again](recount_unread), because something newer than what they have read by it
/// was there before.
///
/// # Errors
///
/// When the statement fails.
pub async fn add(
    conn: &Connection,
    seen: &[Seen],
    reads: &[ReadThrough],
) -> QueryResult<Vec<View>> {
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    write(conn, &gains(seen, reads)).await
}

/// Prepares the statement of [`add`].
pub(super) async fn prepare(conn: &Connection) -> QueryResult<()> {
    write(conn, &[]).await.map(drop)
}

/// The rows are locked before they are read: another room of the conversation may be written
/// at the same time. Whoever has read past all that was there has only what came with it
/// unread, since no message that a viewer sees is newer than their `last_event_at`.
async fn write(mut conn: &Connection, gains: &[Gain<'_>]) -> QueryResult<Vec<View>> {
    sql_query(
        "WITH locked AS MATERIALIZED (
             SELECT g.*, a.last_event_at, a.read_through_at, a.read_through_event
             FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::integer[], $5::timestamptz[], $6::text[],
                         $7::timestamptz[], $8::text[], $9::timestamptz[], $10::text[], $11::integer[])
                  AS g(user_id, conversation_id, newest, unread, first_at, first_event, last_at, last_event,
                       read_at, read_event, unread_after)
             JOIN tributary.conversation_access a
               ON a.user_id = g.user_id AND a.conversation_id = g.conversation_id
             ORDER BY g.user_id, g.conversation_id FOR UPDATE OF a
         ), marked AS (
             SELECT l.*, k.moves, k.moves AND l.read_at > coalesce(l.last_event_at, '-infinity') AS passes,
                    k.is_behind
             FROM locked l CROSS JOIN LATERAL (
                 SELECT l.read_at IS NOT NULL AND (l.read_through_at IS NULL
                     OR (l.read_at, l.read_event COLLATE \"C\")
                      > (l.read_through_at, l.read_through_event COLLATE \"C\")) AS moves,
                     -- whether the first of what counts is read already
                     l.read_through_at IS NOT NULL AND l.first_at IS NOT NULL
                     AND (l.first_at, l.first_event COLLATE \"C\")
                      <= (l.read_through_at, l.read_through_event COLLATE \"C\") AS is_behind OFFSET 0) AS k
         ), added AS (
             UPDATE tributary.conversation_access a
             SET unread_count = CASE WHEN k.passes THEN 0 ELSE a.unread_count END
                     + CASE WHEN k.moves THEN k.unread_after WHEN k.is_behind THEN 0 ELSE k.unread END,
                 read_through_at = CASE WHEN k.moves THEN k.read_at ELSE a.read_through_at END,
                 read_through_event = CASE WHEN k.moves THEN k.read_event ELSE a.read_through_event END,
                 last_event_at = greatest(a.last_event_at, k.newest),
                 sort_at = greatest(a.last_event_at, k.newest), updated_at = now()
             FROM marked k
             WHERE a.user_id = k.user_id AND a.conversation_id = k.conversation_id
             RETURNING a.user_id, a.conversation_id, CASE WHEN k.moves THEN NOT k.passes
                 ELSE k.is_behind AND (k.last_at, k.last_event COLLATE \"C\")
                    > (k.read_through_at, k.read_through_event COLLATE \"C\") END AS is_uncounted
         )
         SELECT user_id, conversation_id FROM added WHERE is_uncounted",
    )
    .bind::<Array<Text>, _>(gains.iter().map(|g| &g.view.user_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(gains.iter().map(|g| g.view.conversation_id).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(gains.iter().map(|g| g.newest).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(gains.iter().map(|g| g.unread).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(gains.iter().map(|g| g.first.map(|m| m.0)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(gains.iter().map(|g| g.first.map(|m| m.1)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(gains.iter().map(|g| g.last.map(|m| m.0)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(gains.iter().map(|g| g.last.map(|m| m.1)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(gains.iter().map(|g| g.read.map(|m| m.0)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(gains.iter().map(|g| g.read.map(|m| m.1)).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(gains.iter().map(|g| g.unread_after).collect::<Vec<_>>())
    .kept()
    .load(&mut conn)
    .await
}

/// A place among the messages of a conversation: shown time and event id.
type Mark<'a> = (DateTime<Utc>, &'a str);

/// What new messages are to one viewer.
#[derive(Debug, PartialEq, Eq)]
struct Gain<'a> {
    view: &'a View,
    newest: DateTime<Utc>,
    /// How many of them count.
    unread: i32,
    /// The first and the last of those.
    first: Option<Mark<'a>>,
    last: Option<Mark<'a>>,
    /// How far the viewer has read by what came with them.
    read: Option<Mark<'a>>,
    /// How many of those that count come after that.
    unread_after: i32,
}

/// Sorted by viewer, as their rows are locked.
fn gains<'a>(seen: &'a [Seen], reads: &'a [ReadThrough]) -> Vec<Gain<'a>> {
    let mut of: BTreeMap<&View, (DateTime<Utc>, Vec<Mark<'a>>)> = BTreeMap::new();
    for one in seen {
        let (newest, marks) = of.entry(&one.view).or_insert((one.at, Vec::new()));
        *newest = one.at.max(*newest);
        if one.counts {
            marks.push((one.at, &one.event_id));
        }
    }
    let mut furthest: HashMap<&View, Mark<'a>> = HashMap::new();
    for read in reads {
        let mark = (read.at, &*read.event_id);
        let known = furthest.entry(&read.view).or_insert(mark);
        *known = mark.max(*known);
    }
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let gain = |(view, (newest, marks)): (&'a View, (_, Vec<Mark<'a>>))| {
        let read = furthest.get(view).copied();
        Gain {
            view,
            newest,
            unread: count(marks.len()),
            first: marks.iter().min().copied(),
            last: marks.iter().max().copied(),
            read,
            unread_after: count(marks.iter().filter(|mark| Some(**mark) > read).count()),
        }
    };
    of.into_iter().map(gain).collect()
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
                                     AND m.received_at > c.linked_at AND {COVERS})
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_counted_by_viewer() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let view = |user_id: &str| View {
            user_id: user_id.to_owned(),
            conversation_id: Uuid::nil(),
        };
        let seen = |user_id: &str, seconds, event_id: &str, counts| Seen {
            view: view(user_id),
            at: at(seconds),
            event_id: event_id.to_owned(),
            counts,
        };
        let all = [
            seen("b", 3, "$3", true),
            seen("b", 2, "$2", false),
            seen("a", 2, "$2", true),
            seen("b", 1, "$1", true),
        ];
        let reads = [("b", 1, "$0"), ("b", 2, "$2"), ("b", 1, "$1")];
        let reads = reads.map(|(user_id, seconds, event_id)| ReadThrough {
            view: view(user_id),
            at: at(seconds),
            event_id: event_id.to_owned(),
        });
        let (a, b) = (view("a"), view("b"));
        let of_a = Gain {
            view: &a,
            newest: at(2),
            unread: 1,
            first: Some((at(2), "$2")),
            last: Some((at(2), "$2")),
            read: None,
            unread_after: 1,
        };
        let of_b = Gain {
            view: &b,
            newest: at(3),
            unread: 2,
            first: Some((at(1), "$1")),
            last: Some((at(3), "$3")),
            read: Some((at(2), "$2")),
            unread_after: 1,
        };
        assert_eq!(gains(&all, &reads), [of_a, of_b]);
    }
}
