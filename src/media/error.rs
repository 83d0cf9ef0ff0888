//! What can go wrong with the store.

use std::error::Error;

/// Why the store did not do what it was asked. In words for an operator: no variant carries
/// a key or the address of an object.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("the media store has no such object")]
    NotFound,
    /// The store knows us and refuses, or does not know us.
    #[error("the media store does not let us in")]
    Denied,
    /// The configuration names no store that can be used.
    #[error("the media store cannot be used: {0}")]
    Unusable(String),
    /// Anything else: the store is away, full or broken.
    #[error("the media store failed: {0}")]
    Failed(String),
}

/// The longest reason that is told, in characters: a store may answer with a page.
const MAX_REASON: usize = 200;

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            E::NotFound { .. } => Self::NotFound,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => Self::Denied,
            error => Self::Failed(reason(&error)),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::NotFound {
            Self::NotFound
        } else {
            Self::Failed(error.kind().to_string())
        }
    }
}

/// The innermost cause: those around it name paths and addresses.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&e| e.source());
    let innermost = causes.last().map(ToString::to_string).unwrap_or_default();
    innermost.chars().take(MAX_REASON).collect()
}
