//! `doctor`: whether everything stands as it should, and what to do where it does not.

use anyhow::bail;
use serde_json::json;

use super::{output, postgres::Postgres, table};
use crate::{
    clock::Clock,
    config::Config,
    doctor::{self, Check, Place, Told},
};

/// What a bridge tells nobody.
const UNSEEN: &str = "\
note: nobody can ask a bridge for its settings: have backfill.enabled: true, a
      backfill.max_initial_messages of 5000 or so (50 by default; there is no more history
      than that) and encryption.allow: false in its config.yaml";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON object, for machines.
    #[arg(long)]
    json: bool,
}

/// Looks at everything, and fails when something has to be put right.
pub(super) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<()> {
    let postgres = Postgres::open(config).await;
    let place = match &postgres {
        Ok(postgres) => Place::Urls {
            url: postgres.url(),
            direct_url: postgres.own_direct_url(),
        },
        Err(error) => Place::Nowhere(format!("{error:#}")),
    };
    let mut printed = Ok(());
    let mut tell = |check: &Check| {
        if !arguments.json && printed.is_ok() {
            printed = print(check);
        }
    };
    let checks = doctor::examine(config, &place, &Clock::system(), &mut tell).await;
    if let Ok(postgres) = postgres {
        postgres.close().await?;
    }
    printed?;
    let failed = checks.iter().filter(|check| check.has_failed()).count();
    if arguments.json {
        let told: Vec<_> = checks.iter().map(Told::from).collect();
        let version = env!("CARGO_PKG_VERSION");
        output::line(json!({"ok": failed == 0, "version": version, "checks": told}))?;
    }
    if !arguments.json {
        output::note(UNSEEN);
    }
    match failed {
        0 => Ok(()),
        1 => bail!("1 check has failed"),
        _ => bail!("{failed} checks have failed"),
    }
}

/// Line by line: what somebody else said may be in it, and a terminal obeys it.
fn print(check: &Check) -> std::io::Result<()> {
    let text = check.to_string();
    text.lines()
        .try_for_each(|line| output::line(table::harmless(line)))
}
