//! `backfill`: the history of rooms, on demand.

mod follow;
mod progress;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    endpoint::{Endpoint, Place},
    output, table,
};
use crate::config::{Config, MOST_DAYS};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Fetch history, deeper than before where there was some.
    Start(Start),
    /// Print backfills, the newest first.
    List(List),
    /// Print one backfill.
    Show {
        /// Its id.
        id: Uuid,
    },
    /// Call a backfill off.
    Cancel {
        /// Its id.
        id: Uuid,
    },
    /// Wait until backfills have ended, and show how far they are.
    Follow {
        /// Their ids; of all that are active unless given.
        ids: Vec<Uuid>,
    },
}

#[derive(Debug, clap::Args)]
struct Start {
    #[command(flatten)]
    target: Target,
    /// How many days back; as configured unless given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    days: Option<u32>,
    /// At most so many messages of a room; as configured unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_messages: Option<u32>,
    /// Wait until they have ended, and show how far they are.
    #[arg(long)]
    follow: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// A Matrix room.
    #[arg(long, value_name = "ID")]
    room: Option<String>,
    /// The rooms of a Matrix user.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The rooms of a connection.
    #[arg(long, value_name = "ID")]
    connection: Option<Uuid>,
    /// Every room that is taken in.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this state.
    #[arg(long, value_parser = ["queued", "running", "waiting", "done", "failed", "cancelled"])]
    state: Option<String>,
    /// Only those of this Matrix room.
    #[arg(long, value_name = "ID")]
    room: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// What a command has to know of a backfill.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: Uuid,
    room_id: String,
    state: String,
    reason: Option<String>,
    error: Option<String>,
    stored: u64,
}

impl Job {
    fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "done" | "failed" | "cancelled")
    }
}

/// Calls the endpoint and prints its answer.
pub(super) async fn run(arguments: Arguments, config: &Config) -> anyhow::Result<()> {
    let endpoint = Endpoint::new(&arguments.place, config)?;
    let json = arguments.place.json;
    match arguments.command {
        Command::Start(start) => self::start(&endpoint, &start, json).await,
        Command::List(list) => print_list(&endpoint, &list, json).await,
        Command::Show { id } => {
            let job = endpoint.get(&["backfill", &id.to_string()], &[]).await?;
            print_one(job, json)
        }
        Command::Cancel { id } => {
            let path = ["backfill", &id.to_string(), "cancel"];
            print_one(endpoint.send(Method::POST, &path, None).await?, json)
        }
        Command::Follow { ids } => {
            let jobs = follow::found(&endpoint, &ids).await?;
            follow::run(&endpoint, jobs, json).await
        }
    }
}

async fn start(endpoint: &Endpoint, start: &Start, json: bool) -> anyhow::Result<()> {
    let body = start.body();
    let started = endpoint.send(Method::POST, &["backfill"], Some(&body));
    let mut started = started.await?;
    if json {
        output::line(&started)?;
    }
    let jobs = match started["jobs"].take() {
        Value::Array(jobs) => jobs,
        _ => Vec::new(),
    };
    if start.follow {
        let jobs: Result<Vec<Job>, _> = jobs.into_iter().map(Job::deserialize).collect();
        return follow::run(endpoint, jobs?, json).await;
    }
    if !json {
        print(&jobs)?;
    }
    Ok(())
}

impl Start {
    fn body(&self) -> Value {
        let Target {
            room,
            user,
            connection,
            all,
        } = &self.target;
        let given = [
            ("roomId", room.as_ref().map(|id| json!(id))),
            ("matrixUserId", user.as_ref().map(|id| json!(id))),
            ("connectionId", connection.map(|id| json!(id))),
            ("all", all.then_some(json!(true))),
            ("days", self.days.map(|days| json!(days))),
            ("maxMessages", self.max_messages.map(|most| json!(most))),
        ];
        let body: Map<_, _> = given
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect();
        body.into()
    }
}

async fn print_list(endpoint: &Endpoint, list: &List, json: bool) -> anyhow::Result<()> {
    let query = [("state", &list.state), ("roomId", &list.room)];
    let query: Vec<_> = query
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
    let limit = usize::try_from(list.limit)?;
    let page = endpoint.list(&["backfill"], &query, limit).await?;
    if json {
        output::line(json!({"items": page.items, "nextCursor": page.next_cursor}))?;
        return Ok(());
    }
    print(&page.items)
}

fn print_one(job: Value, json: bool) -> anyhow::Result<()> {
    if json {
        output::line(job)?;
        return Ok(());
    }
    print(&[job])
}

fn print(jobs: &[Value]) -> anyhow::Result<()> {
    const FIELDS: [&str; 8] = [
        "id", "roomId", "state", "reason", "fetched", "stored", "oldestAt", "error",
    ];
    let row = |job| FIELDS.map(|field| table::cell(job, field)).to_vec();
    let rows: Vec<_> = jobs.iter().map(row).collect();
    let titles = [
        "id",
        "room",
        "state",
        "reason",
        "events",
        "new messages",
        "back to",
        "error",
    ];
    table::print(&titles, &rows)?;
    Ok(())
}
