//! The ends of a job, and of a try.

use std::time::Duration;

use diesel::{
    OptionalExtension as _, QueryableByName,
    sql_types::{Array, Bool, Double, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Held, JobState, audit};
use crate::db::{Connection, Result};

/// What became of a job whose holder said that it is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It has ended.
    ForGood,
    /// It was asked for again meanwhile, and is queued.
    Again,
    /// It was not the holder's any more.
    LeaseLost,
}

/// How a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// It is through; why here, in a word.
    Done(&'a str),
    /// It is given up; why, in words. What was asked for while it ran is still tried.
    Failed(&'a str),
}

/// The job ends; the audit says so. If it was asked for again meanwhile, it begins anew:
/// of its progress what is `kept` stays, by key.
///
/// # Errors
///
/// The database's.
pub async fn end(mut conn: &Connection, held: Held, end: End<'_>, kept: &[&str]) -> Result<Ended> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        requeued: bool,
    }
    let (state, reason, error) = match end {
        End::Done(reason) => (JobState::Done, Some(reason), None),
        End::Failed(error) => (JobState::Failed, None, Some(error)),
    };
    let row: Option<Row> = diesel::sql_query(format!(
        "WITH j AS (
            UPDATE tributary.jobs SET
                state = CASE WHEN again THEN 'queued' ELSE $3 END,
                progress = CASE WHEN again THEN coalesce((
                    SELECT jsonb_object_agg(p.key, p.value) FROM jsonb_each(progress) p
                    WHERE p.key = ANY($6)
                ), '{{}}') ELSE progress END,
                run_at = CASE WHEN again THEN now() ELSE run_at END,
                attempts = CASE WHEN again THEN 0 ELSE attempts END,
                reason = CASE WHEN again THEN NULL ELSE $4 END,
                started_at = CASE WHEN again THEN NULL ELSE started_at END,
                finished_at = CASE WHEN again THEN NULL ELSE now() END,
                error = $5, share = CASE WHEN again THEN share ELSE '' END,
                again = false, lease_owner = NULL, lease_until = NULL
            WHERE id = $1 AND lease_owner = $2 AND state = 'running'
            RETURNING *
        ), noted AS (
            {noted}
        )
        SELECT state = 'queued' AS requeued FROM j",
        noted = audit(
            "job.end",
            "$3",
            "jsonb_build_object('reason', $4, 'error', $5)"
        )
    ))
    .bind::<SqlUuid, _>(held.job)
    .bind::<SqlUuid, _>(held.owner)
    .bind::<Text, _>(state.as_str())
    .bind::<Nullable<Text>, _>(reason.map(storable))
    .bind::<Nullable<Text>, _>(error.map(storable))
    .bind::<Array<Text>, _>(kept)
    .get_result(&mut conn)
    .await
    .optional()?;
    Ok(match row {
        Some(Row { requeued: true }) => Ended::Again,
        Some(Row { requeued: false }) => Ended::ForGood,
        None => Ended::LeaseLost,
    })
}

/// The try failed; the next one is due after `pause`. False when the lease is
/// lost.
///
/// # Errors
///
/// The database's.
pub async fn wait(mut conn: &Connection, held: Held, pause: Duration, error: &str) -> Result<bool> {
    let rows = diesel::sql_query(
        "UPDATE tributary.jobs SET
            state = 'waiting', run_at = now() + make_interval(secs => $3), error = $4,
            attempts = attempts + 1, lease_owner = NULL, lease_until = NULL
         WHERE id = $1 AND lease_owner = $2 AND state = 'running'",
    )
    .bind::<SqlUuid, _>(held.job)
    .bind::<SqlUuid, _>(held.owner)
    .bind::<Double, _>(pause.as_secs_f64())
    .bind::<Text, _>(storable(error))
    .execute(&mut conn)
    .await?;
    Ok(rows == 1)
}

/// Calls a job off, whoever holds it. False when it is not active.
///
/// # Errors
///
/// The database's.
pub async fn cancel(mut conn: &Connection, id: Uuid) -> Result<bool> {
    let rows = diesel::sql_query(format!(
        "WITH j AS (
            UPDATE tributary.jobs SET
                state = 'cancelled', reason = 'cancelled', finished_at = now(),
                share = '', again = false, lease_owner = NULL, lease_until = NULL
            WHERE id = $1 AND state IN ('queued', 'running', 'waiting')
            RETURNING *
        )
        {noted}",
        noted = audit("job.end", "'cancelled'", "'{}'::jsonb")
    ))
    .bind::<SqlUuid, _>(id)
    .execute(&mut conn)
    .await?;
    Ok(rows == 1)
}

/// Calls off the active jobs of these kinds and keys; returns the kinds of those that
/// there were.
///
/// # Errors
///
/// The database's.
pub async fn call_off(
    mut conn: &Connection,
    kinds: &[&str],
    keys: &[String],
    reason: &str,
) -> Result<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        kind: String,
    }
    let rows: Vec<Row> = diesel::sql_query(format!(
        "WITH held AS MATERIALIZED (
            SELECT id FROM tributary.jobs
            WHERE kind = ANY($1) AND key = ANY($2) AND state IN ('queued', 'running', 'waiting')
            ORDER BY kind, key FOR UPDATE
        ), j AS (
            UPDATE tributary.jobs SET
                state = 'cancelled', reason = $3, finished_at = now(),
                share = '', again = false, lease_owner = NULL, lease_until = NULL
            WHERE id IN (SELECT id FROM held)
            RETURNING *
        ), noted AS (
            {noted}
        )
        SELECT kind FROM j",
        noted = audit(
            "job.end",
            "'cancelled'",
            "jsonb_build_object('reason', j.reason)"
        )
    ))
    .bind::<Array<Text>, _>(kinds)
    .bind::<Array<Text>, _>(keys)
    .bind::<Text, _>(reason)
    .load(&mut conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.kind).collect())
}

/// Makes jobs that wait for their next try due now: what they waited for is there
/// again. Returns how many there were.
///
/// # Errors
///
/// The database's.
pub async fn hurry(mut conn: &Connection) -> Result<usize> {
    diesel::sql_query(
        "WITH late AS MATERIALIZED (
            SELECT id FROM tributary.jobs WHERE state = 'waiting' AND run_at > now()
            ORDER BY kind, key FOR UPDATE SKIP LOCKED
        )
        UPDATE tributary.jobs SET run_at = now() WHERE id IN (SELECT id FROM late)",
    )
    .execute(&mut conn)
    .await
}

/// An end must not fail for its explanation: Postgres holds no U+0000, and
/// nobody reads more than a few lines.
fn storable(why: &str) -> String {
    why.chars()
        .take(500)
        .map(|c| {
            if c == '\0' {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}
