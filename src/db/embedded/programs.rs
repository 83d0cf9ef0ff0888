//! Running Postgres' programs.

use std::process::{Output, Stdio};

use tokio::process::Command;

use super::Error;

/// How much of what a program said is repeated in an error.
const SHOWN_LINES: usize = 8;

/// Runs a program to its end.
pub(super) async fn run(program: &'static str, command: &mut Command) -> Result<(), Error> {
    succeeded(program, &output(program, command).await?)
}

/// What a program answers.
pub(super) async fn output(program: &'static str, command: &mut Command) -> Result<Output, Error> {
    let output = command.stdin(Stdio::null()).output().await;
    output.map_err(Error::io(format!("cannot run {program}")))
}

/// Nothing, if the program succeeded.
pub(super) fn succeeded(program: &'static str, output: &Output) -> Result<(), Error> {
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(program, output))
    }
}

/// The error of a program that failed.
pub(super) fn failed(program: &'static str, output: &Output) -> Error {
    let [said, complained] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let output = end_of(&format!("{said}\n{complained}"));
    Error::Program { program, output }
}

/// The last lines that say something.
pub(super) fn end_of(text: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
