//! An API key, or several of them while one is rotated.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::{Server, error::Report, masked::MASK};

/// A shorter key can be guessed, or is a placeholder that somebody forgot.
pub(super) const SHORTEST: usize = 16;

/// One key or a list; with none, what it opens stays closed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct ApiKeys(pub Vec<SecretString>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(SecretString),
    Many(Vec<SecretString>),
}

impl From<OneOrMany> for ApiKeys {
    fn from(keys: OneOrMany) -> Self {
        match keys {
            OneOrMany::One(key) => Self(vec![key]),
            OneOrMany::Many(keys) => Self(keys),
        }
    }
}

impl Serialize for ApiKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|_| MASK))
    }
}

impl ApiKeys {
    pub(super) fn check(&self, path: &str, server: &Server, report: &mut Report) {
        for key in &self.0 {
            check_length(key, path, server, report);
        }
    }

    /// Whether both hold the same key.
    pub(super) fn share_one(&self, other: &Self) -> bool {
        self.0.iter().any(|key| {
            other
                .0
                .iter()
                .any(|o| o.expose_secret() == key.expose_secret())
        })
    }
}

/// Refuses a secret shorter than [`SHORTEST`]; on loopback, where one develops, any
/// that is not empty will do.
pub(super) fn check_length(
    secret: &SecretString,
    path: &str,
    server: &Server,
    report: &mut Report,
) {
    let shortest = if server.is_loopback() { 1 } else { SHORTEST };
    if secret.expose_secret().chars().count() < shortest {
        let right = format!("at least {SHORTEST} characters, such as `openssl rand -hex 32` gives");
        report.add(path, "is too short", right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keys_are_refused_one_by_one() {
        let keys = ["0123456789abcdef", "", "changeme"];
        let keys = ApiKeys(keys.into_iter().map(SecretString::from).collect());
        let open = Server {
            bind: "0.0.0.0:29330".parse().unwrap(),
            ..Server::default()
        };
        for (server, refused) in [(open, 2), (Server::default(), 1)] {
            let mut report = Report::default();
            keys.check("admin.api_key", &server, &mut report);
            assert_eq!(report.keys(), vec!["admin.api_key"; refused]);
        }
    }
}
