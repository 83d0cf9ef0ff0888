//! Connections.

use std::time::Duration;

use anyhow::Context as _;
use diesel_async::{
    AsyncConnection as _, AsyncMigrationHarness, AsyncPgConnection,
    pooled_connection::{AsyncDieselConnectionManager, deadpool},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use secrecy::{ExposeSecret as _, SecretString};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// How long to wait for a connection before the database counts as down.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One connection.
pub type Conn = AsyncPgConnection;
/// The pool of connections. Cheap to clone.
pub type Pool = deadpool::Pool<Conn>;

/// A pool of at most `size` connections, which opens none yet.
///
/// # Errors
///
/// When `size` is 0.
pub fn pool(url: &SecretString, size: usize) -> anyhow::Result<Pool> {
    let manager = AsyncDieselConnectionManager::<Conn>::new(url.expose_secret());
    deadpool::Pool::builder(manager)
        .runtime(::deadpool::Runtime::Tokio1)
        .max_size(size)
        .timeouts(::deadpool::managed::Timeouts {
            wait: Some(TIMEOUT),
            create: Some(TIMEOUT),
            recycle: Some(TIMEOUT),
        })
        .build()
        .context("the database pool cannot be made")
}

/// Applies the pending migrations. Needs a multi-threaded runtime.
///
/// # Errors
///
/// When the database cannot be reached or refuses a migration.
pub async fn migrate(url: &SecretString) -> anyhow::Result<()> {
    let conn = Conn::establish(url.expose_secret()).await?;
    let applied = AsyncMigrationHarness::new(conn)
        .run_pending_migrations(MIGRATIONS)
        .map(drop);
    applied.map_err(anyhow::Error::from_boxed)
}
