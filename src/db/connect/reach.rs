//! Whether the server is there, and if not, whether it is worth asking again.

use std::time::Duration;

use secrecy::SecretString;

use super::{Connector, Trouble};
use crate::db::migrate::place;

/// How long a server may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nobody was let in.
#[derive(Debug, thiserror::Error)]
#[error("could not connect to the database{place}: {trouble}")]
pub struct Unreachable {
    place: String,
    trouble: Trouble,
}

impl Unreachable {
    /// Whether the same [may work later](Trouble::is_away).
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.trouble.is_away()
    }
}

/// Connects to where `url` leads, once, and leaves again.
///
/// # Errors
///
/// When nobody is let in within five seconds, or the URL cannot be used.
pub async fn reach(url: &SecretString) -> Result<(), Unreachable> {
    let unreachable = |trouble| Unreachable {
        place: place(url),
        trouble,
    };
    let connector = Connector::new(url).map_err(|error| unreachable(Trouble::lasting(error)))?;
    match tokio::time::timeout(PATIENCE, connector.open()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(unreachable(Trouble::from(&error))),
        Err(_) => Err(unreachable(Trouble::passing("it does not answer"))),
    }
}
