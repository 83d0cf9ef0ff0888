//! The `tributary` program: parses the command line and leaves the rest to the library.

use std::process::ExitCode;

use clap::Parser as _;
use tributary::commands::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().execute().await
}
