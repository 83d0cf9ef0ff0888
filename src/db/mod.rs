//! The database: the only room that knows diesel. It speaks SQL and decides nothing.
//!
//! Writes are set-based: a function takes the facts of a whole batch as arrays,
//! so that the number of statements does not depend on the number of events.
//! Every table is named with its schema, since behind a transaction pooler the
//! `search_path` cannot be relied on.
//!
//! A function that takes `&Connection` can be joined with others by
//! `futures_util::future::try_join`, which polls them in their order: the
//! statements go out one behind the other without waiting for answers, and
//! Postgres runs them in that order, each seeing what was committed before it began.

pub mod admin;
pub mod attachments;
pub mod audit;
pub mod backfills;
pub mod backup;
pub mod bridge_logins;
pub mod bridges;
mod connect;
pub mod connection_rooms;
pub mod connections;
pub mod conversations;
pub mod dead_letters;
pub mod embedded;
pub mod ended_sessions;
pub mod erasures;
pub mod former;
pub mod gauges;
pub mod grants;
pub mod health;
pub mod inspect;
pub mod jobs;
pub mod kin;
pub mod ledger;
pub mod link_attempts;
pub mod media;
pub mod members;
pub mod merge;
pub mod messages;
pub mod migrate;
pub mod notify;
pub mod openid_tokens;
pub mod participants;
pub mod plans;
pub mod pool;
mod prepared;
pub mod reactions;
pub mod read;
pub mod receipts;
pub mod reconcile;
pub mod redactions;
pub mod refold;
pub mod report_attempts;
pub mod retention;
pub mod rooms;
pub mod search;
pub mod secrets;
pub mod state;
mod statement;
pub mod stream;
pub mod time;
pub mod transients;
pub mod versions;
pub mod viewers;
pub mod walks;
pub mod webhook_deliveries;

pub use self::{
    connect::{Trouble, Unreachable, reach},
    migrate::migrate,
    pool::{Connection, Database, Error, Occupancy, Pooled, Prepared, commit, is_away},
};

/// Why a statement failed, for the rooms that do not know diesel.
pub use diesel::result::Error as QueryError;

/// What a statement answers.
pub type Result<T> = diesel::QueryResult<T>;
