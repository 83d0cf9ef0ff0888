//! Connections: a deadpool of diesel-async connections.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use deadpool::{Runtime, managed::Metrics};
use diesel::{connection::CacheSize, result::DatabaseErrorKind};
use diesel_async::{
    AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, TransactionManager as _,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, PoolError, RecyclingMethod,
        deadpool::{Hook, HookError, Object, Pool},
    },
};
use futures_util::FutureExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::rooms;

/// What Postgres says when it is going, coming, or busy.
const PASSING: [&str; 6] = [
    "terminating connection",
    "the database system is",
    "not currently accepting connections",
    TIMEOUT,
    "canceling statement due to conflict with recovery",
    DEADLOCK,
];

/// What Postgres says to a statement that took longer than it may.
const TIMEOUT: &str = "canceling statement due to statement timeout";

/// What Postgres says to the one of two transactions that gives way.
const DEADLOCK: &str = "deadlock detected";

/// One connection, as every function of this room takes it.
pub type Connection = AsyncPgConnection;

/// How long a caller waits for a connection before the database counts as down.
const WAIT: Duration = Duration::from_secs(5);

/// A connection that has not been used for so long is asked whether it still is one.
const IDLE: Duration = Duration::from_secs(1);

/// What every connection is told once. A plan made while a table was small must
/// not be kept when it has grown, no statement may hold its locks for ever, and no
/// statement here runs long enough to be worth compiling.
const SETUP: &str = "SET plan_cache_mode = force_custom_plan; SET jit = off; SET statement_timeout = '30s'; \
                     SET idle_in_transaction_session_timeout = '60s'; SET timezone = 'UTC'";

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connection>,
}

/// A connection of the pool, to which it goes back.
pub struct Pooled(Option<Object<Connection>>);

/// A transaction that was given up half-way, because a caller hung up, must not go
/// back: idle in the pool it would keep its locks until somebody takes it out.
impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(mut conn) = self.0.take()
            && TransactionManager::is_broken_transaction_manager(&mut *conn)
        {
            drop(Object::take(conn));
        }
    }
}

type TransactionManager = <Connection as diesel_async::AsyncConnection>::TransactionManager;

const TAKEN: &str = "only dropping takes it";

impl Deref for Pooled {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "it is there until it is dropped")]
    fn deref(&self) -> &Connection {
        self.0.as_ref().expect(TAKEN)
    }
}

impl DerefMut for Pooled {
    #[expect(clippy::expect_used, reason = "it is there until it is dropped")]
    fn deref_mut(&mut self) -> &mut Connection {
        self.0.as_mut().expect(TAKEN)
    }
}

/// The database could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection was to be had.
    #[error("no connection to the database: {0}")]
    Pool(#[from] PoolError),
    /// No connection in time.
    #[error("no connection to the database: {0}")]
    Connect(String),
    /// A statement failed.
    #[error("a statement failed: {0}")]
    Query(#[from] diesel::result::Error),
}

impl Error {
    /// Whether the database was not there, so that the same may work later; and
    /// not that it refused a statement.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Pool(_) | Self::Connect(_) => true,
            Self::Query(error) => is_passing(error),
        }
    }
}

impl Error {
    /// Whether Postgres has broken the transaction off because it and another one
    /// waited for each other: begun again at once it works.
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        self.says(DEADLOCK)
    }

    /// Whether a statement took longer than it may.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.says(TIMEOUT)
    }

    fn says(&self, words: &str) -> bool {
        matches!(self, Self::Query(diesel::result::Error::DatabaseError(_, said))
            if said.message().contains(words))
    }
}

/// diesel keeps no SQLSTATE: what the server said while it went away is known by
/// its words, and a connection that is gone by the kind.
fn is_passing(error: &diesel::result::Error) -> bool {
    match error {
        diesel::result::Error::BrokenTransactionManager => true,
        diesel::result::Error::DatabaseError(kind, said) => {
            matches!(
                kind,
                DatabaseErrorKind::ClosedConnection
                    | DatabaseErrorKind::UnableToSendCommand
                    | DatabaseErrorKind::ReadOnlyTransaction
                    | DatabaseErrorKind::SerializationFailure
            ) || PASSING.iter().any(|words| said.message().contains(words))
        }
        diesel::result::Error::RollbackErrorOnCommit { commit_error, .. } => {
            is_passing(commit_error)
        }
        _ => false,
    }
}

impl Database {
    /// A pool of at most `size` connections to `url`; connects when first used.
    ///
    /// # Errors
    ///
    /// When the pool cannot be built.
    pub fn new(url: &SecretString, size: usize) -> anyhow::Result<Self> {
        Self::with_statements(url, size, CacheSize::Unbounded)
    }

    /// The same through a transaction pooler, where the next transaction finds
    /// another session, without the statements that the last one has prepared.
    ///
    /// # Errors
    ///
    /// When the pool cannot be built.
    pub fn behind_pooler(url: &SecretString, size: usize) -> anyhow::Result<Self> {
        Self::with_statements(url, size, CacheSize::Disabled)
    }

    fn with_statements(url: &SecretString, size: usize, kept: CacheSize) -> anyhow::Result<Self> {
        let mut config = ManagerConfig::<Connection>::default();
        config.recycling_method = RecyclingMethod::Fast;
        let manager = AsyncDieselConnectionManager::new_with_config(url.expose_secret(), config);
        let pool = Pool::builder(manager)
            .runtime(Runtime::Tokio1)
            .max_size(size)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .recycle_timeout(Some(WAIT))
            .post_create(Hook::async_fn(move |conn: &mut Connection, _| {
                conn.set_prepared_statement_cache_size(kept);
                setup(conn).boxed()
            }))
            .pre_recycle(Hook::async_fn(|conn: &mut Connection, metrics| {
                verify_idle(conn, metrics).boxed()
            }))
            .build()?;
        Ok(Self { pool })
    }

    /// A connection from the pool.
    ///
    /// # Errors
    ///
    /// When there is none within five seconds.
    pub async fn get(&self) -> Result<Pooled, Error> {
        let got = self.pool.get().await;
        got.map(|conn| Pooled(Some(conn)))
            .map_err(|error| Error::Connect(error.to_string()))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let mut conn = self.get().await?;
        diesel::sql_query("SELECT 1").execute(&mut conn).await?;
        Ok(())
    }

    /// Closes every connection; later calls fail.
    pub fn close(&self) {
        self.pool.close();
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("pool", &self.pool.status())
            .finish()
    }
}

/// A connection that was closed is never given out again; one whose peer went away
/// without a word is found out by asking, which a busy one need not be.
async fn verify_idle(conn: &mut Connection, metrics: &Metrics) -> Result<(), HookError> {
    if metrics.last_used() < IDLE {
        return Ok(());
    }
    let asked = diesel::sql_query("SELECT 1").execute(conn);
    match tokio::time::timeout(WAIT, asked).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(HookError::message(error.to_string())),
        Err(_) => Err(HookError::message("no answer")),
    }
}

async fn setup(conn: &mut Connection) -> Result<(), HookError> {
    let set_up = async {
        diesel_async::SimpleAsyncConnection::batch_execute(conn, SETUP).await?;
        rooms::prepare_lock(conn).await
    };
    set_up
        .await
        .map_err(|error: diesel::result::Error| HookError::message(error.to_string()))
}
