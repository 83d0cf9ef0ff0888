//! `database`: Postgres.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::{
    error::{Report, unreadable},
    masked,
    schema::{Key, Kind},
};

pub(super) const KEYS: &[Key] = &[
    Key::required("url", Kind::Secret),
    Key::new("direct_url", Kind::Secret),
    Key::new("pool_size", Kind::Number(1, 1000)),
    Key::new("ca_file", Kind::Path),
];

/// `database`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// A connection URL, or `embedded`.
    pub url: DatabaseUrl,
    /// A URL around a transaction pooler, for migrations and `LISTEN`; `url` unless given.
    #[serde(default, serialize_with = "shown_url")]
    pub direct_url: Option<SecretString>,
    /// Connections in the pool of one replica.
    #[serde(default = "default_pool_size")]
    pub pool_size: usize,
    /// A PEM file with the certificate authority of the server.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// Where the database is.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "SecretString")]
pub enum DatabaseUrl {
    /// A private cluster under `data_dir`.
    Embedded,
    /// A server of somebody else's.
    Url(SecretString),
}

impl From<SecretString> for DatabaseUrl {
    fn from(url: SecretString) -> Self {
        if url.expose_secret() == "embedded" {
            Self::Embedded
        } else {
            Self::Url(url)
        }
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Embedded => serializer.serialize_str("embedded"),
            Self::Url(url) => {
                serializer.serialize_str(&masked::without_secrets(url.expose_secret()))
            }
        }
    }
}

#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
fn shown_url<S: Serializer>(url: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    let url = url.as_ref();
    url.map(|url| masked::without_secrets(url.expose_secret()))
        .serialize(serializer)
}

fn is_postgres(url: &SecretString) -> bool {
    let url = url.expose_secret();
    ["postgres://", "postgresql://"].iter().any(|scheme| {
        url.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    })
}

impl Database {
    pub(super) fn check(&self, report: &mut Report) {
        const RIGHT: &str = "`postgres://user:password@host:5432/database`";
        if let DatabaseUrl::Url(url) = &self.url
            && !is_postgres(url)
        {
            let right = format!("{RIGHT}, or `embedded` for a private cluster under data_dir");
            report.add("database.url", "is no Postgres URL", right);
        }
        if let Some(url) = &self.direct_url {
            if matches!(self.url, DatabaseUrl::Embedded) {
                let right = "leave it out: the embedded cluster has no pooler before it";
                report.add("database.direct_url", "goes around `embedded`", right);
            } else if !is_postgres(url) {
                report.add("database.direct_url", "is no Postgres URL", RIGHT);
            }
        }
        if let Some(file) = &self.ca_file {
            match std::fs::read_to_string(file) {
                Ok(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => {}
                Ok(_) => report.add("database.ca_file", "has no certificate in it", "a PEM file"),
                Err(error) => {
                    let what = format!("names a file that {}", unreadable(&error));
                    report.add("database.ca_file", what, "a readable PEM file");
                }
            }
        }
    }
}

fn default_pool_size() -> usize {
    10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(url: &str, direct_url: Option<&str>) -> Vec<String> {
        let mut report = Report::default();
        let database = Database {
            url: SecretString::from(url).into(),
            direct_url: direct_url.map(SecretString::from),
            pool_size: 1,
            ca_file: None,
        };
        database.check(&mut report);
        report.keys().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn urls_are_postgres_or_embedded() {
        for right in ["embedded", "postgres://h/d", "postgresql:///d?host=/run"] {
            assert!(wrong(right, None).is_empty(), "{right}");
        }
        for url in ["mysql://h/d", "Embedded", "postgres://", "host=h"] {
            assert_eq!(wrong(url, None), ["database.url"], "{url}");
        }
    }

    #[test]
    fn a_direct_url_goes_around_a_pooler_only() {
        assert!(wrong("postgres://pooler/d", Some("postgres://h/d")).is_empty());
        assert_eq!(
            wrong("postgres://pooler/d", Some("h")),
            ["database.direct_url"]
        );
        assert_eq!(
            wrong("embedded", Some("postgres://h/d")),
            ["database.direct_url"]
        );
    }
}
