//! `connections`: who is linked to whom.

use hyper::Method;
use serde_json::{Map, Value, json};

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
    /// Print everybody's connections, the newest first.
    List(List),
    /// Link an account that is linked already, elsewhere.
    Import(Import),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those of this Clerk user.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only those of this Matrix user.
    #[arg(long, value_name = "ID")]
    matrix_user: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, clap::Args)]
struct Import {
    /// The Clerk user, `user_...`.
    #[arg(long, value_name = "USER")]
    user: String,
    /// The Matrix user.
    #[arg(long, value_name = "ID")]
    matrix_user: String,
    /// The bridge; may be left out when there is only one.
    #[arg(long, value_name = "ID")]
    bridge: Option<String>,
    /// The id on the network.
    #[arg(long, value_name = "ID")]
    bridge_user: Option<String>,
}

/// Calls the endpoint and prints its answer.
pub(super) async fn run(arguments: Arguments, config: &Config) -> anyhow::Result<()> {
    let endpoint = Endpoint::new(&arguments.place, config)?;
    let json = arguments.place.json;
    match arguments.command {
        Command::List(list) => print_list(&endpoint, &list, json).await,
        Command::Import(import) => {
            let account = endpoint
                .send(Method::POST, &["connections"], Some(&import.body()))
                .await?;
            if json {
                output::line(account)?;
                return Ok(());
            }
            print(&[account])
        }
    }
}

impl Import {
    fn body(&self) -> Value {
        let given = [
            ("userId", Some(&self.user)),
            ("matrixUserId", Some(&self.matrix_user)),
            ("bridgeId", self.bridge.as_ref()),
            ("bridgeUserId", self.bridge_user.as_ref()),
        ];
        let body: Map<_, _> = given
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.as_str().into())))
            .collect();
        body.into()
    }
}

async fn print_list(endpoint: &Endpoint, list: &List, json: bool) -> anyhow::Result<()> {
    let query = [("userId", &list.user), ("matrixUserId", &list.matrix_user)];
    let query: Vec<_> = query
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
    let limit = usize::try_from(list.limit)?;
    let page = endpoint.list(&["connections"], &query, limit).await?;
    if json {
        output::line(json!({"items": page.items, "nextCursor": page.next_cursor}))?;
        return Ok(());
    }
    print(&page.items)
}

fn print(accounts: &[Value]) -> anyhow::Result<()> {
    let row = |account: &Value| {
        let mut row: Vec<_> = ["id", "userId", "matrixUserId", "bridgeId", "status"]
            .map(|field| table::cell(account, field))
            .to_vec();
        let history = &account["backfill"];
        let count = |field| table::cell(history, field);
        row.push(format!("{}/{}", count("roomsDone"), count("roomsTotal")));
        row.push(count("messages"));
        row
    };
    let rows: Vec<_> = accounts.iter().map(row).collect();
    let titles = [
        "id",
        "user",
        "Matrix user",
        "bridge",
        "status",
        "rooms",
        "messages",
    ];
    table::print(&titles, &rows)?;
    Ok(())
}
