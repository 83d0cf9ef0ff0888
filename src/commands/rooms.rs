//! `rooms`: which rooms there are, and their switches.

use hyper::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    endpoint::{Endpoint, Place},
    output, table,
};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the rooms that Tributary knows, the last one first.
    List(List),
    /// Take a room in again, with what it missed.
    Enable {
        /// Its Matrix id.
        room: String,
    },
    /// Take nothing more of a room in.
    Disable {
        /// Its Matrix id.
        room: String,
    },
    /// Set the switches of a room.
    Set(Set),
    /// Look for rooms that nobody told of, and for events that were never pushed.
    Reconcile,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those that this connection sees.
    #[arg(long, value_name = "ID")]
    connection: Option<Uuid>,
    /// Only those with a conversation, or those without.
    #[arg(long, value_name = "BOOL")]
    mapped: Option<bool>,
    /// Only those that are taken in, or those that are switched off.
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// At most so many.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// Its Matrix id.
    room: String,
    #[command(flatten)]
    switches: Switches,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Switches {
    /// Whether it is taken in.
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// Whether its history comes in by itself.
    #[arg(long, value_name = "BOOL")]
    backfill: Option<bool>,
}

/// Calls the endpoint and prints its answer.
pub(super) async fn run(arguments: Arguments, config: &Config) -> anyhow::Result<()> {
    let endpoint = Endpoint::new(&arguments.place, config)?;
    let json = arguments.place.json;
    match arguments.command {
        Command::List(list) => print_list(&endpoint, &list, json).await,
        Command::Enable { room } => switch(&endpoint, &room, Some(true), None, json).await,
        Command::Disable { room } => switch(&endpoint, &room, Some(false), None, json).await,
        Command::Set(Set { room, switches }) => {
            switch(&endpoint, &room, switches.enabled, switches.backfill, json).await
        }
        Command::Reconcile => {
            let queued = endpoint
                .send(Method::POST, &["rooms", "reconcile"], None)
                .await?;
            if json {
                output::line(queued)?;
            } else {
                let count =
                    |of: &str, one| output::count(queued[of].as_u64().unwrap_or_default(), one);
                let (bridges, rooms) = (count("bridges", "bridge"), count("rooms", "room"));
                output::line(format_args!("queued: {bridges}, {rooms}"))?;
            }
            Ok(())
        }
    }
}

async fn print_list(endpoint: &Endpoint, list: &List, json: bool) -> anyhow::Result<()> {
    let text = |given: Option<bool>| given.map(|given| given.to_string());
    let query = [
        ("connectionId", list.connection.map(|id| id.to_string())),
        ("mapped", text(list.mapped)),
        ("enabled", text(list.enabled)),
    ];
    let query: Vec<_> = query
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)))
        .collect();
    let limit = usize::try_from(list.limit)?;
    let page = endpoint.list(&["rooms"], &query, limit).await?;
    if json {
        output::line(json!({"items": page.items, "nextCursor": page.next_cursor}))?;
        return Ok(());
    }
    print(&page.items)
}

async fn switch(
    endpoint: &Endpoint,
    room_id: &str,
    enabled: Option<bool>,
    backfill: Option<bool>,
    json: bool,
) -> anyhow::Result<()> {
    let given = [("enabled", enabled), ("backfill", backfill)];
    let change: Map<_, _> = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect();
    let path = ["rooms", room_id];
    let change = change.into();
    let room = endpoint.send(Method::PATCH, &path, Some(&change)).await?;
    if json {
        output::line(room)?;
        return Ok(());
    }
    print(&[room])
}

fn print(rooms: &[Value]) -> anyhow::Result<()> {
    const FIELDS: [&str; 8] = [
        "roomId",
        "name",
        "kind",
        "enabled",
        "backfill",
        "viewers",
        "lastEventAt",
        "backfillState",
    ];
    let row = |room| FIELDS.map(|field| table::cell(room, field)).to_vec();
    let rows: Vec<_> = rooms.iter().map(row).collect();
    let titles = [
        "room",
        "name",
        "kind",
        "enabled",
        "backfill",
        "viewers",
        "last event",
        "history",
    ];
    table::print(&titles, &rows)?;
    Ok(())
}
