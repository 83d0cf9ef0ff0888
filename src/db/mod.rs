//! The database: the only room that knows diesel.

pub mod jobs;
mod pool;

pub use self::pool::{Conn, Pool, migrate, pool};

/// What a statement answers.
pub type Result<T> = diesel::QueryResult<T>;
/// Why a statement failed.
pub use diesel::result::Error;
