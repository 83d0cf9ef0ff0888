//! What came out, for people and for machines.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use serde_json::json;

use crate::client::Measured;

/// The contract's budget of a page.
const BUDGET: Duration = Duration::from_millis(20);

/// Tells whoever waits.
pub(crate) fn say(what: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{what}")
}

/// Tells what came out.
pub(crate) fn print(what: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{what}")
}

/// A table for people.
pub(crate) fn table(all: &[Measured]) -> String {
    let head = ["", "items", "p50 ms", "p99 ms", "max ms"];
    let mut table = row(head.map(str::to_owned)) + "\n";
    for case in all {
        let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&case.took, percent));
        let over = if p99 > BUDGET { "  over 20 ms" } else { "" };
        let cells = [
            case.name.to_owned(),
            format!("{:.0}", case.items),
            format!("{:.2}", milliseconds(p50)),
            format!("{:.2}", milliseconds(p99)),
            format!("{:.2}", milliseconds(max)),
        ];
        table += &row(cells);
        table += over;
        table.push('\n');
    }
    table
}

/// Prints the same as one line of JSON.
pub(crate) fn print_json(messages: u64, all: &[Measured]) -> io::Result<()> {
    let result = |case: &Measured| {
        let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&case.took, percent));
        json!({
            "case": case.name, "items": case.items.round(),
            "p50Ms": milliseconds(p50), "p99Ms": milliseconds(p99), "maxMs": milliseconds(max),
        })
    };
    let results: Vec<_> = all.iter().map(result).collect();
    let line = json!({"bench": "reading", "messages": messages, "results": results});
    print(&line.to_string())
}

fn row([name, numbers @ ..]: [String; 5]) -> String {
    let numbers = numbers.map(|number| format!("{number:>9}"));
    format!("{name:<36}{}", numbers.concat())
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e5).round() / 1e2
}
