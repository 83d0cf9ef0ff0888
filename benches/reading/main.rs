//! What reading takes when there is much to read: see `benches/README.md`.

mod cases;
mod client;
mod plans;
mod report;
#[path = "../shared/scratch.rs"]
mod scratch;
mod seed;
mod server;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    client::Reader,
    scratch::{Scratch, connect},
    server::Serving,
};

/// How many messages there are when nobody says; then the results are written down.
const MESSAGES: u64 = 10_000_000;
/// Names a database that was seeded before and is kept, to measure again.
const SEEDED: &str = "TRIBUTARY_BENCH_SEEDED";
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
const DOCUMENT: &str = include_str!("document.md");

fn main() -> anyhow::Result<()> {
    // Cargo says --bench as well.
    let asked = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let messages = match asked {
        Some(messages) => messages
            .replace('_', "")
            .parse()
            .context("how many messages?")?,
        None => MESSAGES,
    };
    let runtime = tokio::runtime::Runtime::new()?;
    if let Ok(url) = std::env::var(SEEDED) {
        return runtime.block_on(measure(&url.into(), messages));
    }
    runtime.block_on(async {
        let scratch = Scratch::create().await?;
        let measured = seed_and_measure(scratch.url(), messages).await;
        scratch.remove().await?;
        measured
    })
}

async fn seed_and_measure(url: &SecretString, messages: u64) -> anyhow::Result<()> {
    let seeded = seed::seed(url, messages).await;
    seeded.context("it could not be seeded")?;
    measure(url, messages).await
}

async fn measure(url: &SecretString, messages: u64) -> anyhow::Result<()> {
    let database = connect(url.expose_secret()).await?;
    let sql = "SELECT pg_size_pretty(pg_database_size(current_database()))";
    let size: String = database.query_one(sql, &[]).await?.get(0);
    let serving = Serving::start(url)?;
    let mut reader = Reader::connect(serving.address).await?;
    let cases = cases::cases(&mut reader, &database).await?;
    let mut measured = Vec::new();
    for case in &cases {
        let case = reader.measure(case).await?;
        report::say(&format!("{} is measured", case.name))?;
        measured.push(case);
    }
    drop(serving);
    let table = report::table(&measured);
    report::print(&format!(
        "{messages} messages, a tenth of them the reader's; {size}\n{table}"
    ))?;
    report::print_json(messages, &measured)?;
    let plans = plans::plans(url).await.context("the plans")?;
    if messages == MESSAGES {
        let document = DOCUMENT
            .replace("{size}", &size)
            .replace("{table}", table.trim_end())
            .replace("{plans}", plans.trim());
        std::fs::create_dir_all(DOCS)?;
        std::fs::write(format!("{DOCS}/reading.md"), document)?;
    } else {
        report::print(&plans)?;
    }
    Ok(())
}
