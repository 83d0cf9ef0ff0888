//! Configuration: one file per section, each with its defaults and validation.
//!
//! [`Config::load`] reads the file and lays the environment over it ([`layers`]), puts in
//! `${VARIABLES}` and `*_file`s ([`resolve`]) and checks every value against the key it is
//! for ([`schema`], [`convert`]); then the sections check what several keys mean together.
//! Everything that is wrong is reported at once ([`Error`]), and no value is ever quoted.

mod admin;
mod appservice;
mod backfill;
mod bridges;
mod clerk;
mod console;
mod convert;
mod database;
mod error;
pub mod ghosts;
mod homeserver;
mod keys;
mod layers;
mod limits;
mod log;
mod manager;
mod masked;
mod media;
mod nearest;
mod origin;
pub mod pem;
pub mod postgres_url;
mod resolve;
mod schema;
mod server;
mod tree;
mod websocket;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use self::{
    admin::Admin,
    appservice::Appservice,
    backfill::{Backfill, MOST_DAYS, MOST_MESSAGES},
    bridges::Bridge,
    clerk::Clerk,
    console::Console,
    database::{Database, DatabaseUrl},
    error::{Error, Problem},
    homeserver::Homeserver,
    keys::ApiKeys,
    limits::Limits,
    log::{Log, LogFormat},
    manager::{Manager, OwnershipProof},
    media::Media,
    server::Server,
    websocket::Websocket,
};
use self::{
    error::{Report, file_name, unreadable},
    layers::Layer,
    resolve::Resolver,
    schema::{Key, Kind},
};

/// Every section, in the order of `config.example.yaml`.
const ROOT: &[Key] = &[
    Key::new("server", Kind::Section(server::KEYS)),
    Key::new("homeserver", Kind::Section(homeserver::KEYS)),
    Key::new("appservice", Kind::Section(appservice::KEYS)),
    Key::required("bridges", Kind::Sections(bridges::KEYS)),
    Key::new("database", Kind::Section(database::KEYS)),
    Key::new("data_dir", Kind::Path),
    Key::new("clerk", Kind::Section(clerk::KEYS)),
    Key::new("manager", Kind::Section(manager::KEYS)),
    Key::new("admin", Kind::Section(admin::KEYS)),
    Key::new("backfill", Kind::Section(backfill::KEYS)),
    Key::new("media", Kind::Section(media::KEYS)),
    Key::new("websocket", Kind::Section(websocket::KEYS)),
    Key::new("console", Kind::Section(console::KEYS)),
    Key::new("limits", Kind::Section(limits::KEYS)),
    Key::new("log", Kind::Section(log::KEYS)),
];

/// The whole configuration, as `config.example.yaml` documents it.
///
/// Serializing it masks its secrets.
#[derive(Debug, Clone, Deserialize, Serialize)]
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
    /// The web page for looking at it.
    #[serde(default)]
    pub console: Console,
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

impl Config {
    /// Loads the file at `path` with `environment` over it.
    ///
    /// Paths in the result are absolute; those in the file are relative to its folder.
    ///
    /// # Errors
    ///
    /// Lists everything that is wrong: the key, where its value came from and what would be
    /// right. Values that depend on each other are only compared once each is right alone.
    pub fn load(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let environment: BTreeMap<_, _> = environment.collect();
        let folder = path.parent().unwrap_or(Path::new(""));
        let layer = read(path)?.overridden_by(Layer::from_environment(ROOT, &environment));
        let resolver = Resolver::new(layer, &environment, path, folder);
        let (value, origins) = resolver
            .resolve(ROOT)
            .map_err(|problems| Error { problems })?;
        let mut config: Self = serde_yaml::from_value(value).map_err(|_| {
            let what = "does not fit together".to_owned();
            Error::about_file(path, file_name(path), what, "see config.example.yaml")
        })?;
        let mut report = Report::new(origins);
        config.resolve_paths(folder);
        config.clerk.complete(&mut report);
        config.check(&mut report);
        report.finish().map(|()| config)
    }

    /// The effective configuration as YAML, with its secrets masked.
    ///
    /// # Errors
    ///
    /// When it cannot be written as YAML, which no loaded configuration meets.
    pub fn to_masked_yaml(&self) -> Result<String, serde_yaml::Error> {
        serde_yaml::to_string(self)
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let mut paths = vec![&mut self.appservice.registration, &mut self.data_dir];
        paths.extend(&mut self.database.ca_file);
        paths.extend(&mut self.clerk.development_key_file);
        for path in paths {
            *path = resolve::absolute(folder, path);
        }
        self.media.resolve(folder);
    }

    fn check(&self, report: &mut Report) {
        self.server.check(report);
        self.homeserver.check(report);
        bridges::check(&self.bridges, &self.homeserver, &self.server, report);
        self.database.check(report);
        self.clerk.check(&self.server, report);
        self.manager.check(&self.server, &self.admin, report);
        self.admin.check(&self.server, report);
        self.media.check(report);
        self.log.check(report);
    }
}

/// The layer of the file at `path`.
fn read(path: &Path) -> Result<Layer, Error> {
    let name = file_name(path);
    let yaml = std::fs::read_to_string(path).map_err(|error| {
        let right = "a copy of config.example.yaml, named with --config or TRIBUTARY_CONFIG";
        let origin = "--config, TRIBUTARY_CONFIG or else the default".to_owned();
        Error::about_file(path, origin, unreadable(&error), right)
    })?;
    let is_comment = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
    if yaml.lines().all(is_comment) {
        return Ok(Layer::default());
    }
    let tree = serde_yaml::from_str(&yaml).map_err(|error| {
        let origin = error.location().map_or_else(
            || name.clone(),
            |location| format!("{name}, line {}", location.line()),
        );
        let what = format!("is no YAML ({error})");
        Error::about_file(path, origin, what, "YAML, as in config.example.yaml")
    })?;
    Ok(Layer::from_file(ROOT, &name, &yaml, tree))
}

#[cfg(test)]
mod tests;
