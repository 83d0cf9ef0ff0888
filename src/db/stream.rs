//! The viewers' streams: positions without holes.

use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, statement::Keep as _};
use crate::model::frame::{Frame, FrameKind};

/// How far a viewer's stream goes.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Head {
    /// The Clerk user.
    #[diesel(sql_type = Text)]
    pub user_id: String,
    /// The last position.
    #[diesel(sql_type = BigInt)]
    pub position: i64,
}

/// A frame with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in its viewer's stream.
    pub position: i64,
    /// What happened; none for a kind that only a later version knows.
    pub kind: Option<FrameKind>,
    /// When.
    pub at: chrono::DateTime<chrono::Utc>,
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
pub async fn append(mut conn: &Connection, frames: &[Frame]) -> QueryResult<Vec<Head>> {
    if frames.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = frames.iter().map(|frame| frame.kind.ids()).collect();
    sql_query(
        "WITH given AS (
             SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY ordinal) AS nth
             FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[]) WITH ORDINALITY
                  AS f(user_id, kind, conversation_id, message_id, connection_id, ordinal)
         ), moved AS (
             INSERT INTO tributary.stream_positions AS p (user_id, position)
             SELECT user_id, count(*) FROM given GROUP BY user_id ORDER BY user_id
             ON CONFLICT (user_id) DO UPDATE SET position = p.position + excluded.position
             RETURNING user_id, position
         ), counted AS (
             SELECT user_id, count(*) AS frames FROM given GROUP BY user_id
         ), written AS (
             INSERT INTO tributary.outbox
                 (user_id, position, kind, conversation_id, message_id, connection_id)
             SELECT g.user_id, m.position - c.frames + g.nth, g.kind,
                    g.conversation_id, g.message_id, g.connection_id
             FROM given g JOIN moved m USING (user_id) JOIN counted c USING (user_id)
         )
         SELECT user_id, position FROM moved",
    )
    .bind::<Array<Text>, _>(frames.iter().map(|f| &f.user_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(frames.iter().map(|f| f.kind.name()).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(ids.iter().map(|ids| ids.0).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(ids.iter().map(|ids| ids.1).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(ids.iter().map(|ids| ids.2).collect::<Vec<_>>())
    .kept()
    .load(&mut conn)
    .await
}

/// The next frames of a viewer after a position, at most `limit`.
///
/// # Errors
///
/// When the statement fails.
pub async fn after(
    conn: &mut Connection,
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
        created_at: chrono::DateTime<chrono::Utc>,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT position, kind, conversation_id, message_id, connection_id, created_at
         FROM tributary.outbox WHERE user_id = $1 AND position > $2 ORDER BY position LIMIT $3",
    )
    .bind::<Text, _>(user_id)
    .bind::<BigInt, _>(position)
    .bind::<BigInt, _>(limit)
    .kept()
    .load(conn)
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
    sql_query("SELECT user_id, position FROM tributary.stream_positions WHERE user_id = ANY($1)")
        .bind::<Array<Text>, _>(user_ids)
        .kept()
        .load(conn)
        .await
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
