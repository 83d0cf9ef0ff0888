//! `homeserver status`: what it is, and whether it knows Tributary.

use serde_json::json;

use super::{
    client,
    explain::{Asked, explain},
};
use crate::{
    commands::{check_config::registration, output, table},
    config::Config,
};

pub(super) async fn run(config: &Config, json: bool) -> anyhow::Result<()> {
    let client = client(config, registration(config)?.as_token)?;
    let failed = |error| explain(&error, Asked::AsTributary, config);
    let versions = client.versions().await.map_err(failed)?;
    let user = client.whoami(None).await.map_err(failed)?;
    // Where only the client API is let through it is not known, which is no mistake.
    let software = client.software().await.unwrap_or_default();
    let (url, server) = (&config.homeserver.url, &config.homeserver.server_name);
    let url = format!("{}{}", url.origin().ascii_serialization(), url.path());
    if json {
        output::line(json!({
            "url": url, "serverName": server, "versions": versions, "userId": user,
            "software": software.name, "softwareVersion": software.version,
        }))?;
        return Ok(());
    }
    let newest = versions.last().map_or("-", String::as_str);
    let software = format!("{} {}", software.name, software.version);
    let software = match software.trim() {
        "" => "not told here",
        known => known,
    };
    let row = |what: &str, is: &str| vec![what.to_owned(), table::harmless(is)];
    let rows = [
        row("server name", server),
        row("software", software),
        row("Matrix", newest),
        row("Tributary is", user.as_str()),
    ];
    table::print(&["homeserver", &url], &rows)?;
    Ok(())
}
