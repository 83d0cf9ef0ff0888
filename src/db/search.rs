//! The words of messages, for [`read::search`](super::read::search): which messages are
//! to be put into the index, and the index.
//!
//! Whatever stores, edits or redacts messages writes their ids into `search_queue` in the
//! same statement. What is read for the index is read after that row was taken, so that
//! the index never ends up older than the message.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::Connection;

/// Held while messages are put into the index ("trse"). One at a time: two could write what
/// they read in the other order.
const TURN: i64 = 0x7472_7365;

/// The texts of a message: whatever a viewer may be shown of it.
#[derive(Debug, Clone, QueryableByName)]
pub struct Texts {
    /// The message.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// The body and file name of each version; none of a redacted message.
    #[diesel(sql_type = Array<Text>)]
    pub texts: Vec<String>,
}

/// A message's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The message.
    pub id: Uuid,
    /// Its terms, with spaces between them.
    pub terms: String,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Takes the index's turn until the end of the transaction; false when another has it. The
/// transaction does not wait for the disk, nor make pushes wait: if a crash takes it, what it
/// took from the queue is there again.
///
/// # Errors
///
/// When the statement fails.
pub async fn take_turn(conn: &mut Connection) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Taken {
        #[diesel(sql_type = Bool)]
        taken: bool,
    }
    let taken: Taken = sql_query(
        "SELECT pg_try_advisory_xact_lock($1) AS taken, set_config('synchronous_commit', 'off', true)",
    )
    .bind::<BigInt, _>(TURN)
        .get_result(conn)
        .await?;
    Ok(taken.taken)
}

/// Takes up to `most` messages from the queue, with repetitions.
///
/// # Errors
///
/// When the statement fails.
pub async fn take_queued(conn: &mut Connection, most: i64) -> QueryResult<Vec<Uuid>> {
    let ids: Vec<Id> = sql_query(
        "DELETE FROM tributary.search_queue
         WHERE ctid = ANY(ARRAY(SELECT ctid FROM tributary.search_queue LIMIT $1))
         RETURNING message_id AS id",
    )
    .bind::<BigInt, _>(most)
    .load(conn)
    .await?;
    Ok(ids.into_iter().map(|row| row.id).collect())
}

/// The next messages that an index of this version does not have yet, up to `most`;
/// none when it has all. An index of another version is begun anew.
///
/// # Errors
///
/// When a statement fails.
pub async fn take_old(conn: &mut Connection, version: i32, most: i64) -> QueryResult<Vec<Uuid>> {
    sql_query(
        "UPDATE tributary.search_progress
         SET version = $1, after_id = '00000000-0000-0000-0000-000000000000' WHERE version <> $1",
    )
    .bind::<Integer, _>(version)
    .execute(conn)
    .await?;
    let ids: Vec<Id> = sql_query(
        "WITH next AS MATERIALIZED (
             SELECT m.id FROM tributary.search_progress s
             CROSS JOIN LATERAL (SELECT m.id FROM tributary.messages m WHERE m.id > s.after_id
                                 ORDER BY m.id LIMIT $1) AS m
         ), noted AS (
             UPDATE tributary.search_progress SET after_id = CASE WHEN (SELECT count(*) FROM next) = $1
                 THEN (SELECT n.id FROM next n ORDER BY n.id DESC LIMIT 1) END
             WHERE after_id IS NOT NULL
         )
         SELECT id FROM next",
    )
    .bind::<BigInt, _>(most)
    .load(conn)
    .await?;
    Ok(ids.into_iter().map(|row| row.id).collect())
}

/// What these messages say, in all their versions. Of a long text its beginning,
/// `most_characters`.
///
/// # Errors
///
/// When the statement fails.
pub async fn texts(
    conn: &mut Connection,
    ids: &[Uuid],
    most_characters: i32,
) -> QueryResult<Vec<Texts>> {
    sql_query(
        "SELECT m.id, CASE WHEN m.deleted_at IS NOT NULL THEN '{}' ELSE
             ARRAY(SELECT left(t.text, $2) FROM (
                 SELECT m.body AS text
                 UNION SELECT v.body FROM tributary.message_versions v
                 WHERE v.room_id = m.room_id AND v.target_event_id = m.event_id
                   AND v.sender = m.sender AND v.event_type = m.event_type AND v.content IS NOT NULL
                 UNION SELECT f.filename FROM tributary.attachments f
                 WHERE f.room_id = m.room_id AND f.target_event_id = m.event_id
                   AND f.filename IS NOT NULL) AS t) END AS texts
         FROM tributary.messages m WHERE m.id = ANY($1)",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Integer, _>(most_characters)
    .load(conn)
    .await
}

/// Puts messages into the index in place of what it had of them, and takes out those
/// without terms. It waits for nobody who deletes messages, who may wait for it: what
/// somebody is about to delete is queued again.
///
/// # Errors
///
/// When the statement fails.
pub async fn put(conn: &mut Connection, entries: &[Entry]) -> QueryResult<()> {
    sql_query(
        "WITH given AS MATERIALIZED (
             SELECT * FROM unnest($1::uuid[], $2::text[]) AS e(id, terms)
         ), held AS MATERIALIZED (
             SELECT m.id, m.timestamp, m.conversation_id, m.deleted_at IS NOT NULL OR g.terms = '' AS is_empty, g.terms
             FROM given g JOIN tributary.messages m ON m.id = g.id
             FOR KEY SHARE OF m SKIP LOCKED
         ), passed AS (
             INSERT INTO tributary.search_queue (message_id)
             SELECT g.id FROM given g JOIN tributary.messages m ON m.id = g.id
             WHERE NOT EXISTS (SELECT 1 FROM held h WHERE h.id = g.id)
         ), taken AS (
             DELETE FROM tributary.search_entries e USING held h WHERE h.is_empty AND e.message_id = h.id
         )
         INSERT INTO tributary.search_entries AS e (message_id, at, document)
         SELECT h.id, h.timestamp, array_to_tsvector(ARRAY(
             SELECT right(h.conversation_id::text, 8) || t.term FROM string_to_table(h.terms, ' ') AS t(term)))
         FROM held h WHERE NOT h.is_empty
         ON CONFLICT (message_id) DO UPDATE SET document = excluded.document
         WHERE e.document <> excluded.document",
    )
    .bind::<Array<SqlUuid>, _>(entries.iter().map(|e| e.id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(entries.iter().map(|e| &e.terms).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
