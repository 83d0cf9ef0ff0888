//! Migrations, embedded in the program and applied under a lock.

use std::time::Duration;

use anyhow::Context as _;
use diesel::migration::MigrationSource;
use diesel_async::{
    AsyncMigrationHarness, RunQueryDsl as _, pooled_connection::PoolableConnection as _,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use secrecy::SecretString;
use tokio_postgres::config::Host;

use super::{
    Connection,
    connect::{Connector, Trouble},
    pool,
};
use crate::config::postgres_url::PostgresUrl;

/// Every migration, in order.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Held while migrating, so that two replicas that start at once take turns ("trib").
const LOCK: i64 = 0x7472_6962;

/// How long a migration waits for a lock: whoever wants the same table queues behind it.
const LOCK_PATIENCE: &str = "2s";
/// How often one is tried, with [`PAUSE`] in between, in which others get their turn.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_secs(1);
/// How often whoever migrates is asked whether they are through.
const TURN: Duration = Duration::from_millis(100);

/// The lock of those who migrate, and LISTEN, would be some session's of the pooler's, for ever.
#[derive(Debug, thiserror::Error)]
#[error(
    "it leads through a transaction pooler, where no session is one's own: give a URL around the \
     pooler in database.direct_url, for migrations and LISTEN, and leave the pooler's in database.url"
)]
struct Pooled;

/// Applies what is pending; returns the versions applied.
///
/// Needs a multi-threaded runtime: diesel-async's harness blocks its thread.
///
/// # Errors
///
/// When the database is unreachable or a migration fails; what a failed one did is rolled back.
pub async fn migrate(url: &SecretString) -> anyhow::Result<Vec<String>> {
    let connector = Connector::new(url)?;
    let unreachable = || format!("could not connect to the database{}", place(url));
    let has_own_sessions = connector.has_own_sessions().await;
    if !has_own_sessions.with_context(unreachable)? {
        return Err(Pooled.into());
    }
    let mut conn = connector.connect().await.with_context(unreachable)?;
    // How long a role's statements may take is meant for requests, not for an index of all messages.
    diesel::sql_query("SET statement_timeout = 0")
        .execute(&mut conn)
        .await?;
    take_turn(&mut conn).await?;
    // Diesel names its bookkeeping without a schema. A role called `tributary`
    // would look for it in the schema of that name once there is one.
    diesel::sql_query("SET search_path = public")
        .execute(&mut conn)
        .await?;
    drop_unfinished(&mut conn).await?;
    let (applied, mut conn) = run(conn).await.context("could not apply the migrations")?;
    if !applied.is_empty() {
        // Diesel's own table is nobody's business either.
        diesel::sql_query(
            "ALTER TABLE public.__diesel_schema_migrations ENABLE ROW LEVEL SECURITY",
        )
        .execute(&mut conn)
        .await?;
    }
    Ok(applied)
}

/// Waits for the lock of those who migrate. It is the session's: it goes with the
/// connection, however this ends. Whoever waited for it in a statement would be waited for,
/// by an index that the other one builds beside everybody's transactions.
async fn take_turn(conn: &mut Connection) -> anyhow::Result<()> {
    #[derive(diesel::QueryableByName)]
    struct Turn {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        is_ours: bool,
    }
    loop {
        let turn: Turn = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS is_ours")
            .bind::<diesel::sql_types::BigInt, _>(LOCK)
            .get_result(conn)
            .await?;
        if turn.is_ours {
            return Ok(());
        }
        tokio::time::sleep(TURN).await;
    }
}

/// Drops indexes that were being built beside everybody's transactions when the program
/// was killed: Postgres keeps them up to date and does not use them.
async fn drop_unfinished(conn: &mut Connection) -> anyhow::Result<()> {
    #[derive(diesel::QueryableByName)]
    struct Index {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let unfinished: Vec<Index> = diesel::sql_query(
        "SELECT c.oid::regclass::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE NOT i.indisvalid AND c.relnamespace = to_regnamespace('tributary')",
    )
    .load(conn)
    .await?;
    for Index { name } in unfinished {
        tracing::warn!(
            index = name,
            "an index was not finished, and is built again"
        );
        diesel::sql_query(format!("DROP INDEX CONCURRENTLY {name}"))
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Applies what is pending, and waits for others in between.
async fn run(mut conn: Connection) -> anyhow::Result<(Vec<String>, Connection)> {
    let (mut applied, mut tries) = (Vec::new(), 1);
    loop {
        let (next, kept) = work(conn, next_is_in_transaction);
        conn = kept;
        let next = next.map_err(|error| trouble(error.as_ref(), &mut conn))?;
        let Some(is_in_transaction) = next else {
            return Ok((applied, conn));
        };
        let patience = if is_in_transaction {
            LOCK_PATIENCE
        } else {
            // One that broke off just now would be taken for the index that is wanted.
            drop_unfinished(&mut conn).await?;
            // What is in no transaction locks nobody out while it waits.
            "0"
        };
        diesel::sql_query(format!("SET lock_timeout = '{patience}'"))
            .execute(&mut conn)
            .await?;
        let (done, kept) = work(conn, |harness| {
            let version = harness.run_next_migration(MIGRATIONS)?;
            Ok(version.to_string())
        });
        conn = kept;
        match done {
            Ok(version) => applied.push(version),
            Err(error) if tries < TRIES && has_to_wait(error.as_ref()) => {
                tracing::warn!(tries, "a migration waits for a lock that others hold");
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(trouble(error.as_ref(), &mut conn).into()),
        }
    }
}

/// Lets diesel do something with a connection that blocks the thread.
fn work<T>(
    conn: Connection,
    what: impl FnOnce(&mut AsyncMigrationHarness<Connection>) -> diesel::migration::Result<T>,
) -> (diesel::migration::Result<T>, Connection) {
    let mut harness = AsyncMigrationHarness::new(conn);
    (what(&mut harness), harness.into_inner())
}

/// Whether the next migration is applied in a transaction; none when all are applied.
fn next_is_in_transaction(
    harness: &mut AsyncMigrationHarness<Connection>,
) -> diesel::migration::Result<Option<bool>> {
    let next = harness.pending_migrations(MIGRATIONS)?.into_iter().next();
    Ok(next.map(|migration| migration.metadata().run_in_transaction()))
}

/// What Postgres says where there is too little of it for an index that is built in parallel, as a container has
/// by default: that the device, /dev/shm, is full.
const SHARED_MEMORY: &str = "shared memory segment";

/// What went wrong in a migration, of which diesel keeps the words: a connection that was lost
/// meanwhile is known by itself.
fn trouble(error: &(dyn std::error::Error + 'static), conn: &mut Connection) -> Trouble {
    let said = error.to_string();
    // It was tried again often enough, or would do the same work in vain each time.
    let lasts = has_to_wait(error)
        || [pool::TIMEOUT, SHARED_MEMORY]
            .iter()
            .any(|words| said.contains(words));
    if conn.is_broken() || !lasts && pool::says_that_it_passes(&said) {
        Trouble::passing(error)
    } else {
        Trouble::lasting(error)
    }
}

/// Whether others hold what it wants, or wait for what it holds. Diesel tells no SQLSTATE; in
/// another language than English a start fails instead of waiting.
fn has_to_wait(error: &(dyn std::error::Error + 'static)) -> bool {
    let said = error.to_string();
    ["lock timeout", "deadlock detected"]
        .iter()
        .any(|words| said.contains(words))
}

/// Where `url` points, for people: never its user, password or parameters.
pub(super) fn place(url: &SecretString) -> String {
    let Ok(PostgresUrl { server: config, .. }) = PostgresUrl::parse(url) else {
        return String::new();
    };
    let ports = config.get_ports();
    let places: Vec<_> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(i, host)| {
            // One port may stand for all hosts.
            let port = ports.get(i).or(ports.first()).unwrap_or(&5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        })
        .collect();
    if places.is_empty() {
        return String::new();
    }
    format!(" at {}", places.join(", "))
}

/// How far a schema is from the newest one that this program knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The names of the migrations that are still to be applied, in order.
    pub pending: Vec<String>,
    /// The versions that were applied and are not known here: by a newer Tributary.
    pub unknown: Vec<String>,
}

impl Standing {
    /// Whether it is the newest one.
    #[must_use]
    pub fn is_newest(&self) -> bool {
        self.pending.is_empty() && self.unknown.is_empty()
    }
}

/// Compares what was applied with what is known. Changes nothing, also in a database that was
/// never migrated.
///
/// # Errors
///
/// When a statement fails.
pub async fn standing(conn: &mut Connection) -> anyhow::Result<Standing> {
    let known = MigrationSource::<diesel::pg::Pg>::migrations(&MIGRATIONS);
    let known = known.map_err(anyhow::Error::from_boxed)?;
    let known = known.iter().map(|migration| {
        let name = migration.name();
        (name.version().to_string(), name.to_string())
    });
    Ok(compare(known.collect(), &applied(conn).await?))
}

/// The versions that were applied, as far as there is anything.
async fn applied(conn: &mut Connection) -> diesel::QueryResult<Vec<String>> {
    #[derive(diesel::QueryableByName)]
    struct Bookkeeping {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        is_there: bool,
    }
    #[derive(diesel::QueryableByName)]
    struct Applied {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let bookkeeping: Bookkeeping = diesel::sql_query(
        "SELECT to_regclass('public.__diesel_schema_migrations') IS NOT NULL AS is_there",
    )
    .get_result(conn)
    .await?;
    if !bookkeeping.is_there {
        return Ok(Vec::new());
    }
    let applied: Vec<Applied> = diesel::sql_query(
        "SELECT version::text FROM public.__diesel_schema_migrations ORDER BY version",
    )
    .load(conn)
    .await?;
    Ok(applied.into_iter().map(|row| row.version).collect())
}

fn compare(known: Vec<(String, String)>, applied: &[String]) -> Standing {
    let is_known = |version: &&String| known.iter().any(|(of, _)| of == *version);
    let unknown = applied.iter().filter(|version| !is_known(version));
    Standing {
        unknown: unknown.cloned().collect(),
        pending: known
            .into_iter()
            .filter(|(version, _)| !applied.contains(version))
            .map(|(_, name)| name)
            .collect(),
    }
}

/// Whether migrations are pending.
///
/// # Errors
///
/// When the database is unreachable.
pub async fn is_current(conn: &mut Connection) -> diesel::QueryResult<bool> {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let applied: Count =
        diesel::sql_query("SELECT count(*) FROM public.__diesel_schema_migrations")
            .get_result(conn)
            .await?;
    let known =
        MigrationSource::<diesel::pg::Pg>::migrations(&MIGRATIONS).map_or(0, |all| all.len());
    Ok(usize::try_from(applied.count).is_ok_and(|applied| applied >= known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_and_what_is_newer_are_told_apart() {
        let known = |versions: &[&str]| {
            let named = versions.iter().map(|v| ((*v).to_owned(), format!("{v}_x")));
            named.collect::<Vec<_>>()
        };
        let applied = ["1", "2", "9"].map(str::to_owned);
        let standing = compare(known(&["1", "2", "3", "4"]), &applied);
        assert_eq!(standing.pending, ["3_x", "4_x"]);
        assert_eq!(standing.unknown, ["9"]);
        assert!(compare(known(&["1", "2", "9"]), &applied).is_newest());
    }

    #[test]
    fn where_it_is_names_no_secret() {
        for (url, named) in [
            (
                "postgres://u:secret@db.example.org/x",
                " at db.example.org:5432",
            ),
            ("postgres://u@a:1,b:2/x?sslmode=disable", " at a:1, b:2"),
            ("postgres:///x", ""),
            ("no url: secret", ""),
        ] {
            assert_eq!(place(&SecretString::from(url)), named, "{url}");
        }
    }
}
