//! Fills the database: in sets, by SQL, since pushing ten million messages takes an hour.

use std::time::Instant;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::Client;
use tributary::{db, search};

use crate::{report, shared::scratch::connect};

const SEED: &str = include_str!("seed.sql");
const PART: &str = include_str!("part.sql");
const FULL: &str = include_str!("full.sql");

/// Messages of one statement.
const PART_SIZE: u64 = 250_000;
/// Statements at a time.
const LANES: u64 = 2;

/// The customer whose messages are read: one of so many messages is theirs.
pub(crate) const READER: &str = "user_0";
const EVERY: u64 = 10;

/// Migrates, and writes this many messages.
pub(crate) async fn seed(url: &SecretString, messages: u64) -> anyhow::Result<()> {
    db::migrate(url).await?;
    let begun = Instant::now();
    let say =
        |what: &str| report::say(&format!("{:>5.0} s  {what}", begun.elapsed().as_secs_f64()));
    let client = session(url).await?;
    client.batch_execute(SEED).await.context("who writes")?;
    say("customers, chats and words")?;
    let indexes = take_indexes(&client).await?;
    let lane = async |lane: u64| -> anyhow::Result<()> {
        let client = session(url).await?;
        let parts = (0..messages.div_ceil(PART_SIZE)).filter(|part| part % LANES == lane);
        for part in parts {
            let (from, to) = (part * PART_SIZE, messages.min((part + 1) * PART_SIZE) - 1);
            let sql = [
                ("$from", from),
                ("$to", to),
                ("$all", messages),
                ("$every", EVERY),
            ]
            .iter()
            .fold(PART.to_owned(), |sql, (name, value)| {
                sql.replace(name, &value.to_string())
            });
            client.batch_execute(&sql).await.context("messages")?;
            say(&format!("messages up to {to}"))?;
        }
        Ok(())
    };
    tokio::try_join!(lane(0), lane(1))?;
    for index in indexes {
        client.batch_execute(&index).await.context("an index")?;
        say(&index)?;
    }
    client
        .batch_execute(&FULL.replace("$version", &search::index::VERSION.to_string()))
        .await
        .context("what follows from the messages")?;
    // Vacuumed as an archive is that grows day by day.
    client.batch_execute("VACUUM (ANALYZE)").await?;
    say("vacuumed")?;
    Ok(())
}

async fn session(url: &SecretString) -> anyhow::Result<Client> {
    let client = connect(url.expose_secret()).await?;
    let settings =
        "SET session_replication_role = replica; SET synchronous_commit = off; SET jit = off;
                    SET work_mem = '256MB'; SET maintenance_work_mem = '1GB'";
    client.batch_execute(settings).await?;
    Ok(client)
}

/// Drops the indexes and keys of the two large tables; says how they are made again.
async fn take_indexes(client: &Client) -> anyhow::Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), pg_get_constraintdef(c.oid), c.conname,
                    indrelid::regclass::text
             FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
             WHERE indrelid IN ('tributary.messages'::regclass, 'tributary.search_entries'::regclass)
             ORDER BY indrelid, indexrelid",
            &[],
        )
        .await?;
    let mut again = Vec::new();
    for row in &rows {
        let (name, definition, table): (String, String, String) =
            (row.get(0), row.get(1), row.get(4));
        let constraint: Option<(String, String)> = row.get::<_, Option<String>>(2).zip(row.get(3));
        if let Some((definition, name)) = constraint {
            client
                .batch_execute(&format!(
                    "ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE"
                ))
                .await?;
            again.push(format!(
                "ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
            ));
        } else {
            client.batch_execute(&format!("DROP INDEX {name}")).await?;
            again.push(definition);
        }
    }
    Ok(again)
}
