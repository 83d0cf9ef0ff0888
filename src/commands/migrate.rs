//! `migrate`: brings the database up to date, or says how far it is from that.

use anyhow::{anyhow, bail};

use anyhow::Context as _;

use crate::{
    commands::{output, postgres::Postgres},
    config::Config,
    db::{
        self, inspect,
        migrate::{Standing, standing},
    },
    telemetry,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Change nothing: print what is pending, or what is newer than this program, and exit
    /// with 1 if anything is.
    #[arg(long)]
    check: bool,
}

/// Applies pending migrations, or looks for them.
pub(super) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<()> {
    telemetry::init(&config.log)?;
    let postgres = Postgres::open(config).await?;
    let done = if arguments.check {
        check(&postgres).await
    } else {
        db::migrate(postgres.direct_url()).await.map(drop)
    };
    postgres.close().await?;
    done.context(config.database.direct_key())?;
    output::note("the database is up to date");
    Ok(())
}

async fn check(postgres: &Postgres) -> anyhow::Result<()> {
    let conn = inspect::connect(postgres.direct_url()).await;
    let mut conn = conn.map_err(|why| anyhow!("could not connect to the database: {why}"))?;
    let Standing { pending, unknown } = standing(&mut conn).await?;
    for name in &pending {
        output::line(format_args!("pending {name}"))?;
    }
    for version in &unknown {
        output::line(format_args!("unknown {version}"))?;
    }
    match (pending.len(), unknown.len()) {
        (0, 0) => Ok(()),
        (0, newer) => bail!(
            "a newer Tributary has applied {}",
            output::count(newer.try_into()?, "migration")
        ),
        (pending, _) => bail!(
            "pending: {}",
            output::count(pending.try_into()?, "migration")
        ),
    }
}
