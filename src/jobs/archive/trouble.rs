//! Why a file was not copied, and whose fault that is.

use crate::{
    db::{self, media::archive::Settled},
    matrix::client::{ClientError, Retry},
    media::{StoreError, decrypt::DecryptError},
};

/// Why a file was not copied, in words without an address.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Homeserver(#[from] ClientError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error(transparent)]
    Encryption(#[from] DecryptError),
    #[error("larger than media.max_bytes")]
    TooLarge,
    #[error("{0} is not in media.allowed_types")]
    NotAllowed(String),
    #[error("it takes too long")]
    Slow,
    /// The same content is being deleted, or the upload was taken for dead.
    #[error("its place in the store is not free yet")]
    Taken,
}

impl From<db::QueryError> for Trouble {
    fn from(error: db::QueryError) -> Self {
        Self::Database(error.into())
    }
}

impl Trouble {
    /// What the file is, if another try would end in the same way.
    pub(super) fn verdict(&self) -> Option<Settled> {
        match self {
            Self::TooLarge => Some(Settled::TooLarge),
            Self::NotAllowed(_) => Some(Settled::Forbidden),
            Self::Encryption(_) => Some(Settled::Failed),
            Self::Homeserver(error) => of_homeserver(error),
            _ => None,
        }
    }

    /// When the homeserver wants to be left alone, whichever file it is.
    pub(super) fn asks_to_wait(&self) -> Option<Retry> {
        match self {
            Self::Homeserver(
                error @ (ClientError::RateLimited { .. } | ClientError::UnknownToken),
            ) => Some(error.retry()),
            _ => None,
        }
    }
}

fn of_homeserver(error: &ClientError) -> Option<Settled> {
    match error {
        ClientError::NotFound => Some(Settled::Missing),
        ClientError::Forbidden => Some(Settled::Forbidden),
        ClientError::Matrix { status: 413, .. } => Some(Settled::TooLarge),
        ClientError::Invalid(_) => Some(Settled::Failed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_will_not_change_is_settled() {
        let refused = |status| ClientError::Matrix {
            status,
            errcode: Some("M_UNKNOWN".to_owned()),
        };
        for (error, settled) in [
            (ClientError::NotFound, Some(Settled::Missing)),
            (ClientError::Forbidden, Some(Settled::Forbidden)),
            (refused(413), Some(Settled::TooLarge)),
            (refused(404), None),
            (refused(504), None),
            (ClientError::UnknownToken, None),
            (ClientError::Unreachable(String::new()), None),
        ] {
            assert_eq!(Trouble::from(error).verdict(), settled);
        }
        let differs = Trouble::from(DecryptError::Differs);
        assert_eq!(differs.verdict(), Some(Settled::Failed));
        assert_eq!(Trouble::Slow.verdict(), None);
    }

    #[test]
    fn only_a_homeserver_that_asks_for_it_stops_the_others() {
        let pause = Duration::from_secs(7);
        let limited = |retry_after| Trouble::from(ClientError::RateLimited { retry_after });
        assert_eq!(
            limited(Some(pause)).asks_to_wait(),
            Some(Retry::After(pause))
        );
        assert_eq!(limited(None).asks_to_wait(), Some(Retry::Later));
        assert_eq!(Trouble::from(ClientError::Malformed).asks_to_wait(), None);
        assert_eq!(Trouble::Taken.asks_to_wait(), None);
    }
}
