//! Puts the checks in order.

use std::{fs, io, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    DEVELOPMENT_ISSUER, Ended, Health, KEYS_UNAVAILABLE, Refusal, Session,
    claims::{Policy, check_claims, check_header},
    jwt::Jwt,
    keys::{KeySet, LIMITS, NoKey, RefreshError},
};
use crate::{
    auth::{
        fetch::Fetcher,
        rsa::{KeyError, PublicKey, SigningKey},
    },
    clock::Clock,
    config,
};

/// Verifies session tokens. Cheap to clone; all clones share the keys.
#[derive(Clone)]
pub struct Verifier {
    issuers: Arc<[Issuer]>,
    ended: Ended,
    clock: Clock,
}

/// Whose tokens are accepted, and how they are told from others'.
struct Issuer {
    policy: Policy,
    keys: Keys,
}

enum Keys {
    /// One key, whatever `kid` a token names.
    Fixed(Arc<PublicKey>),
    Fetched(Arc<KeySet>),
}

/// Why a configuration admits no verifier. Names the key, never what it holds.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody could ever log in.
    #[error("clerk.issuer is missing (and clerk.development_key_file too)")]
    NoIssuer,
    /// The development key's tokens would pass as Clerk's.
    #[error("clerk.issuer is the one of development tokens")]
    DevelopmentIssuer,
    /// The fixed key is none.
    #[error("clerk.jwt_key is {0}")]
    JwtKey(#[source] KeyError),
    /// The development key is none.
    #[error("clerk.development_key_file is {0}")]
    DevelopmentKey(#[source] KeyError),
    /// The development key can't be read.
    #[error("clerk.development_key_file can't be read: {0}")]
    DevelopmentKeyFile(#[source] io::Error),
    /// There is no place to fetch keys from.
    #[error("clerk.issuer is no URL, so there is no clerk.jwks_url: {0}")]
    JwksUrl(#[from] url::ParseError),
    /// The system's certificates can't be had.
    #[error("no TLS: {0}")]
    Tls(#[source] io::Error),
}

impl Verifier {
    /// From the configuration; reads the development key, fetches nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error`] when a key is bad or nothing says whose tokens to accept.
    pub fn new(config: &config::Clerk, clock: Clock) -> Result<Self, Error> {
        let mut issuers = Vec::new();
        if let Some(file) = &config.development_key_file {
            let pem = fs::read_to_string(file).map_err(Error::DevelopmentKeyFile)?;
            issuers.push(development_issuer(config, &pem.into())?);
        }
        if let Some(issuer) = &config.issuer {
            issuers.push(clerk_issuer(config, issuer.trim_end_matches('/'), &clock)?);
        }
        if issuers.is_empty() {
            return Err(Error::NoIssuer);
        }
        Ok(Self {
            issuers: issuers.into(),
            ended: Ended::default(),
            clock,
        })
    }

    /// The session of a token.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why there is none.
    pub async fn verify(&self, token: &str) -> Result<Session, Refusal> {
        let token = Jwt::split(token)?;
        let kid = check_header(&token)?;
        let issuer = token
            .claims
            .text("iss")
            .and_then(|iss| self.issuers.iter().find(|known| known.policy.issuer == iss))
            .ok_or(Refusal::Unauthorized("iss"))?;
        let claimed = check_claims(&token.claims, &issuer.policy, self.clock.now())?;
        let key = issuer.keys.find(kid).await?;
        if !key.verifies(token.message, token.signature) {
            return Err(Refusal::Unauthorized("signature"));
        }
        let session = claimed.admit()?;
        if self.ended.covers(&session) {
            return Err(Refusal::Unauthorized("session_ended"));
        }
        Ok(session)
    }

    /// The sessions whose tokens are refused although they have not expired.
    #[must_use]
    pub fn ended(&self) -> &Ended {
        &self.ended
    }

    /// Fetches the keys now instead of with the first token, if they are fetched at all.
    pub async fn load_keys(&self) -> Health {
        match self.key_set() {
            Some(set) => set.load().await,
            None => Health::Up,
        }
    }

    /// Where keys are fetched from; none when they are fixed.
    #[must_use]
    pub fn keys_url(&self) -> Option<&Url> {
        self.key_set().map(|set| set.url())
    }

    /// How many keys there are to verify with. Asks for those that are fetched, whatever is
    /// known already.
    ///
    /// # Errors
    ///
    /// When they cannot be had.
    pub async fn count_keys(&self) -> Result<usize, RefreshError> {
        let fixed = |issuer: &&Issuer| matches!(issuer.keys, Keys::Fixed(_));
        let fixed = self.issuers.iter().filter(fixed).count();
        match self.key_set() {
            Some(set) => set.count().await.map(|fetched| fixed + fetched),
            None => Ok(fixed),
        }
    }

    /// Whether keys could be had when last needed. Asks nobody.
    #[must_use]
    pub fn health(&self) -> Health {
        self.key_set().map_or(Health::Up, |set| set.health())
    }

    fn key_set(&self) -> Option<&Arc<KeySet>> {
        self.issuers.iter().find_map(|issuer| match &issuer.keys {
            Keys::Fetched(set) => Some(set),
            Keys::Fixed(_) => None,
        })
    }
}

impl Keys {
    async fn find(&self, kid: Option<&str>) -> Result<Arc<PublicKey>, Refusal> {
        match self {
            Self::Fixed(key) => Ok(Arc::clone(key)),
            Self::Fetched(set) => {
                let kid = kid.ok_or(Refusal::Unauthorized("kid"))?;
                set.find(kid).await.map_err(|error| match error {
                    NoKey::Unknown => Refusal::Unauthorized("kid_unknown"),
                    NoKey::Unavailable => Refusal::Unauthorized(KEYS_UNAVAILABLE),
                })
            }
        }
    }
}

fn clerk_issuer(config: &config::Clerk, issuer: &str, clock: &Clock) -> Result<Issuer, Error> {
    if issuer == DEVELOPMENT_ISSUER {
        return Err(Error::DevelopmentIssuer);
    }
    let keys = if let Some(pem) = &config.jwt_key {
        let key = PublicKey::from_pem(pem.expose_secret()).map_err(Error::JwtKey)?;
        Keys::Fixed(Arc::new(key))
    } else {
        let url = match &config.jwks_url {
            Some(url) => url.clone(),
            None => Url::parse(&format!("{issuer}/.well-known/jwks.json"))?,
        };
        let fetcher = Fetcher::new(LIMITS).map_err(Error::Tls)?;
        Keys::Fetched(KeySet::new(url, fetcher, clock.clone()))
    };
    Ok(Issuer {
        policy: policy(config, issuer, config.authorized_parties.clone()),
        keys,
    })
}

/// Its tokens are made on a command line, for no origin: they have no `azp` to compare.
fn development_issuer(config: &config::Clerk, pem: &SecretString) -> Result<Issuer, Error> {
    let key = SigningKey::from_pem(pem.expose_secret())
        .and_then(|key| key.public_key())
        .map_err(Error::DevelopmentKey)?;
    Ok(Issuer {
        policy: policy(config, DEVELOPMENT_ISSUER, Vec::new()),
        keys: Keys::Fixed(Arc::new(key)),
    })
}

fn policy(config: &config::Clerk, issuer: &str, authorized_parties: Vec<String>) -> Policy {
    Policy {
        issuer: issuer.to_owned(),
        authorized_parties,
        skew_seconds: config.clock_skew_seconds.into(),
        allow_impersonation: config.allow_impersonation,
    }
}
