//! Matrix OpenID as proof of owning a Matrix id (Matrix S2S API, "OpenID").

use std::time::Duration;

use hyper::StatusCode;
use ruma::UserId;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{
    digest::sha256,
    fetch::{FetchError, Fetcher, Limits},
};
use crate::config::Homeserver;

/// In bytes. Homeservers make them of a few dozen.
const LONGEST_TOKEN: usize = 1024;
const LIMITS: Limits = Limits {
    timeout: Duration::from_secs(5),
    max_bytes: 64 * 1024,
};

/// What a client got from its homeserver and hands to us as a proof.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'r> {
    /// The OpenID token.
    pub access_token: &'r SecretString,
    /// The homeserver that the client says made it.
    pub matrix_server_name: Option<&'r str>,
}

/// Why a claim is not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenIdError {
    /// It is not true, says this word: 403.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// The homeserver could not say, for this reason: 503.
    #[error("the homeserver gave no answer: {0}")]
    Unavailable(&'static str),
}

/// Asks the configured homeserver, and no other: who makes us ask theirs could answer for anybody.
#[derive(Clone)]
pub struct OpenId {
    fetcher: Fetcher,
    userinfo: Url,
    server_name: String,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
}

impl OpenId {
    /// For the configured homeserver.
    ///
    /// # Errors
    ///
    /// When the system's certificates can't be had.
    pub fn new(homeserver: &Homeserver) -> std::io::Result<Self> {
        Self::with_limits(homeserver, LIMITS)
    }

    fn with_limits(homeserver: &Homeserver, limits: Limits) -> std::io::Result<Self> {
        let mut userinfo = homeserver.url.clone();
        let base = userinfo.path().trim_end_matches('/').to_owned();
        userinfo.set_path(&(base + "/_matrix/federation/v1/openid/userinfo"));
        Ok(Self {
            fetcher: Fetcher::new(limits)?,
            userinfo,
            server_name: homeserver.server_name.clone(),
        })
    }

    /// Whether `proof` shows that its bearer is `claimed`, a user of this homeserver.
    ///
    /// The token has no audience: who accepts it also keeps its [`token_hash`] for its hour.
    ///
    /// # Errors
    ///
    /// [`OpenIdError`] when it does not, or when nobody can say.
    pub async fn verify(&self, proof: Proof<'_>, claimed: &str) -> Result<(), OpenIdError> {
        self.check_claim(proof, claimed)?;
        let sub = self.subject(proof.access_token).await?;
        if sub == claimed {
            Ok(())
        } else {
            Err(OpenIdError::Refused("other_user"))
        }
    }

    fn check_claim(&self, proof: Proof<'_>, claimed: &str) -> Result<(), OpenIdError> {
        let user = <&UserId>::try_from(claimed).map_err(|_| OpenIdError::Refused("no_user_id"))?;
        let named = proof.matrix_server_name.unwrap_or(&self.server_name);
        if user.server_name().as_str() != self.server_name || named != self.server_name {
            return Err(OpenIdError::Refused("other_server"));
        }
        let token = proof.access_token.expose_secret();
        // Synapse answers 500 when it is asked of one with a U+0000 in it.
        if !(1..=LONGEST_TOKEN).contains(&token.len()) || token.contains(char::is_control) {
            return Err(OpenIdError::Refused("no_token"));
        }
        Ok(())
    }

    async fn subject(&self, token: &SecretString) -> Result<String, OpenIdError> {
        let mut url = self.userinfo.clone();
        url.query_pairs_mut()
            .clear()
            .append_pair("access_token", token.expose_secret());
        let answer = self.fetcher.get(&url).await.map_err(|error| {
            OpenIdError::Unavailable(match error {
                FetchError::Unreachable => "unreachable",
                FetchError::TimedOut => "timed_out",
                FetchError::TooLarge => "too_large",
            })
        })?;
        match answer.status {
            StatusCode::OK => serde_json::from_slice::<UserInfo>(&answer.body)
                .map(|info| info.sub)
                .map_err(|_| OpenIdError::Unavailable("unreadable")),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(OpenIdError::Refused("token_unknown"))
            }
            // A redirect or a 404 is a listener without the `openid` resource, not a wrong token.
            _ => Err(OpenIdError::Unavailable("status")),
        }
    }
}

/// What is kept of a token that has been accepted, so that it is not accepted again.
#[must_use]
pub fn token_hash(token: &SecretString) -> [u8; 32] {
    sha256("tributary/openid-token", token.expose_secret())
}

#[cfg(test)]
mod tests;
