//! `database`: Postgres.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::{
    error::{Report, unreadable},
    masked,
    postgres_url::PostgresUrl,
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

/// What a URL looks like.
pub(super) const RIGHT: &str = "`postgres://user:password@host:5432/database`";

fn is_postgres(url: &SecretString) -> bool {
    let url = url.expose_secret();
    ["postgres://", "postgresql://"].iter().any(|scheme| {
        url.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    })
}

impl Database {
    /// The key whose URL migrations and `LISTEN` use, for messages.
    #[must_use]
    pub const fn direct_key(&self) -> &'static str {
        if self.direct_url.is_some() {
            "database.direct_url"
        } else {
            "database.url"
        }
    }

    /// A URL of this section with `ca_file` as its `sslrootcert`, unless it names one itself.
    #[must_use]
    pub fn with_ca(&self, url: &SecretString) -> SecretString {
        let Some(file) = &self.ca_file else {
            return url.clone();
        };
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        PostgresUrl::with_root(url, &file)
    }

    pub(super) fn check(&self, report: &mut Report) {
        if let DatabaseUrl::Url(url) = &self.url {
            let right = format!("{RIGHT}, or `embedded` for a private cluster under data_dir");
            self.check_url("database.url", url, &right, report);
            if self.direct_url.is_some() && PostgresUrl::is_socket(url) {
                let right = "the pooler's address and port, such as 127.0.0.1:6432";
                report.add("database.url", "is a pooler's Unix socket", right);
            }
        }
        if let Some(url) = &self.direct_url {
            if matches!(self.url, DatabaseUrl::Embedded) {
                let right = "leave it out: the embedded cluster has no pooler before it";
                report.add("database.direct_url", "goes around `embedded`", right);
            } else {
                self.check_url("database.direct_url", url, RIGHT, report);
            }
        }
        if let Some(file) = &self.ca_file {
            check_pem("database.ca_file", "", file, report);
        }
    }

    fn check_url(&self, key: &str, url: &SecretString, right: &str, report: &mut Report) {
        if !is_postgres(url) {
            report.add(key, "is no Postgres URL", right);
            return;
        }
        match PostgresUrl::parse(&self.with_ca(url)) {
            Ok(url) => {
                let own = url.ssl.root.filter(|file| self.is_not_ca_file(file));
                let (cert, private) = url.ssl.client.unzip();
                for (name, file) in [("sslrootcert", own), ("sslcert", cert), ("sslkey", private)] {
                    if let Some(file) = file {
                        check_pem(key, name, &file, report);
                    }
                }
            }
            Err(unusable) => report.add(key, unusable.what, unusable.right),
        }
    }

    fn is_not_ca_file(&self, file: &Path) -> bool {
        let ca_file = self.ca_file.as_ref();
        ca_file.is_none_or(|ca| std::path::absolute(ca).ok().as_deref() != Some(file))
    }
}

/// Whether a file can be read and has in it what it is for. `parameter` is that of the URL
/// which names it, or empty.
fn check_pem(key: &str, parameter: &str, file: &Path, report: &mut Report) {
    let label = if parameter == "sslkey" {
        "PRIVATE KEY-----"
    } else {
        "-----BEGIN CERTIFICATE-----"
    };
    let of = if parameter.is_empty() {
        String::new()
    } else {
        format!("in {parameter} ")
    };
    match std::fs::read_to_string(file) {
        Ok(pem) if pem.contains(label) => {}
        Ok(_) if parameter == "sslkey" => {
            report.add(key, "names a file in sslkey without a private key", "PEM");
        }
        Ok(_) if parameter.is_empty() => {
            report.add(key, "has no certificate in it", "a PEM file");
        }
        Ok(_) => report.add(
            key,
            format!("names a file {of}without a certificate"),
            "PEM",
        ),
        Err(error) => {
            let what = format!("names a file {of}that {}", unreadable(&error));
            report.add(key, what, "a readable PEM file");
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
