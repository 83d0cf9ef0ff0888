//! Deletes what has been kept long enough, a batch at a time, the oldest first.
//!
//! Each function is one short transaction and returns how many rows it took. Rows that
//! somebody else holds are passed over: replicas share the work, and nobody waits for it.
//! Frames go with their viewers' positions ([`stream::prune`](super::stream::prune)).

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, sql_query,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::RunQueryDsl as _;

use super::Connection;

/// What has an age and goes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Who did what: rows of `audit`.
    Audit,
    /// The ledger's. The newest stays, which says when the homeserver last pushed.
    Transactions,
    /// Jobs that are done, other than backfills.
    JobsDone,
    /// Jobs that were given up or called off, other than backfills.
    JobsFailed,
    /// Backfills that have ended, of rooms that nobody sees any more: of the others a
    /// connection's status tells.
    Backfills,
    /// Link codes, by when they expired; the connections stay.
    LinkCodes,
    /// Wrong link codes.
    LinkAttempts,
    /// The companion's reports.
    ReportAttempts,
    /// Hashes of OpenID tokens, by when those expired.
    OpenIdTokens,
    /// Receipts of erasures that are through.
    Erasures,
}

impl Kept {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Audit,
        Self::Transactions,
        Self::JobsDone,
        Self::JobsFailed,
        Self::Backfills,
        Self::LinkCodes,
        Self::LinkAttempts,
        Self::ReportAttempts,
        Self::OpenIdTokens,
        Self::Erasures,
    ];

    /// What it is called in a log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Transactions => "transactions",
            Self::JobsDone => "jobs_done",
            Self::JobsFailed => "jobs_failed",
            Self::Backfills => "backfills",
            Self::LinkCodes => "link_codes",
            Self::LinkAttempts => "link_attempts",
            Self::ReportAttempts => "report_attempts",
            Self::OpenIdTokens => "openid_tokens",
            Self::Erasures => "erasures",
        }
    }

    /// Takes those from before `$1`, at most `$2`.
    fn statement(self) -> &'static str {
        match self {
            Self::Audit => {
                "DELETE FROM tributary.audit WHERE id IN (
                     SELECT id FROM tributary.audit WHERE at < $1 ORDER BY at, id
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            // By place: of a key of two columns the planner makes a join with all of the table.
            Self::Transactions => {
                "DELETE FROM tributary.transactions WHERE ctid = ANY(ARRAY(
                     SELECT ctid FROM tributary.transactions
                     WHERE received_at < $1
                       AND received_at < (SELECT max(received_at) FROM tributary.transactions)
                     ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
            }
            Self::JobsDone => {
                "DELETE FROM tributary.jobs WHERE id IN (
                     SELECT id FROM tributary.jobs
                     WHERE finished_at < $1 AND kind <> 'backfill' AND state = 'done'
                     ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::JobsFailed => {
                "DELETE FROM tributary.jobs WHERE id IN (
                     SELECT id FROM tributary.jobs
                     WHERE finished_at < $1 AND kind <> 'backfill' AND state IN ('failed', 'cancelled')
                     ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::Backfills => {
                "DELETE FROM tributary.jobs WHERE id IN (
                     SELECT j.id FROM tributary.jobs j
                     WHERE j.finished_at < $1 AND j.kind = 'backfill' AND j.created_at < $1
                       AND NOT EXISTS (SELECT 1 FROM tributary.room_grants g
                                       WHERE g.room_id = j.key AND g.until_at IS NULL)
                     ORDER BY j.created_at LIMIT $2 FOR UPDATE OF j SKIP LOCKED)"
            }
            Self::LinkCodes => {
                "UPDATE tributary.messenger_connections
                 SET link_code_hash = NULL, link_code_expires_at = NULL
                 WHERE id IN (
                     SELECT id FROM tributary.messenger_connections
                     WHERE link_code_hash IS NOT NULL AND link_code_expires_at < $1
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::LinkAttempts => {
                "DELETE FROM tributary.link_attempts WHERE id IN (
                     SELECT id FROM tributary.link_attempts WHERE attempted_at < $1
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::ReportAttempts => {
                "DELETE FROM tributary.report_attempts WHERE id IN (
                     SELECT id FROM tributary.report_attempts WHERE attempted_at < $1
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::OpenIdTokens => {
                "DELETE FROM tributary.used_openid_tokens WHERE token_hash IN (
                     SELECT token_hash FROM tributary.used_openid_tokens WHERE expires_at < $1
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::Erasures => {
                "DELETE FROM tributary.erasures WHERE id IN (
                     SELECT id FROM tributary.erasures WHERE finished_at < $1
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
        }
    }
}

/// Takes up to `limit` rows from before a time.
///
/// # Errors
///
/// When the statement fails.
pub async fn take(
    mut conn: &Connection,
    kept: Kept,
    before: DateTime<Utc>,
    limit: i64,
) -> QueryResult<usize> {
    sql_query(kept.statement())
        .bind::<Timestamptz, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(&mut conn)
        .await
}
