//! Holding a job.

use std::time::Duration;

use diesel::sql_types::{Array, Double, Integer, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;
use uuid::Uuid;

use super::{COLUMNS, Job, audit};
use crate::db::{Connection, Result};

/// A job in somebody's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The job.
    pub job: Uuid,
    /// The holder: an id of one claim, not of a replica.
    pub owner: Uuid,
}

/// How many jobs of a kind to claim at most.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The kind.
    pub kind: &'static str,
    /// How many.
    pub limit: i32,
}

/// Claims jobs that are due, and such whose holder let the lease expire, for
/// `lease`. `owner` must be an id that was never used before.
///
/// # Errors
///
/// The database's.
pub async fn claim(
    mut conn: &Connection,
    owner: Uuid,
    wanted: &[Wanted],
    lease: Duration,
) -> Result<Vec<Job>> {
    // An expired lease comes first: it has waited longest. Of the rest everybody's
    // first comes before anybody's second. It may lock a row more than it takes,
    // which another replica then finds at its next look.
    let sql = format!(
        "WITH found AS MATERIALIZED (
            SELECT w.kind, w.free, f.* FROM unnest($2, $3) AS w (kind, free)
            CROSS JOIN LATERAL (
                (SELECT id, run_at, -1 AS turn FROM tributary.jobs
                 WHERE kind = w.kind AND state = 'running' AND lease_until < now()
                 ORDER BY lease_until LIMIT w.free FOR UPDATE SKIP LOCKED)
            ) f
            UNION ALL
            SELECT w.kind, w.free, f.* FROM unnest($2, $3) AS w (kind, free)
            CROSS JOIN LATERAL (
                (SELECT id, run_at, turn FROM tributary.jobs
                 WHERE kind = w.kind AND state IN ('queued', 'waiting') AND run_at <= now()
                 ORDER BY turn, run_at, id LIMIT w.free FOR UPDATE SKIP LOCKED)
            ) f
        ), picked AS (
            SELECT id FROM (
                SELECT id, free, row_number() OVER (PARTITION BY kind ORDER BY turn, run_at, id) AS n
                FROM found
            ) ranked WHERE n <= free
        ), j AS (
            UPDATE tributary.jobs j SET
                attempts = attempts + (state = 'running')::integer,
                error = CASE WHEN state = 'running' THEN 'the lease expired' ELSE error END,
                state = 'running',
                started_at = coalesce(started_at, now()),
                lease_owner = $1,
                lease_until = now() + make_interval(secs => $4)
            WHERE id IN (SELECT id FROM picked)
            RETURNING j.*
        ), noted AS (
            {noted} WHERE j.started_at = now()
        )
        SELECT {COLUMNS} FROM j ORDER BY j.turn, j.run_at, j.id",
        noted = audit("job.start", "'ok'", "'{}'::jsonb")
    );
    diesel::sql_query(sql)
        .bind::<SqlUuid, _>(owner)
        .bind::<Array<Text>, _>(wanted.iter().map(|w| w.kind).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(wanted.iter().map(|w| w.limit).collect::<Vec<_>>())
        .bind::<Double, _>(lease.as_secs_f64())
        .load(&mut conn)
        .await
}

/// Holds on for another `lease`. False when the lease is lost.
///
/// # Errors
///
/// The database's.
pub async fn renew(mut conn: &Connection, held: Held, lease: Duration) -> Result<bool> {
    let rows = diesel::sql_query(
        "UPDATE tributary.jobs SET lease_until = now() + make_interval(secs => $3)
         WHERE id = $1 AND lease_owner = $2 AND state = 'running'",
    )
    .bind::<SqlUuid, _>(held.job)
    .bind::<SqlUuid, _>(held.owner)
    .bind::<Double, _>(lease.as_secs_f64())
    .execute(&mut conn)
    .await?;
    Ok(rows == 1)
}

/// Notes how far the job is, in the transaction that did the step, and forgets
/// the failures before it. False when the lease is lost: then the step is
/// somebody else's, and the caller must roll back.
///
/// Until that transaction ends nobody can take the job over or cancel it.
///
/// # Errors
///
/// The database's.
pub async fn progress(mut conn: &Connection, held: Held, progress: &Value) -> Result<bool> {
    let rows = diesel::sql_query(
        "UPDATE tributary.jobs SET progress = $3, attempts = 0
         WHERE id = $1 AND lease_owner = $2 AND state = 'running'",
    )
    .bind::<SqlUuid, _>(held.job)
    .bind::<SqlUuid, _>(held.owner)
    .bind::<Jsonb, _>(progress)
    .execute(&mut conn)
    .await?;
    Ok(rows == 1)
}

/// Lets go of a job that is not through, so that another replica goes on with
/// it at once. False when the lease was lost already.
///
/// # Errors
///
/// The database's.
pub async fn release(mut conn: &Connection, held: Held) -> Result<bool> {
    let rows = diesel::sql_query(
        "UPDATE tributary.jobs SET state = 'queued', lease_owner = NULL, lease_until = NULL
         WHERE id = $1 AND lease_owner = $2 AND state = 'running'",
    )
    .bind::<SqlUuid, _>(held.job)
    .bind::<SqlUuid, _>(held.owner)
    .execute(&mut conn)
    .await?;
    Ok(rows == 1)
}
