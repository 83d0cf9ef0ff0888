//! What reading takes when there is much to read: see `benches/README.md`.

mod cases;
mod client;
mod plans;
mod report;
mod seed;
#[path = "../serving/mod.rs"]
#[expect(dead_code, reason = "nothing is pushed")]
mod server;
#[path = "../shared/mod.rs"]
#[expect(dead_code, reason = "nothing looks for single events")]
mod shared;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    client::Reader,
    server::RAISED_LIMITS,
    shared::scratch::{Scratch, connect},
};

/// How many messages there are when nobody says; then the results are written down.
const MESSAGES: u64 = 10_000_000;
/// Names a database that is kept, to measure again: it is seeded when it is empty.
const SEEDED: &str = "TRIBUTARY_BENCH_SEEDED";
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
const DOCUMENT: &str = include_str!("document.md");

/// What is asked for on the command line.
struct Wanted {
    messages: u64,
    /// Only the cases with this in their name, without a document.
    part: Option<String>,
}

impl Wanted {
    fn includes(&self, case: &str) -> bool {
        self.part.as_ref().is_none_or(|part| case.contains(part))
    }
}

fn main() -> anyhow::Result<()> {
    // Cargo says --bench as well.
    let mut asked = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .peekable();
    let number = asked.next_if(|arg| arg.starts_with(|first: char| first.is_ascii_digit()));
    let messages = match number {
        Some(messages) => messages
            .replace('_', "")
            .parse()
            .context("how many messages?")?,
        None => MESSAGES,
    };
    let wanted = Wanted {
        messages,
        part: asked.next(),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    if let Ok(url) = std::env::var(SEEDED) {
        return runtime.block_on(measure_kept(&url.into(), &wanted));
    }
    runtime.block_on(async {
        let scratch = Scratch::create().await?;
        let measured = seed_and_measure(scratch.url(), &wanted).await;
        scratch.remove().await?;
        measured
    })
}

async fn seed_and_measure(url: &SecretString, wanted: &Wanted) -> anyhow::Result<()> {
    let seeded = seed::seed(url, wanted.messages).await;
    seeded.context("it could not be seeded")?;
    measure(url, wanted).await
}

async fn measure_kept(url: &SecretString, wanted: &Wanted) -> anyhow::Result<()> {
    let database = connect(url.expose_secret()).await?;
    let sql = "SELECT to_regclass('public.words') IS NULL";
    if database.query_one(sql, &[]).await?.get(0) {
        return seed_and_measure(url, wanted).await;
    }
    measure(url, wanted).await
}

async fn measure(url: &SecretString, wanted: &Wanted) -> anyhow::Result<()> {
    let messages = wanted.messages;
    let database = connect(url.expose_secret()).await?;
    let sql = "SELECT pg_size_pretty(pg_database_size(current_database()))";
    let size: String = database.query_one(sql, &[]).await?.get(0);
    let serving = server::serve(url, RAISED_LIMITS)?;
    let mut reader = Reader::connect(serving.address()).await?;
    let mut cases = cases::cases(&mut reader, &database).await?;
    cases.retain(|case| wanted.includes(case.name));
    let mut measured = Vec::new();
    for case in &cases {
        let case = reader.measure(case).await?;
        report::say(&format!("{} is measured", case.name))?;
        measured.push(case);
    }
    serving.stop()?;
    let table = report::table(&measured);
    report::print(&format!(
        "{messages} messages, a tenth of them the reader's; {size}\n{table}"
    ))?;
    report::print_json(messages, &measured)?;
    if wanted.part.is_some() {
        return Ok(());
    }
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
