//! A bridge's provisioning API (mautrix bridgev2, `/_matrix/provision/v3`): what it says
//! of somebody's logins when it is asked, in place of when it pushes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use http_body_util::Full;
use hyper::{Request, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::client::{CallLimits, ClientError, Pace, Transport};
use crate::config;

/// What one question may cost. A bridge answers from memory.
const LIMITS: CallLimits = CallLimits {
    connect_timeout: Duration::from_secs(3),
    call_timeout: Duration::from_secs(5),
    max_list_bytes: 256 << 10,
    pace: Pace::USUAL,
};

/// The bridges that can be asked: those with a `provisioning_url`. Cheap to clone.
#[derive(Clone)]
pub struct Provisioning(Arc<BTreeMap<String, Door>>);

struct Door {
    transport: Transport,
    whoami: Url,
    /// `Bearer ` and the secret.
    authorization: header::HeaderValue,
}

/// A login that a bridge has of a Matrix user.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Login {
    /// The id on the network.
    pub id: String,
    /// The name on the network; empty when the bridge does not know it.
    #[serde(default)]
    pub name: String,
    /// Its bridge state, without the ids (mautrix `status.BridgeState`).
    #[serde(default)]
    pub state: Value,
}

/// What a bridge says of itself and of somebody.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Whoami {
    /// The server name of its homeserver.
    #[serde(default)]
    pub homeserver: String,
    /// The Matrix id of its bot.
    #[serde(default)]
    pub bridge_bot: String,
    /// What commands begin with outside of the management room.
    #[serde(default)]
    pub command_prefix: String,
    /// Where the user may talk to the bot without the prefix.
    #[serde(default)]
    pub management_room: Option<String>,
    // Go writes null for no logins; an answer without the key is no answer.
    #[serde(deserialize_with = "Option::deserialize")]
    logins: Option<Vec<Login>>,
}

/// Why a question was not answered. No variant carries a URL, a secret or a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Nobody there, not in time, or a server that cannot.
    #[error("the bridge does not answer: {0}")]
    Silent(String),
    /// Something is there, and does not answer the question. Asking again is of no use
    /// before the operator has put something right.
    #[error("the bridge's provisioning API refuses: {0}")]
    Refused(String),
}

impl Provisioning {
    /// Clients for the configured bridges.
    ///
    /// # Errors
    ///
    /// When a secret cannot stand in a header, or the system's certificates cannot be loaded.
    pub fn new(bridges: &[config::Bridge]) -> anyhow::Result<Self> {
        Self::with_limits(bridges, &LIMITS)
    }

    fn with_limits(bridges: &[config::Bridge], limits: &CallLimits) -> anyhow::Result<Self> {
        let door = |bridge: &config::Bridge| {
            let (url, secret) = bridge.provisioning()?;
            let door = Door::new(url, secret, limits);
            Some(door.map(|door| (bridge.id.clone(), door)))
        };
        let doors = bridges.iter().filter_map(door);
        Ok(Self(Arc::new(doors.collect::<anyhow::Result<_>>()?)))
    }

    /// The logins that a bridge has of a Matrix user.
    ///
    /// # Errors
    ///
    /// [`Unanswered`], also when the bridge is none that can be asked.
    pub async fn logins(&self, bridge_id: &str, user_id: &str) -> Result<Vec<Login>, Unanswered> {
        let whoami = self.whoami(bridge_id, user_id).await?;
        Ok(whoami.logins.unwrap_or_default())
    }

    /// What a bridge says of itself and of a Matrix user.
    ///
    /// # Errors
    ///
    /// [`Unanswered`], also when the bridge is none that can be asked.
    pub async fn whoami(&self, bridge_id: &str, user_id: &str) -> Result<Whoami, Unanswered> {
        let door = self.0.get(bridge_id);
        let door = door.ok_or_else(|| Unanswered::Refused("it is not configured".to_owned()))?;
        let answer = door.ask(user_id).await;
        answer.map_err(|error| Unanswered::from(&error))
    }
}

impl Door {
    fn new(url: &Url, secret: &SecretString, limits: &CallLimits) -> anyhow::Result<Self> {
        let mut whoami = url.clone();
        let base = whoami.path().trim_end_matches('/').to_owned();
        whoami.set_path(&(base + "/_matrix/provision/v3/whoami"));
        let authorization = format!("Bearer {}", secret.expose_secret());
        let mut authorization = header::HeaderValue::try_from(authorization)
            .ok()
            .context("a provisioning_secret has characters that no header can carry")?;
        authorization.set_sensitive(true);
        Ok(Self {
            transport: Transport::new(url.scheme() == "https", limits)?,
            whoami,
            authorization,
        })
    }

    async fn ask(&self, user_id: &str) -> Result<Whoami, ClientError> {
        let mut url = self.whoami.clone();
        url.query_pairs_mut()
            .clear()
            .append_pair("user_id", user_id);
        let request = Request::get(url.as_str())
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::ACCEPT, "application/json")
            .body(Full::default())
            .map_err(|_| ClientError::Invalid("request"))?;
        let body = self.transport.send(request, LIMITS.max_list_bytes).await?;
        let whoami: Whoami = serde_json::from_slice(&body).map_err(|_| ClientError::Malformed)?;
        let mut logins = whoami.logins.iter().flatten();
        let all_usable = logins.all(|login| is_usable(&login.id));
        all_usable.then_some(whoami).ok_or(ClientError::Malformed)
    }
}

/// Whether an id can be kept: it is indexed, and Postgres holds no U+0000.
fn is_usable(id: &str) -> bool {
    !id.is_empty() && id.len() <= 255 && !id.contains(char::is_control)
}

impl From<&ClientError> for Unanswered {
    fn from(error: &ClientError) -> Self {
        match error {
            ClientError::Unreachable(why) => Self::Silent(why.clone()),
            ClientError::RateLimited { .. } => Self::Silent("429".to_owned()),
            ClientError::Matrix {
                status: status @ (408 | 500..),
                ..
            } => Self::Silent(status.to_string()),
            ClientError::Matrix { status, .. } => Self::Refused(status.to_string()),
            ClientError::Forbidden => Self::Refused("403, it is disabled there".to_owned()),
            ClientError::NotFound => Self::Refused("404, is the URL right?".to_owned()),
            ClientError::UnknownToken => {
                Self::Refused("401, is the provisioning_secret right?".to_owned())
            }
            ClientError::PingRefused { .. }
            | ClientError::Malformed
            | ClientError::TooLarge { .. }
            | ClientError::Invalid(_) => Self::Refused("its answer is not one".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
