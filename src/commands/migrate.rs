//! `migrate`: brings the database up to date.

use crate::{
    commands::{output, postgres::Postgres},
    config::Config,
    db, telemetry,
};

/// Applies pending migrations.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    telemetry::init(&config.log)?;
    let postgres = Postgres::open(config).await?;
    let migrated = db::migrate(postgres.direct_url()).await;
    postgres.close().await?;
    migrated?;
    output::note("the database is up to date");
    Ok(())
}
