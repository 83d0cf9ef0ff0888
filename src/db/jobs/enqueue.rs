//! Asking for work.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    QueryableByName,
    sql_types::{Array, Jsonb, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    db::{Connection, Result},
    model::new_id,
};

/// Work to be done.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What is to be done.
    pub kind: &'static str,
    /// What it is to be done to.
    pub key: String,
    /// How it is to be done.
    pub payload: Map<String, Value>,
}

/// The job that does what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id.
    pub id: Uuid,
    /// Whether it is new; otherwise one was active already.
    pub created: bool,
}

/// Asks for `jobs`; the answers are in their order.
///
/// One that is active already is widened instead: of a number, a truth or a
/// null in both payloads the greatest stays (null < number, false < true), and
/// anything else is as the newest asker says. If it runs already, it goes once
/// more from the start when it is through.
///
/// # Errors
///
/// The database's.
pub async fn enqueue(conn: &Connection, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    enqueue_shared(conn, jobs, &BTreeMap::new()).await
}

/// As [`enqueue()`], for work that is somebody's: `shares` says whose, by key. Of each
/// kind everybody's first job is done before anybody's second, in the order given.
///
/// # Errors
///
/// The database's.
pub async fn enqueue_shared(
    conn: &Connection,
    jobs: &[NewJob],
    shares: &BTreeMap<String, String>,
) -> Result<Vec<Enqueued>> {
    let mut answers = HashMap::new();
    let mut rest: Vec<_> = jobs.iter().enumerate().collect();
    // One statement cannot touch a row twice, so repetitions take a turn each.
    while !rest.is_empty() {
        let mut turn = HashMap::new();
        rest.retain(|&(at, job)| {
            let taken = turn.contains_key(&(job.kind, job.key.as_str()));
            turn.entry((job.kind, job.key.as_str()))
                .or_insert((at, job));
            taken
        });
        let mut turn: Vec<_> = turn.into_values().collect();
        turn.sort_unstable_by_key(|(at, _)| *at);
        let (positions, turn): (Vec<_>, Vec<_>) = turn.into_iter().unzip();
        answers.extend(
            positions
                .into_iter()
                .zip(upsert(conn, &turn, shares).await?),
        );
    }
    Ok((0..jobs.len())
        .filter_map(|at| answers.remove(&at))
        .collect())
}

// In the order of the index, so that two askers never wait for each other.
const UPSERT: &str = "
    INSERT INTO tributary.jobs AS j (id, kind, key, payload, share, turn)
    SELECT id, kind, key, payload, share,
           CASE WHEN share = '' THEN 0 ELSE before.count + rank() OVER (PARTITION BY kind, share ORDER BY position) - 1 END
    FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS asked (id, kind, key, payload, share, position)
    CROSS JOIN LATERAL (
        SELECT count(*) FROM tributary.jobs a
        WHERE a.kind = asked.kind AND a.share = asked.share AND asked.share <> ''
          AND a.state IN ('queued', 'running', 'waiting')) AS before
    ORDER BY kind, key
    ON CONFLICT (kind, key) WHERE state IN ('queued', 'running', 'waiting') DO UPDATE SET
        again = j.again OR j.state = 'running',
        turn = least(j.turn, excluded.turn),
        payload = j.payload || excluded.payload || coalesce((
            SELECT jsonb_object_agg(o.key, greatest(o.value, n.value))
            FROM jsonb_each(j.payload) o JOIN jsonb_each(excluded.payload) n ON n.key = o.key
            WHERE jsonb_typeof(o.value) IN ('number', 'boolean', 'null')
              AND jsonb_typeof(n.value) IN ('number', 'boolean', 'null')
        ), '{}')
    RETURNING j.id, j.kind, j.key";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    key: String,
}

async fn upsert(
    mut conn: &Connection,
    jobs: &[&NewJob],
    shares: &BTreeMap<String, String>,
) -> Result<Vec<Enqueued>> {
    let share = |job: &&NewJob| shares.get(&job.key).map_or("", String::as_str);
    let ids: Vec<Uuid> = jobs.iter().map(|_| new_id()).collect();
    let rows: Vec<Row> = diesel::sql_query(UPSERT)
        .bind::<Array<SqlUuid>, _>(&ids)
        .bind::<Array<Text>, _>(jobs.iter().map(|job| job.kind).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(jobs.iter().map(|job| &job.key).collect::<Vec<_>>())
        .bind::<Array<Jsonb>, _>(
            jobs.iter()
                .map(|job| Value::Object(job.payload.clone()))
                .collect::<Vec<_>>(),
        )
        .bind::<Array<Text>, _>(jobs.iter().map(share).collect::<Vec<_>>())
        .load(&mut conn)
        .await?;
    let found: HashMap<_, _> = rows
        .iter()
        .map(|row| ((row.kind.as_str(), row.key.as_str()), row.id))
        .collect();
    let answers = jobs.iter().zip(ids).filter_map(|(job, new)| {
        let id = *found.get(&(job.kind, job.key.as_str()))?;
        Some(Enqueued {
            id,
            created: id == new,
        })
    });
    Ok(answers.collect())
}
