//! The viewers' streams: positions without holes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, read::messages::Shown, statement::Keep as _};
use crate::model::frame::{Frame, FrameKind};

/// How far a viewer's stream goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The Clerk user.
    pub user_id: String,
    /// The last position.
    pub position: i64,
    /// The frames that lead there, where they are at hand: whoever has all before them
    /// need not read them.
    pub entries: Arc<[Entry]>,
    /// All that those show, where it was read along with their commit.
    pub along: Option<Along>,
}

/// What was read for a viewer along with a commit, before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Along {
    /// What the commit's frames show, as far as the viewer may see it.
    pub shown: Arc<[Shown]>,
    /// When that was asked for.
    pub read_at: Instant,
}

impl Head {
    /// A position, without the frames that lead there.
    #[must_use]
    pub fn at(user_id: String, position: i64) -> Self {
        Self {
            user_id,
            position,
            entries: Arc::default(),
            along: None,
        }
    }
}

/// A frame with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in its viewer's stream.
    pub position: i64,
    /// What happened; none for a kind that only a later version knows.
    pub kind: Option<FrameKind>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Appends frames, in their order, to their viewers' streams; returns how far
/// those go now.
///
/// The counters are locked in the order of user ids and must be the last thing
/// that a transaction locks: whoever waits for one holds nothing that its owner
/// still wants, and whoever has one commits before the next position is taken.
///
/// # Errors
///
/// When the statement fails.
pub async fn append(conn: &Connection, frames: &[Frame]) -> QueryResult<Vec<Head>> {
    if frames.is_empty() {
        return Ok(Vec::new());
    }
    write(conn, frames).await
}

/// Prepares the statement of [`append`].
pub(super) async fn prepare(conn: &Connection) -> QueryResult<()> {
    write(conn, &[]).await.map(drop)
}

async fn write(mut conn: &Connection, frames: &[Frame]) -> QueryResult<Vec<Head>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        user_id: String,
        #[diesel(sql_type = BigInt)]
        position: i64,
        #[diesel(sql_type = Timestamptz)]
        at: DateTime<Utc>,
    }
    let ids: Vec<_> = frames.iter().map(|frame| frame.kind.ids()).collect();
    let counted = Counted::of(frames);
    // A frame finds its viewer's position by number: a join would compare each frame with each
    // viewer, as these plans are made.
    let rows: Vec<Row> = sql_query(
        "WITH viewers AS (
             SELECT * FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS v(user_id, frames, number)
         ), moved AS (
             INSERT INTO tributary.stream_positions AS p (user_id, position)
             SELECT user_id, frames FROM viewers ORDER BY user_id
             ON CONFLICT (user_id) DO UPDATE SET position = p.position + excluded.position
             RETURNING user_id, position
         ), reached AS MATERIALIZED (
             SELECT array_agg(m.position ORDER BY v.number) AS positions
             FROM viewers v JOIN moved m USING (user_id)
         ), written AS (
             INSERT INTO tributary.outbox
                 (user_id, position, kind, conversation_id, message_id, connection_id)
             SELECT f.user_id, r.positions[f.viewer] - f.more, f.kind,
                    f.conversation_id, f.message_id, f.connection_id
             FROM reached r CROSS JOIN unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[],
                                              $7::uuid[], $8::uuid[], $9::uuid[])
                  AS f(viewer, more, user_id, kind, conversation_id, message_id, connection_id)
         )
         SELECT user_id, position, now() AS at FROM moved",
    )
    .bind::<Array<Text>, _>(counted.frames.keys().collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(counted.frames.values().collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(&counted.viewers)
    .bind::<Array<BigInt>, _>(&counted.more)
    .bind::<Array<Text>, _>(frames.iter().map(|f| &f.user_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(frames.iter().map(|f| f.kind.name()).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(ids.iter().map(|ids| ids.0).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(ids.iter().map(|ids| ids.1).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(ids.iter().map(|ids| ids.2).collect::<Vec<_>>())
    .kept()
    .load(&mut conn)
    .await?;
    let mut kinds: HashMap<&str, Vec<FrameKind>> = HashMap::new();
    for frame in frames {
        kinds.entry(&frame.user_id).or_default().push(frame.kind);
    }
    let head = |row: Row| {
        let kinds = kinds.remove(row.user_id.as_str()).unwrap_or_default();
        let before = row.position - i64::try_from(kinds.len()).unwrap_or(i64::MAX);
        let entries = kinds.into_iter().zip(before + 1..);
        let entries = entries.map(|(kind, position)| Entry {
            position,
            kind: Some(kind),
            at: row.at,
        });
        Head {
            entries: entries.collect(),
            ..Head::at(row.user_id, row.position)
        }
    };
    Ok(rows.into_iter().map(head).collect())
}

/// New frames, counted by viewer.
#[derive(Debug)]
struct Counted<'a> {
    /// How many each viewer gets.
    frames: BTreeMap<&'a str, i64>,
    /// Of each frame, the number of its viewer, counted from 1 in their order.
    viewers: Vec<i64>,
    /// Of each frame, how many of its viewer's come after it.
    more: Vec<i64>,
}

impl<'a> Counted<'a> {
    fn of(all: &'a [Frame]) -> Self {
        let mut frames = BTreeMap::new();
        let more = all.iter().rev().map(|frame| {
            let count = frames.entry(&*frame.user_id).or_default();
            *count += 1;
            *count - 1
        });
        let mut more: Vec<i64> = more.collect();
        more.reverse();
        let numbers: HashMap<&str, i64> = frames.keys().copied().zip(1..).collect();
        let viewer = |frame: &Frame| numbers.get(&*frame.user_id).copied();
        Self {
            viewers: all.iter().filter_map(viewer).collect(),
            frames,
            more,
        }
    }
}

/// The next frames of a viewer after a position, at most `limit`.
///
/// # Errors
///
/// When the statement fails.
pub async fn after(
    mut conn: &Connection,
    user_id: &str,
    position: i64,
    limit: i64,
) -> QueryResult<Vec<Entry>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        position: i64,
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        conversation_id: Option<Uuid>,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        message_id: Option<Uuid>,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        connection_id: Option<Uuid>,
        #[diesel(sql_type = Timestamptz)]
        created_at: DateTime<Utc>,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT position, kind, conversation_id, message_id, connection_id, created_at
         FROM tributary.outbox WHERE user_id = $1 AND position > $2 ORDER BY position LIMIT $3",
    )
    .bind::<Text, _>(user_id)
    .bind::<BigInt, _>(position)
    .bind::<BigInt, _>(limit)
    .kept()
    .load(&mut conn)
    .await?;
    let entry = |row: Row| Entry {
        position: row.position,
        kind: FrameKind::from_row(
            &row.kind,
            row.conversation_id,
            row.message_id,
            row.connection_id,
        ),
        at: row.created_at,
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// Forgets a viewer's frames up to now: whoever resumes in them has to reload. It locks
/// the viewer's position, as [`append`] does.
///
/// # Errors
///
/// When a statement fails.
pub async fn forget(conn: &mut Connection, user_id: &str) -> QueryResult<()> {
    sql_query("UPDATE tributary.stream_positions SET pruned_through = position WHERE user_id = $1")
        .bind::<Text, _>(user_id)
        .execute(conn)
        .await?;
    sql_query("DELETE FROM tributary.outbox WHERE user_id = $1")
        .bind::<Text, _>(user_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets frames from before a time, up to about `limit` of them: of each viewer the first
/// ones of the stream, and the position says so, so that whoever would resume in them is
/// told. To be called in a transaction of its own. Returns how many went.
///
/// Viewers whose position somebody holds are passed over: this waits for nobody, and a push
/// waits for it no longer than these two statements take.
///
/// # Errors
///
/// When a statement fails.
pub async fn prune(mut conn: &Connection, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        user_id: String,
    }
    let held: Vec<Row> = sql_query(
        "SELECT user_id FROM tributary.stream_positions WHERE user_id IN (
             SELECT o.user_id FROM (
                 SELECT user_id FROM tributary.outbox
                 WHERE created_at < $1 ORDER BY created_at LIMIT $2) AS o)
         ORDER BY user_id FOR UPDATE SKIP LOCKED",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .load(&mut conn)
    .await?;
    if held.is_empty() {
        return Ok(0);
    }
    // In a statement of its own, which sees what was committed before the locks were had.
    // A frame's time is its transaction's begin, so a younger one may stand before an older.
    sql_query(
        "WITH old AS (
             SELECT o.user_id, max(o.position) AS last FROM (
                 SELECT user_id, position FROM tributary.outbox
                 WHERE created_at < $1 ORDER BY created_at LIMIT $2) AS o
             WHERE o.user_id = ANY($3) GROUP BY o.user_id
         ), reach AS MATERIALIZED (
             SELECT old.user_id, least(old.last, (
                        SELECT min(y.position) - 1 FROM tributary.outbox y
                        WHERE y.user_id = old.user_id AND y.position < old.last
                          AND y.created_at >= $1)) AS through
             FROM old
         ), moved AS (
             UPDATE tributary.stream_positions p
             SET pruned_through = greatest(p.pruned_through, r.through)
             FROM reach r WHERE p.user_id = r.user_id
         )
         DELETE FROM tributary.outbox o USING reach r
         WHERE o.user_id = r.user_id AND o.position <= r.through",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .bind::<Array<Text>, _>(held.into_iter().map(|row| row.user_id).collect::<Vec<_>>())
    .execute(&mut conn)
    .await
}

/// Forgets that a viewer ever had a stream. For one who never comes back: the next
/// stream would begin where cursors of this one lead.
///
/// # Errors
///
/// When a statement fails.
pub async fn end(conn: &mut Connection, user_id: &str) -> QueryResult<()> {
    forget(conn, user_id).await?;
    sql_query("DELETE FROM tributary.stream_positions WHERE user_id = $1")
        .bind::<Text, _>(user_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Where a viewer's stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Extent {
    /// The last position; 0 for a stream without a frame.
    #[diesel(sql_type = BigInt)]
    pub position: i64,
    /// Frames up to here are gone.
    #[diesel(sql_type = BigInt)]
    pub pruned_through: i64,
}

/// How far a viewer's stream goes, and from where on it is kept.
///
/// # Errors
///
/// When the statement fails.
pub async fn extent(conn: &mut Connection, user_id: &str) -> QueryResult<Extent> {
    let row: Option<Extent> = sql_query(
        "SELECT position, pruned_through FROM tributary.stream_positions WHERE user_id = $1",
    )
    .bind::<Text, _>(user_id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.unwrap_or(Extent {
        position: 0,
        pruned_through: 0,
    }))
}

/// How far the streams of these viewers go.
///
/// # Errors
///
/// When the statement fails.
pub async fn heads(conn: &mut Connection, user_ids: &[String]) -> QueryResult<Vec<Head>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        user_id: String,
        #[diesel(sql_type = BigInt)]
        position: i64,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT user_id, position FROM tributary.stream_positions WHERE user_id = ANY($1)",
    )
    .bind::<Array<Text>, _>(user_ids)
    .kept()
    .load(conn)
    .await?;
    let head = |row: Row| Head::at(row.user_id, row.position);
    Ok(rows.into_iter().map(head).collect())
}

/// The database's epoch: a restored backup has another one.
///
/// # Errors
///
/// When the statement fails.
pub async fn epoch(conn: &mut Connection) -> QueryResult<Uuid> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        epoch: Uuid,
    }
    let row: Row = sql_query("SELECT epoch FROM tributary.installation")
        .get_result(conn)
        .await?;
    Ok(row.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_by_viewer() {
        let frame = |user_id: &str| Frame {
            user_id: user_id.to_owned(),
            kind: FrameKind::ConversationRemoved {
                conversation_id: Uuid::nil(),
            },
        };
        let frames = ["b", "a", "b", "b", "a"].map(frame);
        let counted = Counted::of(&frames);
        assert_eq!(counted.frames, BTreeMap::from([("a", 2), ("b", 3)]));
        assert_eq!(counted.viewers, [2, 1, 2, 2, 1]);
        assert_eq!(counted.more, [2, 1, 1, 0, 0]);
    }
}
