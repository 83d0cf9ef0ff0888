//! `tributary.jobs`: work that survives a crash.
//!
//! A job is queued, claimed under a lease and ended by the one who holds it. A
//! holder is known by an id that is new at every claim, so that whoever lost a
//! lease cannot touch the job any more, not even when the same program has
//! claimed it again. Times are the database's: replicas need not agree on one.

mod end;
mod enqueue;
mod lease;
mod read;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    deserialize::{self, FromSql, FromSqlRow},
    pg::{Pg, PgValue},
    sql_types::{Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use self::{
    end::{End, Ended, call_off, cancel, end, hurry, wait},
    enqueue::{Enqueued, NewJob, enqueue, enqueue_shared},
    lease::{Held, Wanted, claim, progress, release, renew},
    read::{Filter, get, list},
};

/// A row of `tributary.jobs`.
#[derive(Debug, Clone, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub struct Job {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// What is to be done.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// What it is to be done to; one job of a kind and key is active at a time.
    #[diesel(sql_type = Text)]
    pub key: String,
    /// How it is to be done, an object.
    #[diesel(sql_type = Jsonb)]
    pub payload: Value,
    /// How far it is, as of its last committed step.
    #[diesel(sql_type = Jsonb)]
    pub progress: Value,
    /// Where it stands.
    #[diesel(sql_type = Text)]
    pub state: JobState,
    /// Asked for again while it ran: it will go once more from the start.
    #[diesel(sql_type = Bool)]
    pub again: bool,
    /// When it is due.
    #[diesel(sql_type = Timestamptz)]
    pub run_at: DateTime<Utc>,
    /// Tries in a row that failed, or whose replica went away, without a step
    /// of progress between them.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// Why it ended, in a word.
    #[diesel(sql_type = Nullable<Text>)]
    pub reason: Option<String>,
    /// Why the last try failed, in words.
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
    /// When it was asked for first.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// When this run was first claimed.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done, failed or cancelled.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
}

/// Where a job stands. The first three are active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, FromSqlRow)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// To be done.
    Queued,
    /// Somebody holds its lease.
    Running,
    /// To be tried again later.
    Waiting,
    /// Ended well.
    Done,
    /// Given up.
    Failed,
    /// Called off.
    Cancelled,
}

impl JobState {
    const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Its name in the database and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromSql<Text, Pg> for JobState {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let name = std::str::from_utf8(value.as_bytes())?;
        let state = Self::ALL.into_iter().find(|state| state.as_str() == name);
        state.ok_or_else(|| format!("no job state: {name}").into())
    }
}

/// The columns of [`Job`] in a statement that calls the table `j`.
const COLUMNS: &str = "j.id, j.kind, j.key, j.payload, j.progress, j.state, j.again, j.run_at, \
     j.attempts, j.reason, j.error, j.created_at, j.started_at, j.finished_at";

/// Writes an audit row for each of the jobs `j`.
fn audit(action: &str, outcome: &str, details: &str) -> String {
    format!(
        "INSERT INTO tributary.audit (id, at, actor, action, target, outcome, details)
         SELECT tributary.uuid_v7(), now(), 'tributary', '{action}', j.id::text, {outcome},
                jsonb_build_object('kind', j.kind, 'key', j.key) || {details}
         FROM j"
    )
}
