//! `tributary.bridges`: what was last heard of each bridge, and since when it is silent.
//!
//! Times are the database's: replicas need not agree on one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Bool, Double, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::Connection;

/// When anything last came of bridge `b`: a status, an answer, or an event of a room of its.
const LAST_SIGN: &str = "greatest(b.heard_at, (
         SELECT max(c.last_sync_at) FROM tributary.messenger_connections c WHERE c.bridge_id = b.id))";

/// Whether connection `c` has an owner, who would be told.
const LINKED: &str = "c.linked_at IS NOT NULL AND c.disconnected_at IS NULL";

/// The bridge spoke or answered. Returns since when it had been silent, if it was.
///
/// # Errors
///
/// When the statement fails.
pub async fn heard(conn: &mut Connection, id: &str) -> QueryResult<Option<DateTime<Utc>>> {
    let row: Since = sql_query(
        "WITH before AS (SELECT silent_since FROM tributary.bridges WHERE id = $1)
         INSERT INTO tributary.bridges (id) VALUES ($1)
         ON CONFLICT (id) DO UPDATE SET heard_at = now(), misses = 0, silent_since = NULL
         RETURNING (SELECT silent_since FROM before) AS since",
    )
    .bind::<Text, _>(id)
    .get_result(conn)
    .await?;
    Ok(row.since)
}

/// An event of a room of a silent bridge has come: it is not silent. Returns since when
/// it had been, if it was.
///
/// # Errors
///
/// When the statement fails.
pub async fn stirred(conn: &mut Connection, id: &str) -> QueryResult<Option<DateTime<Utc>>> {
    let row: Option<Since> = sql_query(format!(
        "WITH stirred AS (
             SELECT b.id, b.silent_since FROM tributary.bridges b
             WHERE b.id = $1 AND b.silent_since < {LAST_SIGN} FOR UPDATE)
         UPDATE tributary.bridges b SET misses = 0, silent_since = NULL
         FROM stirred WHERE b.id = stirred.id
         RETURNING stirred.silent_since AS since"
    ))
    .bind::<Text, _>(id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.and_then(|row| row.since))
}

/// When a bridge is to be asked whether it is there.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long nothing has to have come of it.
    pub quiet: Duration,
    /// Between two questions, whichever replica asks.
    pub pause: Duration,
    /// Since when anybody listens: what came before may have gone unheard.
    pub listening_since: DateTime<Utc>,
}

/// Whether it is time to ask the bridge, and then about which of its linked connections:
/// the one of which something was stored last. The same question is nobody else's.
///
/// # Errors
///
/// When a statement fails.
pub async fn to_ask(
    conn: &mut Connection,
    id: &str,
    patience: Patience,
) -> QueryResult<Option<Uuid>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    sql_query("INSERT INTO tributary.bridges (id) VALUES ($1) ON CONFLICT (id) DO NOTHING")
        .bind::<Text, _>(id)
        .execute(conn)
        .await?;
    let row: Option<Row> = sql_query(format!(
        "WITH asked AS (
             UPDATE tributary.bridges b SET asked_at = now()
             WHERE b.id = $1
               AND (b.asked_at IS NULL OR b.asked_at <= now() - make_interval(secs => $2))
               AND (b.silent_since IS NOT NULL
                    OR greatest({LAST_SIGN}, $3) <= now() - make_interval(secs => $4))
               AND EXISTS (SELECT 1 FROM tributary.messenger_connections c
                           WHERE c.bridge_id = b.id AND {LINKED})
             RETURNING b.id)
         SELECT c.id FROM asked JOIN tributary.messenger_connections c ON c.bridge_id = asked.id
         WHERE {LINKED} ORDER BY c.last_sync_at DESC NULLS LAST, c.id LIMIT 1"
    ))
    .bind::<Text, _>(id)
    .bind::<Double, _>(patience.pause.as_secs_f64())
    .bind::<Timestamptz, _>(patience.listening_since)
    .bind::<Double, _>(patience.quiet.as_secs_f64())
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(|row| row.id))
}

/// The bridge did not answer. After so many times in a row, while nothing else came of it
/// for that long either, it counts as silent; returns since when, if that is new.
///
/// # Errors
///
/// When the statement fails.
pub async fn missed(
    conn: &mut Connection,
    id: &str,
    most: i32,
    quiet: Duration,
) -> QueryResult<Option<DateTime<Utc>>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_news: bool,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        since: Option<DateTime<Utc>>,
    }
    let row: Option<Row> = sql_query(format!(
        "WITH before AS (
             SELECT b.id, {LAST_SIGN} AS last,
                    b.silent_since IS NULL AND b.misses + 1 >= $2
                    AND {LAST_SIGN} <= now() - make_interval(secs => $3) AS is_news
             FROM tributary.bridges b WHERE b.id = $1 FOR UPDATE)
         UPDATE tributary.bridges b
         SET misses = least(b.misses + 1, 1000000),
             silent_since = CASE WHEN is_news THEN last ELSE b.silent_since END
         FROM before WHERE b.id = before.id
         RETURNING is_news, silent_since AS since"
    ))
    .bind::<Text, _>(id)
    .bind::<Integer, _>(most)
    .bind::<Double, _>(quiet.as_secs_f64())
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.filter(|row| row.is_news).and_then(|row| row.since))
}

/// Since when the bridge is silent, if it is.
///
/// # Errors
///
/// When the statement fails.
pub async fn silent_since(conn: &mut Connection, id: &str) -> QueryResult<Option<DateTime<Utc>>> {
    let row: Option<Since> =
        sql_query("SELECT silent_since AS since FROM tributary.bridges WHERE id = $1")
            .bind::<Text, _>(id)
            .get_result(conn)
            .await
            .optional()?;
    Ok(row.and_then(|row| row.since))
}

/// Linked connections that do not show what is so: connected over a bridge that is silent
/// without an error that begins with `word`, or with one over a bridge that is not.
///
/// # Errors
///
/// When the statement fails.
pub async fn misstated(conn: &mut Connection, word: &str) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let rows: Vec<Row> = sql_query(format!(
        "SELECT c.id FROM tributary.messenger_connections c
         LEFT JOIN tributary.bridges b ON b.id = c.bridge_id
         WHERE {LINKED} AND c.status = 'CONNECTED'
           AND (b.silent_since IS NOT NULL) <> starts_with(coalesce(c.error, ''), $1)
         ORDER BY c.id LIMIT 1000"
    ))
    .bind::<Text, _>(word)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[derive(QueryableByName)]
struct Since {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    since: Option<DateTime<Utc>>,
}
