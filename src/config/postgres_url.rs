//! A Postgres URL, taken apart: where the server is, and how far it is trusted.
//!
//! The parameters are libpq's. What concerns TLS is read here, since tokio-postgres knows only
//! half of it; the rest is left to it. Where libpq would quietly do less than the URL seems to
//! ask for, the URL is refused.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::{Host, SslMode as Offer};
use url::form_urlencoded;

/// A Postgres URL that can be used.
#[derive(Debug, Clone)]
pub struct PostgresUrl {
    /// Everything but TLS.
    pub server: tokio_postgres::Config,
    /// TLS.
    pub ssl: Ssl,
}

/// How a connection is encrypted, and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssl {
    /// `sslmode`.
    pub mode: SslMode,
    /// `sslrootcert`: the file of the authorities that are trusted; none for the system's.
    pub root: Option<PathBuf>,
    /// `sslcert` and `sslkey`: the files of the certificate that is shown to the server.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// `sslmode`, in the order of what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// In the clear.
    Disable,
    /// Encrypted if the server can, whoever it is. The default.
    Prefer,
    /// Encrypted, whoever the server is.
    Require,
    /// Encrypted, with a certificate of a trusted authority, for whatever name.
    VerifyCa,
    /// Encrypted, with a certificate of a trusted authority for the name that was dialled.
    VerifyFull,
}

/// Why a URL cannot be used: what is wrong, to be read after its key, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; right would be: {right}")]
pub struct Unusable {
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub right: String,
}

const MODES: &str = "`disable`, `prefer`, `require`, `verify-ca` or `verify-full`";

fn wrong(what: impl Into<String>, right: impl Into<String>) -> Unusable {
    Unusable {
        what: what.into(),
        right: right.into(),
    }
}

/// What a URL says of TLS, as it says it.
#[derive(Default)]
struct Said {
    mode: Option<SslMode>,
    root: Option<String>,
    cert: Option<String>,
    key: Option<String>,
}

impl PostgresUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// When it is none, has a parameter that is not known, or asks for what contradicts itself.
    pub fn parse(url: &SecretString) -> Result<Self, Unusable> {
        let (place, query) = split(url.expose_secret());
        let mut said = Said::default();
        let mut rest = Vec::new();
        for (pair, name, value) in pairs(query) {
            match &*name {
                "sslmode" => said.mode = Some(mode(&value)?),
                "sslrootcert" => said.root = Some(value),
                "sslcert" => said.cert = Some(value),
                "sslkey" => said.key = Some(value),
                name => {
                    is_known(name)?;
                    rest.push(pair);
                }
            }
        }
        let server = format!("{place}?{}", rest.join("&")).parse();
        let server: tokio_postgres::Config =
            server.map_err(|_| wrong("is no Postgres URL", super::database::RIGHT))?;
        let ssl = said.decide()?;
        Ok(Self { server, ssl }.in_the_clear_on_sockets())
    }

    /// Whether the URL names nothing but Unix sockets.
    pub(super) fn is_socket(url: &SecretString) -> bool {
        Self::parse(url).is_ok_and(|url| {
            let hosts = url.server.get_hosts();
            !hosts.is_empty() && hosts.iter().all(|host| matches!(host, Host::Unix(_)))
        })
    }

    /// The URL with `file` as its `sslrootcert`, unless it names one.
    pub(super) fn with_root(url: &SecretString, file: &Path) -> SecretString {
        let (place, query) = split(url.expose_secret());
        if pairs(query).any(|(_, name, _)| name == "sslrootcert") {
            return url.clone();
        }
        let root = form_urlencoded::Serializer::new(String::new())
            .append_pair("sslrootcert", &file.to_string_lossy())
            .finish()
            .replace('+', "%20");
        let and = if query.is_empty() { "" } else { "&" };
        format!("{place}?{query}{and}{root}").into()
    }

    /// Postgres has no TLS on Unix sockets; libpq ignores `sslmode` there, and so do we.
    fn in_the_clear_on_sockets(mut self) -> Self {
        let hosts = self.server.get_hosts();
        if !hosts.is_empty() && hosts.iter().all(|host| matches!(host, Host::Unix(_))) {
            self.ssl.mode = SslMode::Disable;
        }
        self.server.ssl_mode(match self.ssl.mode {
            SslMode::Disable => Offer::Disable,
            SslMode::Prefer => Offer::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Offer::Require,
        });
        self
    }
}

impl Said {
    fn decide(self) -> Result<Ssl, Unusable> {
        let is_system = self.root.as_deref() == Some("system");
        let names_roots = self.root.is_some();
        let root = self.root.filter(|_| !is_system);
        let root = root.map(|file| absolute("sslrootcert", file)).transpose()?;
        // Who names an authority wants it asked for.
        let unsaid = if names_roots {
            SslMode::VerifyFull
        } else {
            SslMode::Prefer
        };
        let mode = match (self.mode.unwrap_or(unsaid), &root) {
            (SslMode::Prefer, Some(_)) => {
                let what = "names an authority, and talks in the clear to a server without TLS";
                return Err(wrong(what, "sslmode=verify-full, or no authority"));
            }
            (SslMode::VerifyCa, None) => {
                let what = "trusts a certificate of any public authority for any name";
                return Err(wrong(
                    what,
                    "sslmode=verify-full, or an authority of your own",
                ));
            }
            (SslMode::Prefer | SslMode::Require, None) if is_system => {
                let what = "names the system's authorities, and does not ask for the name";
                return Err(wrong(what, "sslmode=verify-full"));
            }
            // As in libpq.
            (SslMode::Require, Some(_)) => SslMode::VerifyCa,
            (mode, _) => mode,
        };
        let client = match (self.cert, self.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((absolute("sslcert", cert)?, absolute("sslkey", key)?)),
            _ => return Err(wrong("has one of sslcert and sslkey", "both, or neither")),
        };
        Ok(Ssl { mode, root, client })
    }
}

/// What is before the parameters, and they. A `?` in a password is none that begins them, as
/// tokio-postgres reads it.
fn split(url: &str) -> (&str, &str) {
    let from = url.find('@').unwrap_or(0);
    match url[from..].find('?') {
        Some(at) => (&url[..from + at], &url[from + at + 1..]),
        None => (url, ""),
    }
}

/// The parameters, as they stand there, and by name and value. `+` is only a space in forms,
/// which is not how Postgres reads a URL.
fn pairs(query: &str) -> impl Iterator<Item = (&str, String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.filter_map(|pair| {
        let plain = pair.replace('+', "%2B");
        let (name, value) = form_urlencoded::parse(plain.as_bytes()).next()?;
        Some((pair, name.into_owned(), value.into_owned()))
    })
}

fn mode(value: &str) -> Result<SslMode, Unusable> {
    Ok(match value {
        "disable" => SslMode::Disable,
        "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        "allow" => {
            let what = "has sslmode=allow, which encrypts only for a server that insists";
            return Err(wrong(what, MODES));
        }
        _ => return Err(wrong("has an sslmode that there is not", MODES)),
    })
}

/// Relative to what, somebody who reads the URL in another folder would not know.
fn absolute(name: &str, file: String) -> Result<PathBuf, Unusable> {
    if Path::new(&file).is_absolute() {
        return Ok(PathBuf::from(file));
    }
    let what = format!("has a relative path in {name}");
    let right = "an absolute one, or database.ca_file, which is relative to the configuration";
    Err(wrong(what, right))
}

/// Those that tokio-postgres knows.
const KNOWN: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

fn is_known(name: &str) -> Result<(), Unusable> {
    if KNOWN.contains(&name) {
        return Ok(());
    }
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let what = if is_word && name.len() <= 40 {
        format!("has a parameter that is not known here, {name}")
    } else {
        "has a parameter that is not known here".to_owned()
    };
    Err(wrong(
        what,
        match name {
            "pgbouncer" | "statement_cache_size" | "prepareThreshold" => {
                "leave it out, and give database.direct_url: then url is used as through a pooler"
            }
            "connection_limit" | "pool_timeout" => "leave it out; database.pool_size is ours",
            "schema" | "currentSchema" => "leave it out: the schema is `tributary`",
            "sslpassword" => "leave it out, with a key that is not encrypted",
            _ => "leave it out",
        },
    ))
}

#[cfg(test)]
mod tests;
