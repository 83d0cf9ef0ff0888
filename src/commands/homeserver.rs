//! `homeserver`: what an operator needs of the homeserver, so that a new customer's account
//! and rooms need no other tool.
//!
//! Secrets come from files or from stdin, never from the command line, where every user of
//! the machine can read them.

mod actor;
mod add_bot;
mod add_user;
mod explain;
mod list_users;
mod rooms;
mod secret;
mod status;

use std::time::Duration;

use secrecy::SecretString;

use crate::{
    config::Config,
    matrix::client::{CallLimits, Homeserver},
};

/// For one call: a homeserver that is busy makes a room in seconds.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object, for machines.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what the homeserver is, and whether it knows Tributary.
    Status,
    /// Make an account, with Synapse's registration shared secret.
    AddUser(add_user::Arguments),
    /// List the accounts, with an administrator's token.
    ListUsers(list_users::Arguments),
    /// Make a private room.
    CreateRoom(rooms::CreateRoom),
    /// Send a text message.
    Send(rooms::Send),
    /// Make a direct chat with a bridge's bot, or invite the bot to a room, and wait for it.
    AddBot(add_bot::Arguments),
}

/// Does it, and says what came of it.
pub(super) async fn run(arguments: Arguments, config: &Config) -> anyhow::Result<()> {
    let json = arguments.json;
    match arguments.command {
        Command::Status => status::run(config, json).await,
        Command::AddUser(arguments) => add_user::run(&arguments, config, json).await,
        Command::ListUsers(arguments) => list_users::run(&arguments, config, json).await,
        Command::CreateRoom(arguments) => rooms::create(&arguments, config, json).await,
        Command::Send(arguments) => rooms::send(arguments, config, json).await,
        Command::AddBot(arguments) => add_bot::run(&arguments, config, json).await,
    }
}

/// A client that sends this token.
fn client(config: &Config, token: SecretString) -> anyhow::Result<Homeserver> {
    let limits = CallLimits {
        call_timeout: PATIENCE,
        ..CallLimits::default()
    };
    Homeserver::new(&config.homeserver, token, &limits)
}
