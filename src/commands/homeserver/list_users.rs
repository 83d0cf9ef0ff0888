//! `homeserver list-users`: who has an account.

use chrono::DateTime;
use serde_json::json;

use super::{
    client,
    explain::{Asked, explain},
    secret::SecretFile,
};
use crate::{
    commands::{output, table},
    config::Config,
    matrix::client::User,
    model::time,
};

/// As many as are asked for at once.
const PAGE: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file with an administrator's access token; `-` is stdin.
    #[arg(long, value_name = "FILE")]
    token_file: SecretFile,
    /// At most so many.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, json: bool) -> anyhow::Result<()> {
    let client = client(config, arguments.token_file.read()?)?;
    let limit = usize::try_from(arguments.limit)?;
    let (mut users, mut from) = (Vec::<User>::new(), None);
    let total = loop {
        let size = (limit - users.len()).min(PAGE);
        let page = client.users(from.as_deref(), size).await;
        let page = page.map_err(|error| explain(&error, Asked::Accounts, config))?;
        let is_last = page.next_token.is_none() || page.users.is_empty();
        users.extend(page.users);
        if is_last || users.len() >= limit {
            break page.total;
        }
        from = page.next_token;
    };
    if json {
        let items: Vec<_> = users.iter().map(item).collect();
        output::line(json!({"items": items, "total": total}))?;
        return Ok(());
    }
    let yes = |is| if is { "yes" } else { "-" }.to_owned();
    let row = |user: &User| {
        let name = user.display_name.as_deref().unwrap_or("-");
        vec![
            table::harmless(&user.name),
            table::harmless(name),
            yes(user.admin),
            created_at(user),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    table::print(&["user", "name", "admin", "made"], &rows)?;
    Ok(())
}

fn item(user: &User) -> serde_json::Value {
    json!({
        "userId": user.name, "displayName": user.display_name, "admin": user.admin,
        "createdAt": created_at(user),
    })
}

fn created_at(user: &User) -> String {
    DateTime::from_timestamp_millis(user.creation_ts).map_or_else(|| "-".to_owned(), time::rfc3339)
}
