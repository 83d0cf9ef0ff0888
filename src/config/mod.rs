//! Configuration: one file per section, each with its defaults and validation.

mod admin;
mod appservice;
mod backfill;
mod bridges;
mod clerk;
mod database;
mod homeserver;
mod keys;
mod limits;
mod log;
mod manager;
mod media;
mod server;
mod websocket;

use std::path::PathBuf;

use serde::Deserialize;

pub use self::{
    admin::Admin,
    appservice::Appservice,
    backfill::Backfill,
    bridges::Bridge,
    clerk::Clerk,
    database::{Database, DatabaseUrl},
    homeserver::Homeserver,
    keys::ApiKeys,
    limits::Limits,
    log::{Log, LogFormat},
    manager::{Manager, OwnershipProof},
    media::Media,
    server::Server,
    websocket::Websocket,
};

/// The whole configuration, as `config.example.yaml` documents it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where Tributary listens and how it is reached.
    #[serde(default)]
    pub server: Server,
    /// The homeserver it belongs to.
    pub homeserver: Homeserver,
    /// The application service registration.
    #[serde(default)]
    pub appservice: Appservice,
    /// The bridges whose portals are ingested; at least one.
    pub bridges: Vec<Bridge>,
    /// Postgres.
    pub database: Database,
    /// Where files of its own go.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// The identity provider of the web app's users.
    #[serde(default)]
    pub clerk: Clerk,
    /// The desktop companion's door.
    #[serde(default)]
    pub manager: Manager,
    /// The operator's door.
    #[serde(default)]
    pub admin: Admin,
    /// How much history is fetched.
    #[serde(default)]
    pub backfill: Backfill,
    /// The media archive.
    #[serde(default)]
    pub media: Media,
    /// The live stream.
    #[serde(default)]
    pub websocket: Websocket,
    /// Rate limits.
    #[serde(default)]
    pub limits: Limits,
    /// Logging.
    #[serde(default)]
    pub log: Log,
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("./data")
}
