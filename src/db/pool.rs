//! Connections: a deadpool of diesel-async connections.

use std::time::Duration;

use deadpool::Runtime;
use diesel_async::{
    AsyncPgConnection, RunQueryDsl as _,
    pooled_connection::{
        AsyncDieselConnectionManager, PoolError,
        deadpool::{Hook, HookError, Object, Pool},
    },
};
use futures_util::FutureExt as _;
use secrecy::{ExposeSecret as _, SecretString};

/// One connection, as every function of this room takes it.
pub type Connection = AsyncPgConnection;

/// How long a caller waits for a connection before the database counts as down.
const WAIT: Duration = Duration::from_secs(5);

/// What every connection is told once. A plan made while a table was small must
/// not be kept when it has grown, and no statement may hold its locks for ever.
const SETUP: &str = "SET plan_cache_mode = force_custom_plan; SET statement_timeout = '30s'; \
                     SET idle_in_transaction_session_timeout = '60s'; SET timezone = 'UTC'";

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connection>,
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

impl Database {
    /// A pool of at most `size` connections to `url`; connects when first used.
    ///
    /// # Errors
    ///
    /// When the pool cannot be built.
    pub fn new(url: &SecretString, size: usize) -> anyhow::Result<Self> {
        let manager = AsyncDieselConnectionManager::<Connection>::new(url.expose_secret());
        let pool = Pool::builder(manager)
            .runtime(Runtime::Tokio1)
            .max_size(size)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .recycle_timeout(Some(WAIT))
            .post_create(Hook::async_fn(|conn: &mut Connection, _| {
                setup(conn).boxed()
            }))
            .build()?;
        Ok(Self { pool })
    }

    /// A connection from the pool.
    ///
    /// # Errors
    ///
    /// When there is none within five seconds.
    pub async fn get(&self) -> Result<Object<Connection>, Error> {
        self.pool
            .get()
            .await
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

async fn setup(conn: &mut Connection) -> Result<(), HookError> {
    diesel_async::SimpleAsyncConnection::batch_execute(conn, SETUP)
        .await
        .map_err(|error| HookError::message(error.to_string()))
}
