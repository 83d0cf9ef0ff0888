//! PURE: what an answer of the homeserver's means to whoever asked.

use anyhow::anyhow;

use crate::{config::Config, matrix::client::ClientError};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Something with the `as_token`.
    AsTributary,
    /// Something with the token of `--token-file`.
    WithToken,
    /// An account, with the shared secret.
    Account,
    /// The list of accounts.
    Accounts,
}

/// Says it, with what is to be put right.
pub(super) fn explain(error: &ClientError, asked: Asked, config: &Config) -> anyhow::Error {
    let url = config.homeserver.url.origin().ascii_serialization();
    match words(error, asked) {
        Some(words) => anyhow!("{words}"),
        None => anyhow!("{error} (asked at {url})"),
    }
}

fn words(error: &ClientError, asked: Asked) -> Option<&'static str> {
    use Asked::{Account, Accounts, AsTributary, WithToken};
    let (status, errcode) = match error {
        ClientError::Forbidden => (403, "M_FORBIDDEN"),
        ClientError::NotFound => (404, "M_NOT_FOUND"),
        ClientError::UnknownToken => (401, ""),
        ClientError::Matrix { status, errcode } => {
            (*status, errcode.as_deref().unwrap_or_default())
        }
        _ => return None,
    };
    Some(match (asked, status, errcode) {
        (Account | Accounts, 404 | 405, _) => {
            "there is no Synapse admin API at homeserver.url: name Synapse itself there, since a \
             reverse proxy should keep /_synapse/admin inside"
        }
        (Account, 403, _) => {
            "the homeserver does not accept this secret: it has to be the registration_shared_secret of its homeserver.yaml"
        }
        (Account, _, "M_USER_IN_USE") => "there is such an account already",
        (Account, _, "M_INVALID_USERNAME") => "the homeserver does not take this name",
        (Account, _, "M_EXCLUSIVE") => "the name belongs to a bridge",
        (Account, 400, "M_UNKNOWN") => {
            "the homeserver makes no accounts: set registration_shared_secret in its homeserver.yaml, and restart it"
        }
        (Accounts, 403, _) => {
            "the token is not an administrator's: `tributary homeserver add-user --admin --token-out` makes one"
        }
        (AsTributary, 401, _) => {
            "the homeserver does not accept the as_token: `tributary doctor` says what to do"
        }
        (_, 401, _) => "the homeserver does not accept the token of --token-file",
        (AsTributary, 403, _) => {
            "the homeserver forbids it: the user is not in that room, may not do it there, or is \
             outside of the registration's namespaces"
        }
        (WithToken, 403, _) => {
            "the homeserver forbids it: the user is not in that room, or may not do it there"
        }
        (AsTributary | WithToken, 404, _) => "the homeserver knows no such room or user",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_means_what_was_asked_for() {
        let matrix = |status, errcode: &str| ClientError::Matrix {
            status,
            errcode: Some(errcode.to_owned()),
        };
        for (error, asked, said) in [
            (
                matrix(403, "M_UNKNOWN"),
                Asked::Account,
                "registration_shared_secret of",
            ),
            (
                matrix(400, "M_UNKNOWN"),
                Asked::Account,
                "set registration_shared_secret",
            ),
            (matrix(400, "M_USER_IN_USE"), Asked::Account, "already"),
            (
                matrix(404, "M_UNRECOGNIZED"),
                Asked::Account,
                "reverse proxy",
            ),
            (
                ClientError::Forbidden,
                Asked::Accounts,
                "not an administrator's",
            ),
            (ClientError::UnknownToken, Asked::Accounts, "--token-file"),
            (
                ClientError::UnknownToken,
                Asked::AsTributary,
                "tributary doctor",
            ),
            (ClientError::Forbidden, Asked::AsTributary, "namespaces"),
            (ClientError::Forbidden, Asked::WithToken, "may not do it"),
            (ClientError::NotFound, Asked::WithToken, "no such room"),
        ] {
            let words = words(&error, asked).unwrap();
            assert!(words.contains(said), "{asked:?} {error}: {words}");
        }
        assert_eq!(words(&ClientError::Malformed, Asked::Account), None);
        assert_eq!(words(&matrix(500, "M_UNKNOWN"), Asked::WithToken), None);
    }
}
