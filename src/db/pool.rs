//! Connections: a deadpool of diesel-async connections.

use std::{
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use deadpool::{
    Runtime,
    managed::{self, Metrics, Object, Pool, QueueMode, RecycleError, RecycleResult},
};
use diesel::result::DatabaseErrorKind;
use diesel_async::{
    AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _, TransactionManager as _,
    pooled_connection::PoolableConnection as _,
};
use futures_util::FutureExt as _;
use secrecy::SecretString;

#[cfg(doc)]
use super::plans;
use super::{
    connect::{Connector, Trouble},
    plans::STEADY,
    prepared, rooms,
};
use crate::meters::{Timer, meters};

/// What Postgres says when it is going, coming, busy, or full.
const PASSING: [&str; 9] = [
    "terminating connection",
    "the database system is",
    "not currently accepting connections",
    TIMEOUT,
    "canceling statement due to conflict with recovery",
    DEADLOCK,
    "too many connections",
    "remaining connection slots",
    "No space left on device",
];

/// What Postgres says to a statement that took longer than it may.
pub(super) const TIMEOUT: &str = "canceling statement due to statement timeout";

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
    pool: Pool<Manager>,
}

/// How full a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    /// Connections that it may have.
    pub most: usize,
    /// Those that somebody has.
    pub used: usize,
    /// Those that nobody has.
    pub idle: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

/// A connection of the pool, to which it goes back.
pub struct Pooled {
    conn: Option<Object<Manager>>,
    /// Whether a transaction has [begun](Self::begin), of which diesel does not know.
    is_open: AtomicBool,
}

/// A transaction that was given up half-way, because a caller hung up, must not go
/// back: idle in the pool it would keep its locks until somebody takes it out.
impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(mut conn) = self.conn.take()
            && (*self.is_open.get_mut()
                || TransactionManager::is_broken_transaction_manager(&mut conn.conn))
        {
            drop(Object::take(conn));
        }
    }
}

/// That the connection at hand knows the [prepared] statements.
#[derive(Debug, Clone, Copy)]
pub struct Prepared(());

/// Transactions that begin without a round trip of their own: the `BEGIN` goes out before the
/// first statements, together with them. diesel does not know of such a transaction, so
/// nothing that makes a savepoint may be called in it. Until it has ended, whatever drops the
/// connection closes it.
impl Pooled {
    /// Has it know the statements that go out together, if it does not yet. In a transaction
    /// of its own.
    ///
    /// # Errors
    ///
    /// When a statement fails; the connection does not go back to the pool then.
    pub async fn prepare(&mut self) -> diesel::QueryResult<Prepared> {
        let is_prepared = |member: &Object<Manager>| member.is_prepared;
        if !self.conn.as_ref().is_some_and(is_prepared) {
            *self.is_open.get_mut() = true;
            Box::pin(prepared::prepare(self)).await?;
            *self.is_open.get_mut() = false;
            if let Some(member) = &mut self.conn {
                member.is_prepared = true;
            }
        }
        Ok(Prepared(()))
    }

    /// Begins a transaction with [steady](plans::steady) plans. To be joined, as the first, with
    /// the statements that come first: it is not prepared, so none of them overtakes it.
    ///
    /// # Errors
    ///
    /// When the statement fails.
    pub async fn begin(&self) -> diesel::QueryResult<()> {
        self.is_open.store(true, Ordering::Relaxed);
        let mut conn: &Connection = self;
        conn.batch_execute(&format!("BEGIN; {STEADY}")).await
    }

    /// Commits.
    ///
    /// # Errors
    ///
    /// When the statement fails: whether anything was committed is not known then.
    pub async fn commit(&self) -> diesel::QueryResult<()> {
        commit(self).await?;
        self.is_open.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// That the transaction has been ended by [`commit`].
    pub fn has_ended(&mut self) {
        *self.is_open.get_mut() = false;
    }

    /// Ends a transaction that has only read: says so, and waits for no answer, which nobody
    /// needs. Whatever is asked next comes behind it.
    pub fn leave(&self) {
        let mut conn: &Connection = self;
        // It goes out when it is first asked for its answer.
        let left = conn.batch_execute("COMMIT").now_or_never();
        if !matches!(left, Some(Err(_))) {
            self.is_open.store(false, Ordering::Relaxed);
        }
    }

    /// Takes everything back.
    ///
    /// # Errors
    ///
    /// When the statement fails; the connection does not go back to the pool then.
    pub async fn roll_back(&self) -> diesel::QueryResult<()> {
        let mut conn: &Connection = self;
        conn.batch_execute("ROLLBACK").await?;
        self.is_open.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// Commits a transaction that [began](Pooled::begin) with its statements, and may end with the
/// last of them: joined with those, as the last, if they are among the [prepared] ones. It
/// would overtake another one, which then ran outside. Where one of them fails, this takes
/// everything back without a word: it is done when all of them are.
///
/// # Errors
///
/// When the statement fails: whether anything was committed is not known then.
pub async fn commit(mut conn: &Connection) -> diesel::QueryResult<()> {
    conn.batch_execute("COMMIT").await
}

type TransactionManager = <Connection as diesel_async::AsyncConnection>::TransactionManager;

const TAKEN: &str = "only dropping takes it";

impl Deref for Pooled {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "it is there until it is dropped")]
    fn deref(&self) -> &Connection {
        &self.conn.as_ref().expect(TAKEN).conn
    }
}

impl DerefMut for Pooled {
    #[expect(clippy::expect_used, reason = "it is there until it is dropped")]
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.conn.as_mut().expect(TAKEN).conn
    }
}

/// The database could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection was to be had.
    #[error("no connection to the database: {0}")]
    Connect(Trouble),
    /// A statement failed.
    #[error("a statement failed: {0}")]
    Query(#[from] diesel::result::Error),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self::Connect(trouble)
    }
}

impl Error {
    /// Whether the database was not there, so that the same may work later; and
    /// not that it refused a statement.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Connect(_) => true,
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

/// Whether it was for want of the database that something failed, so that the same may work
/// later; and not that anything was refused.
#[must_use]
pub fn is_away(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let trouble = match cause.downcast_ref() {
            Some(Error::Connect(trouble)) => Some(trouble),
            _ => cause.downcast_ref(),
        };
        trouble.is_some_and(Trouble::is_away) || cause.downcast_ref().is_some_and(is_passing)
    })
}

/// The same of a connection that was to be had.
pub(super) fn trouble(error: &diesel::result::Error) -> Trouble {
    if is_passing(error) {
        Trouble::passing(error)
    } else {
        Trouble::lasting(error)
    }
}

/// Whether Postgres says that it is going, coming, busy or full.
pub(super) fn says_that_it_passes(said: &str) -> bool {
    PASSING.iter().any(|words| said.contains(words))
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
            ) || says_that_it_passes(said.message())
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
        let connector = Connector::new(url)?;
        Self::build(connector, size, SETUP)
    }

    /// The same through a transaction pooler, where the next transaction finds
    /// another session, in which statements are prepared each time that they run, and
    /// with the settings of whoever had it before: those are left to the role's.
    ///
    /// # Errors
    ///
    /// When the pool cannot be built.
    pub fn behind_pooler(url: &SecretString, size: usize) -> anyhow::Result<Self> {
        let connector = Connector::through_pooler(url)?;
        Self::build(connector, size, "")
    }

    fn build(connector: Connector, size: usize, settings: &'static str) -> anyhow::Result<Self> {
        let manager = Manager {
            connector,
            settings,
        };
        let pool = Pool::builder(manager)
            .runtime(Runtime::Tokio1)
            .max_size(size)
            // The one that was used last knows the statements, and need not be asked whether it lives.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .recycle_timeout(Some(WAIT))
            .build()?;
        Ok(Self { pool })
    }

    /// A connection from the pool.
    ///
    /// # Errors
    ///
    /// When there is none within five seconds.
    pub async fn get(&self) -> Result<Pooled, Error> {
        let timer = Timer::new(&meters().database_wait_seconds);
        let got = Box::pin(self.pool.get()).await;
        drop(timer);
        let pooled = |conn| Pooled {
            conn: Some(conn),
            is_open: AtomicBool::new(false),
        };
        got.map(pooled).map_err(|error| {
            meters().database_unavailable.increment(1);
            let reason = error.to_string();
            Error::Connect(match error {
                managed::PoolError::Timeout(_) => Trouble::passing(reason),
                managed::PoolError::Backend(trouble) if trouble.is_away() => {
                    Trouble::passing(reason)
                }
                _ => Trouble::lasting(reason),
            })
        })
    }

    /// How the pool is.
    #[must_use]
    pub fn pool(&self) -> Occupancy {
        let status = self.pool.status();
        Occupancy {
            most: status.max_size,
            used: status.size.saturating_sub(status.available),
            idle: status.available,
            waiting: status.waiting,
        }
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

    /// Whether a statement that runs for ever would be ended: behind a pooler that is up to
    /// the role's settings.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn has_statement_timeout(&self) -> Result<bool, Error> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Bool)]
            is_set: bool,
        }
        let mut conn = self.get().await?;
        let asked = "SELECT current_setting('statement_timeout') <> '0' AS is_set";
        let row: Row = diesel::sql_query(asked).get_result(&mut conn).await?;
        Ok(row.is_set)
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

/// Makes connections, and looks at them before they are used again.
#[derive(Debug)]
struct Manager {
    connector: Connector,
    settings: &'static str,
}

/// A connection, and what it has been told.
struct Member {
    conn: Connection,
    /// Whether it knows the [prepared] statements.
    is_prepared: bool,
}

impl managed::Manager for Manager {
    type Type = Member;
    type Error = Trouble;

    async fn create(&self) -> Result<Member, Trouble> {
        let mut conn = self.connector.connect().await?;
        let set_up = async {
            conn.batch_execute(self.settings).await?;
            rooms::prepare_lock(&conn).await
        };
        set_up.await.map_err(|error| trouble(&error))?;
        Ok(Member {
            conn,
            is_prepared: false,
        })
    }

    /// A connection that was closed is never given out again; one whose peer went away
    /// without a word is found out by asking, which a busy one need not be.
    async fn recycle(&self, member: &mut Member, metrics: &Metrics) -> RecycleResult<Trouble> {
        if std::thread::panicking() || member.conn.is_broken() {
            return Err(RecycleError::message("it is broken"));
        }
        if metrics.last_used() < IDLE {
            return Ok(());
        }
        let asked = diesel::sql_query("SELECT 1").execute(&mut member.conn);
        match tokio::time::timeout(WAIT, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(RecycleError::message(error.to_string())),
            Err(_) => Err(RecycleError::message("no answer")),
        }
    }
}
