//! A long history comes in, as much of it as was asked for, whatever happens meanwhile.

mod history;
mod kills;
mod limits;
mod lost;
mod outage;
mod replicas;
mod rooms;
mod shown;
mod synapse;
mod tables;

use std::io::Write as _;

/// Puts a figure where it is seen of a test that passes, too.
fn note(figure: &str) {
    writeln!(std::io::stderr(), "    {figure}").unwrap();
}
