//! What commands print.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use super::table;

/// Prints a result, with a newline.
///
/// # Errors
///
/// When stdout is closed, as `tributary tail | head` does.
pub(super) fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// So many of something, as people say it.
pub(super) fn count(n: u64, one: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{n} {one}{ending}")
}

/// Whether a result could not be printed because nobody reads it any more.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Says something to the person at the shell.
#[expect(
    clippy::print_stderr,
    reason = "a message of a command, not a log line"
)]
pub(super) fn note(text: impl Display) {
    eprintln!("{text}");
}

/// Says why the command failed: line by line, since a server's words may be in it, and a
/// terminal obeys them.
pub(super) fn error(error: &anyhow::Error) {
    for line in format!("tributary: {error:#}").lines() {
        note(table::harmless(line));
    }
}
