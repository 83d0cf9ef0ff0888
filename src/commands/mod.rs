//! The commands of the program, one file each.
//!
//! What a command prints goes to stdout, messages for people and logs to stderr. It exits
//! with 0 when it is done, 1 when it failed and 2 when the command line or the
//! configuration is wrong.

mod backfill;
mod backup;
mod check_config;
mod connections;
mod dev_token;
mod doctor;
mod endpoint;
mod generate_registration;
mod healthcheck;
mod homeserver;
mod migrate;
mod output;
mod postgres;
mod rooms;
pub mod run;
mod table;
mod tail;

use std::{path::Path, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::{self, Config};

/// Turns bridged Messenger chats into data that a web app can use.
#[derive(Debug, Parser)]
#[command(name = "tributary", version, about)]
pub struct Cli {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        env = "TRIBUTARY_CONFIG",
        value_name = "FILE",
        default_value = "config.yaml"
    )]
    config: std::path::PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply pending migrations and serve until SIGTERM or SIGINT (the default).
    Run,
    /// Write registration.yaml with fresh random tokens.
    GenerateRegistration(generate_registration::Arguments),
    /// Load and validate the configuration, and print it with its secrets masked.
    CheckConfig,
    /// Check one by one whether everything stands as it should, and say what to do where not.
    Doctor(doctor::Arguments),
    /// Apply pending migrations and exit.
    Migrate(migrate::Arguments),
    /// Take a backup of the database, and of the files' names or the files.
    Backup(backup::Backup),
    /// Begin anew from a backup, in an empty database.
    Restore(backup::Restore),
    /// Ask the Tributary at server.bind whether it is ready; for supervisors.
    Healthcheck,
    /// Fetch the history of rooms, and follow it.
    Backfill(backfill::Arguments),
    /// List rooms, switch them, and look for what they lack.
    Rooms(rooms::Arguments),
    /// List connections, and import accounts that are linked elsewhere.
    Connections(connections::Arguments),
    /// Make accounts and rooms on the homeserver, and look how it is.
    Homeserver(homeserver::Arguments),
    /// Print the events of a user as they come, one JSON object a line.
    Tail(tail::Arguments),
    /// Print a session token signed with the development key.
    DevToken(dev_token::Arguments),
}

/// The command cannot do what it was asked for as things are configured: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(&'static str);

impl Cli {
    /// Runs the command; what went wrong is on stderr.
    pub async fn execute(self) -> ExitCode {
        match self.dispatch().await {
            Ok(()) => ExitCode::SUCCESS,
            // Whoever read the lines has seen enough, as `head` does.
            Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
            Err(error) => {
                output::error(&error);
                exit_code(&error)
            }
        }
    }

    async fn dispatch(self) -> anyhow::Result<()> {
        let config = || load(&self.config);
        match self.command.unwrap_or(Command::Run) {
            Command::Run => run::run(config()?).await,
            Command::GenerateRegistration(arguments) => {
                generate_registration::run(&config()?, &arguments)
            }
            Command::CheckConfig => check_config::run(&config()?),
            Command::Doctor(arguments) => doctor::run(&config()?, &arguments).await,
            Command::Migrate(arguments) => migrate::run(&config()?, &arguments).await,
            Command::Backup(arguments) => backup::take(&arguments, &config()?).await,
            Command::Restore(arguments) => backup::restore(&arguments, config()?).await,
            Command::Healthcheck => healthcheck::run(&config()?).await,
            Command::Backfill(arguments) => backfill::run(arguments, &config()?).await,
            Command::Rooms(arguments) => rooms::run(arguments, &config()?).await,
            Command::Connections(arguments) => connections::run(arguments, &config()?).await,
            Command::Homeserver(arguments) => homeserver::run(arguments, &config()?).await,
            Command::Tail(arguments) => tail::run(arguments, config).await,
            Command::DevToken(arguments) => dev_token::run(&config()?, &arguments),
        }
    }
}

fn load(path: &Path) -> Result<Config, config::Error> {
    // `vars` would panic on a variable that is not UTF-8, and no such variable is ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::load(path, environment)
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<config::Error>() || error.is::<Usage>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}
