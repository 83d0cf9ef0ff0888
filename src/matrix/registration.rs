//! The application service registration: the file that Tributary and the homeserver share.
//! See the Matrix specification, Application Service API, "Registration".

use std::{fmt::Write as _, io, path::Path};

use rand::TryCryptoRng;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::config::{Bridge, Config, ghosts};

/// The `id` and `sender_localpart` of a generated registration.
const NAME: &str = "tributary";

/// What stands above a generated registration.
const HEADER: &str = "\
# The registration of Tributary as an application service of the homeserver.
# The homeserver loads this same file; both tokens are secrets.
";

/// A registration. `Debug` shows no token.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Registration {
    /// The unique name of the application service on its homeserver.
    pub id: String,
    /// Where the homeserver reaches it, without a slash at its end; `None` is never called.
    pub url: Option<String>,
    /// What it sends to the homeserver.
    #[serde(serialize_with = "exposed")]
    pub as_token: SecretString,
    /// What the homeserver sends to it.
    #[serde(serialize_with = "exposed")]
    pub hs_token: SecretString,
    /// The localpart of its own user, which joins nothing.
    pub sender_localpart: String,
    /// Whether the homeserver limits the rate of its requests.
    #[serde(default)]
    pub rate_limited: bool,
    /// Whether typing and receipts are pushed, as `ephemeral` (Matrix 1.13).
    #[serde(default)]
    pub receive_ephemeral: bool,
    /// The same before it was stable (MSC2409).
    #[serde(default, rename = "de.sorunome.msc2409.push_ephemeral")]
    pub push_ephemeral: bool,
    /// Third-party protocols it provides; none.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Whose events are pushed.
    #[serde(default)]
    pub namespaces: Namespaces,
}

/// Whose events are pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Namespaces {
    /// By members of the room.
    pub users: Vec<Namespace>,
    /// By aliases of the room.
    pub aliases: Vec<Namespace>,
    /// By the id of the room.
    pub rooms: Vec<Namespace>,
}

/// One regular expression of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Namespace {
    /// Whether nobody else may have these ids: never so here, they are the bridge's.
    pub exclusive: bool,
    /// Matched from the start of the id, by Synapse with Python's `re`.
    pub regex: String,
}

/// Why a registration cannot be loaded. Says nothing about its content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("there is no {0}: write it with `tributary generate-registration`")]
    Missing(String),
    /// It cannot be read.
    #[error("{file} cannot be read: {source}")]
    Unreadable {
        /// The file's name.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// It is no registration.
    #[error("{file}{}: is no registration: {what}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Invalid {
        /// The file's name.
        file: String,
        /// The line, from 1, when it is known.
        line: Option<usize>,
        /// What is wrong.
        what: &'static str,
    },
}

impl Registration {
    /// Loads the file at `path`.
    ///
    /// # Errors
    ///
    /// When it is missing, cannot be read, or is no registration.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let yaml = std::fs::read_to_string(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing(file.clone()),
            _ => Error::Unreadable {
                file: file.clone(),
                source,
            },
        })?;
        // serde's own message would quote a token that is not a string.
        let registration: Self = serde_yaml::from_str(&yaml).map_err(|error| Error::Invalid {
            file: file.clone(),
            line: error.location().map(|location| location.line()),
            what: "it needs id, url, as_token, hs_token and sender_localpart",
        })?;
        match registration.mistake() {
            None => Ok(registration),
            Some(what) => Err(Error::Invalid {
                file,
                line: None,
                what,
            }),
        }
    }

    fn mistake(&self) -> Option<&'static str> {
        let (ours, theirs) = (self.as_token.expose_secret(), self.hs_token.expose_secret());
        if self.id.is_empty() || self.sender_localpart.is_empty() {
            Some("id or sender_localpart is empty")
        } else if ours.is_empty() || theirs.is_empty() {
            Some("as_token or hs_token is empty")
        } else if ours == theirs {
            Some("as_token and hs_token are the same")
        } else {
            None
        }
    }

    /// A registration for this configuration, with fresh tokens.
    ///
    /// # Errors
    ///
    /// When there is no randomness to be had.
    pub fn generate<R: TryCryptoRng + ?Sized>(
        config: &Config,
        rng: &mut R,
    ) -> Result<Self, R::Error> {
        Ok(Self {
            id: NAME.to_owned(),
            url: Some(
                config
                    .server
                    .public_url
                    .as_str()
                    .trim_end_matches('/')
                    .to_owned(),
            ),
            as_token: token(rng)?,
            hs_token: token(rng)?,
            sender_localpart: NAME.to_owned(),
            rate_limited: false,
            receive_ephemeral: true,
            push_ephemeral: true,
            protocols: Vec::new(),
            namespaces: Namespaces {
                users: config.bridges.iter().flat_map(users).collect(),
                ..Namespaces::default()
            },
        })
    }

    /// The file's text, with its tokens.
    ///
    /// # Errors
    ///
    /// When it cannot be written as YAML.
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        Ok(format!("{HEADER}{}", serde_yaml::to_string(self)?))
    }
}

/// The namespaces of a bridge's bot and ghosts, anchored because Synapse only matches the
/// beginning by itself.
#[must_use]
pub fn users(bridge: &Bridge) -> [Namespace; 2] {
    // A loaded configuration has only expressions that convert.
    let ghosts = ghosts::plain(&bridge.ghosts).unwrap_or_else(|_| bridge.ghosts.clone());
    let ghosts = if ghosts.contains('|') {
        format!("(?:{ghosts})")
    } else {
        ghosts
    };
    [regex::escape(&bridge.bot), ghosts].map(|regex| Namespace {
        exclusive: false,
        regex: format!("^{regex}$"),
    })
}

/// 256 random bits, in hexadecimal.
fn token<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<SecretString, R::Error> {
    let mut bytes = [0; 32];
    rng.try_fill_bytes(&mut bytes)?;
    let mut token = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    Ok(token.into())
}

fn exposed<S: Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}

#[cfg(test)]
mod tests;
