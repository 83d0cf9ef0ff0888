//! Migrations, embedded in the program and applied under a lock.

use std::time::Duration;

use anyhow::Context as _;
use diesel_async::{AsyncConnection as _, AsyncMigrationHarness, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::Host;

use super::Connection;

/// Every migration, in order.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Held while migrating, so that two replicas that start at once take turns ("trib").
const LOCK: i64 = 0x7472_6962;

/// How long a migration waits for a lock: whoever wants the same table queues behind it.
const LOCK_PATIENCE: &str = "2s";
/// How often one is tried, with [`PAUSE`] in between, in which others get their turn.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_secs(1);

/// Applies what is pending; returns the versions applied.
///
/// Needs a multi-threaded runtime: diesel-async's harness blocks its thread.
///
/// # Errors
///
/// When the database is unreachable or a migration fails; what a failed one did is rolled back.
pub async fn migrate(url: &SecretString) -> anyhow::Result<Vec<String>> {
    let mut conn = Connection::establish(url.expose_secret())
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))
        .with_context(|| format!("could not connect to the database{}", place(url)))?;
    // A session lock: it goes with the connection, however this ends.
    diesel::sql_query("SELECT pg_advisory_lock($1)")
        .bind::<diesel::sql_types::BigInt, _>(LOCK)
        .execute(&mut conn)
        .await?;
    // Diesel names its bookkeeping without a schema. A role called `tributary`
    // would look for it in the schema of that name once there is one.
    diesel::sql_query("SET search_path = public")
        .execute(&mut conn)
        .await?;
    diesel::sql_query(format!("SET lock_timeout = '{LOCK_PATIENCE}'"))
        .execute(&mut conn)
        .await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let applied = run(&mut harness)
        .await
        .context("could not apply the migrations")?;
    if !applied.is_empty() {
        // Diesel's own table is nobody's business either.
        diesel::sql_query(
            "ALTER TABLE public.__diesel_schema_migrations ENABLE ROW LEVEL SECURITY",
        )
        .execute(&mut harness.into_inner())
        .await?;
    }
    Ok(applied)
}

/// Applies what is pending, and waits for others in between.
async fn run(harness: &mut AsyncMigrationHarness<Connection>) -> anyhow::Result<Vec<String>> {
    let mut applied = Vec::new();
    let mut tries = 1;
    while harness
        .has_pending_migration(MIGRATIONS)
        .map_err(anyhow::Error::from_boxed)?
    {
        match harness.run_next_migration(MIGRATIONS) {
            Ok(version) => applied.push(version.to_string()),
            Err(error) if tries < TRIES && is_lock_timeout(error.as_ref()) => {
                tracing::warn!(tries, "a migration waits for a lock that others hold");
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(anyhow::Error::from_boxed(error)),
        }
    }
    Ok(applied)
}

/// Diesel tells no SQLSTATE; in another language than English a start fails instead of
/// waiting.
fn is_lock_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    error.to_string().contains("lock timeout")
}

/// Where `url` points, for people: never its user, password or parameters.
fn place(url: &SecretString) -> String {
    let Ok(config) = url.expose_secret().parse::<tokio_postgres::Config>() else {
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
    let known = diesel::migration::MigrationSource::<diesel::pg::Pg>::migrations(&MIGRATIONS)
        .map_or(0, |all| all.len());
    Ok(usize::try_from(applied.count).is_ok_and(|applied| applied >= known))
}

#[cfg(test)]
mod tests {
    use super::*;

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
