//! Whether the server is there, and if not, whether it is worth asking again.

use std::time::Duration;

use secrecy::SecretString;

use super::{Connector, refusal};
use crate::db::migrate::place;

/// How long a server may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nobody was let in.
#[derive(Debug, thiserror::Error)]
#[error("could not connect to the database{place}: {reason}")]
pub struct Unreachable {
    place: String,
    reason: String,
    is_away: bool,
}

impl Unreachable {
    /// Whether nothing is wrong but that the server is not there, is starting, or is full: the
    /// same may work later. What it refuses, such as a password, it will refuse again.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_away
    }
}

/// Connects to where `url` leads, once, and leaves again.
///
/// # Errors
///
/// When nobody is let in within five seconds, or the URL cannot be used.
pub async fn reach(url: &SecretString) -> Result<(), Unreachable> {
    let unreachable = |reason: String, is_away| Unreachable {
        place: place(url),
        reason,
        is_away,
    };
    let connector = Connector::new(url).map_err(|error| unreachable(error.to_string(), false))?;
    match tokio::time::timeout(PATIENCE, connector.open()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(unreachable(
            refusal::explain(&error),
            refusal::is_away(&error),
        )),
        Err(_) => Err(unreachable("it does not answer".to_owned(), true)),
    }
}
