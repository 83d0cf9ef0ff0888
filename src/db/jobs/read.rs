//! Looking at jobs.

use diesel::{
    OptionalExtension as _,
    sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{COLUMNS, Job, JobState};
use crate::db::{Connection, Result};

/// Which jobs to list; `None` is any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Of this kind.
    pub kind: Option<&'a str>,
    /// Of this key.
    pub key: Option<&'a str>,
    /// In this state.
    pub state: Option<JobState>,
    /// Older than this one, for the next page.
    pub before: Option<Uuid>,
}

/// One job.
///
/// # Errors
///
/// The database's.
pub async fn get(mut conn: &Connection, id: Uuid) -> Result<Option<Job>> {
    diesel::sql_query(format!(
        "SELECT {COLUMNS} FROM tributary.jobs j WHERE j.id = $1"
    ))
    .bind::<SqlUuid, _>(id)
    .get_result(&mut conn)
    .await
    .optional()
}

/// At most `limit` jobs, the newest first.
///
/// # Errors
///
/// The database's.
pub async fn list(mut conn: &Connection, filter: Filter<'_>, limit: i64) -> Result<Vec<Job>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tributary.jobs j
         WHERE ($1 IS NULL OR j.kind = $1) AND ($2 IS NULL OR j.key = $2)
           AND ($3 IS NULL OR j.state = $3) AND ($4 IS NULL OR j.id < $4)
         ORDER BY j.id DESC LIMIT $5"
    );
    diesel::sql_query(sql)
        .bind::<Nullable<Text>, _>(filter.kind)
        .bind::<Nullable<Text>, _>(filter.key)
        .bind::<Nullable<Text>, _>(filter.state.map(JobState::as_str))
        .bind::<Nullable<SqlUuid>, _>(filter.before)
        .bind::<BigInt, _>(limit)
        .load(&mut conn)
        .await
}
