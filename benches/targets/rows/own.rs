//! What Postgres does with the rows that messages leave in Tributary's own tables: the limit of
//! ingest and backfill for as long as those are what they are.

use secrecy::SecretString;
use tributary::db::Database;

use super::raw::{limit, of_sizes};
use crate::{
    Bench, limits::own::Own, report::Row, server, shared::scratch::Scratch, stand::SETTINGS,
};

/// Messages a round that are put into the index of the search, in transactions of so many.
const INDEXED: (usize, usize) = (10_000, 500);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.runtime.block_on(Scratch::create())?;
    let rows = measure_at(bench, scratch.url());
    bench.runtime.block_on(scratch.remove())?;
    rows
}

fn measure_at(bench: &Bench, url: &SecretString) -> anyhow::Result<Vec<Row>> {
    // It makes customers and chats, and must not index what is measured.
    let tributary = server::start_empty(url, SETTINGS);
    bench.runtime.block_on(tributary)?.stop()?;
    let mut own = Own::connect(&bench.runtime, url)?;
    let mut rows = of_sizes(bench, "limit: rows of its own", |of_each, transactions| {
        own.round(&bench.runtime, of_each, transactions)
    })?;
    let db = Database::new(url, 1)?;
    own.index(&bench.runtime, &db)?;
    let mut rates = Vec::new();
    for _ in 0..bench.rounds() {
        own.round(&bench.runtime, INDEXED.1, INDEXED.0 / INDEXED.1)?;
        rates.push(own.index(&bench.runtime, &db)?);
    }
    rows.push(limit("limit: the index of the search".to_owned(), &rates));
    Ok(rows)
}
