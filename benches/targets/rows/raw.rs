//! What raw Postgres does with one statement: a limit, and nothing to reach.

use serde_json::json;

use crate::{
    Bench,
    figures::median,
    limits::raw::Raw,
    report::{Row, Target},
    shared::scratch::Scratch,
};

/// Rows of a transaction.
const ROWS: [usize; 4] = [1, 10, 100, 500];
/// So many rows a round, with a commit for each, or for all of a transaction.
const OF_ONE: usize = 2_000;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.runtime.block_on(Scratch::create())?;
    let rows = measure_at(bench, &scratch);
    bench.runtime.block_on(scratch.remove())?;
    rows
}

fn measure_at(bench: &Bench, scratch: &Scratch) -> anyhow::Result<Vec<Row>> {
    let mut raw = Raw::connect(&bench.runtime, scratch.url())?;
    of_sizes(bench, "limit: raw statement", |of_each, transactions| {
        raw.round(&bench.runtime, of_each, transactions)
    })
}

/// A row for each size of a transaction: rows a second in so many transactions of so many rows.
pub(super) fn of_sizes(
    bench: &Bench,
    what: &str,
    mut round: impl FnMut(usize, usize) -> anyhow::Result<f64>,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for of_each in ROWS {
        let mut rates = Vec::new();
        for number in 0..=bench.rounds() {
            let transactions = (OF_ONE * of_each.min(10) / of_each).max(1);
            let rate = round(of_each, transactions)?;
            if number > 0 {
                rates.push(rate);
            }
        }
        rows.push(limit(format!("{what}, {of_each} rows"), &rates));
    }
    Ok(rows)
}

/// The middle one of some rates, which is nothing to reach.
pub(super) fn limit(what: String, rates: &[f64]) -> Row {
    Row {
        what,
        unit: "rows/s",
        figure: median(rates.iter().copied()),
        beside: None,
        target: Target::None,
        details: json!({ "rounds": rates }),
    }
}
