//! The desktop companion reports a finished login and gets a code for the web page.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection as _;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Accounts, Answer, Error, Refused,
    effects::{Act, Effects},
    identity::{check_claim, remote_id, storable},
    state,
};
use crate::{
    auth::{
        codes::LinkCode,
        openid::{OpenIdError, Proof, token_hash},
    },
    config::OwnershipProof,
    db::{
        self, Connection, bridge_logins,
        connections::{self, Account, Description, Turn},
        openid_tokens,
    },
    model::{connection::Status, new_id, time},
};

const CODE_LIVES: TimeDelta = TimeDelta::minutes(10);
/// As long as the homeserver would confirm an OpenID token.
const TOKEN_LIVES: TimeDelta = TimeDelta::hours(1);
const MAX_NAME: usize = 255;

/// What the companion says of a login.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The person's Matrix id.
    #[schema(example = "@alice:example.org")]
    pub matrix_user_id: String,
    /// The bridge; the first configured one unless given.
    #[serde(default)]
    pub bridge_id: Option<String>,
    /// The id on the network: plain, or as the Matrix id of its ghost.
    #[schema(example = "1001")]
    #[serde(default)]
    pub bridge_user_id: Option<String>,
    /// The name on the network.
    #[serde(default)]
    pub remote_name: Option<String>,
    /// How the login is doing, in any case; `CONNECTED` unless given.
    #[serde(default)]
    pub status: Option<String>,
    /// The homeserver's answer to `POST /user/{userId}/openid/request_token`.
    #[serde(default)]
    pub open_id_token: Option<OpenIdToken>,
}

/// An OpenID token, as the homeserver made it. Its other fields say nothing here.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct OpenIdToken {
    /// The token.
    #[schema(value_type = String)]
    pub access_token: SecretString,
    /// The homeserver.
    #[serde(default)]
    pub matrix_server_name: Option<String>,
}

/// What the companion is told.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The connection.
    pub connection_id: Uuid,
    /// How it is doing.
    pub status: Status,
    /// What the person types on the web page; none once linked.
    #[schema(required, example = "ABCD2345")]
    pub link_code: Option<String>,
    /// Until when.
    #[serde(serialize_with = "time::milliseconds_opt")]
    #[schema(required)]
    pub link_code_expires_at: Option<DateTime<Utc>>,
}

/// What is said of a login, once it is proven and makes sense.
pub(super) struct Claim {
    pub(super) bridge_id: String,
    pub(super) matrix_user_id: String,
    pub(super) bridge_user_id: Option<String>,
    pub(super) remote_name: Option<String>,
    pub(super) status: Status,
    pub(super) token_hash: Option<[u8; 32]>,
}

impl Accounts {
    /// Takes a report in. The same one may come again: each repetition replaces the code.
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`], [`Refused::Forbidden`] for a claim that is not proven,
    /// [`Refused::TooManyReports`] from one address, [`Refused::Unavailable`] when the
    /// homeserver cannot say.
    pub async fn report(&self, report: &Report, origin: Option<IpAddr>) -> Result<Reported, Error> {
        let act = Act {
            actor: "manager",
            action: "connection.report",
            origin,
            at: self.ingest.clock.now(),
        };
        // Asks the homeserver, so it comes before the transaction.
        let claim = match self.count_report(origin, act.at).await? {
            Ok(()) => self.prove(report).await,
            Err(refused) => Err(refused),
        };
        let target = storable(&report.matrix_user_id, MAX_NAME);
        let mut conn = self.ingest.db.get().await?;
        let (answer, settled) = conn
            .transaction::<_, db::Error, _>(async |conn| {
                let mut effects = Effects::default();
                let answer = match &claim {
                    Ok(claim) => self.take(conn, claim, act.at, &mut effects).await?,
                    Err(refused) => Err(*refused),
                };
                let details = match &answer {
                    Ok(reported) => json!({"connectionId": reported.connection_id}),
                    Err(refused) => json!({"reason": refused.to_string()}),
                };
                let refused = answer.as_ref().err().copied();
                let settled = effects
                    .settle(conn, act, target.as_deref(), refused, details)
                    .await?;
                Ok((answer, settled))
            })
            .await?;
        drop(conn);
        self.announce(&settled);
        Ok(answer?)
    }

    async fn prove(&self, report: &Report) -> Result<Claim, Refused> {
        let bridges = &self.ingest.bridges;
        let bridge = match report.bridge_id.as_deref() {
            Some(id) => bridges.get(id),
            None => bridges.iter().next(),
        };
        let bridge = bridge.ok_or(Refused::Invalid("bridgeId names no bridge"))?;
        check_claim(&report.matrix_user_id, &self.server_name, bridges)?;
        let given = report.bridge_user_id.as_deref().unwrap_or_default();
        let claim = Claim {
            bridge_id: bridge.id.clone(),
            matrix_user_id: report.matrix_user_id.clone(),
            bridge_user_id: remote_id(given, bridge, &report.matrix_user_id)?,
            remote_name: report
                .remote_name
                .as_deref()
                .and_then(|name| storable(name, MAX_NAME)),
            status: match report.status.as_deref().map(str::trim) {
                // Who reports a finished login means that it works.
                None | Some("") => Status::Connected,
                Some(word) => {
                    Status::parse(word).ok_or(Refused::Invalid("status is none that there is"))?
                }
            },
            token_hash: None,
        };
        Ok(Claim {
            token_hash: self.check_proof(report).await?,
            ..claim
        })
    }

    async fn check_proof(&self, report: &Report) -> Result<Option<[u8; 32]>, Refused> {
        if self.proof == OwnershipProof::Trusted {
            return Ok(None);
        }
        let Some(token) = &report.open_id_token else {
            return Err(Refused::Forbidden(
                "an OpenID token has to prove matrixUserId",
            ));
        };
        let proof = Proof {
            access_token: &token.access_token,
            matrix_server_name: token.matrix_server_name.as_deref(),
        };
        match self.openid.verify(proof, &report.matrix_user_id).await {
            Ok(()) => Ok(Some(token_hash(&token.access_token))),
            Err(OpenIdError::Refused(_)) => Err(Refused::Forbidden(
                "the OpenID token does not prove matrixUserId",
            )),
            Err(OpenIdError::Unavailable(_)) => {
                Err(Refused::Unavailable("the homeserver could not be asked"))
            }
        }
    }

    async fn take(
        &self,
        conn: &mut Connection,
        claim: &Claim,
        now: DateTime<Utc>,
        effects: &mut Effects,
    ) -> Answer<Reported> {
        let (bridge_id, matrix_user_id) = (&claim.bridge_id, &claim.matrix_user_id);
        connections::take_turn(conn, Turn::MatrixUser(bridge_id, matrix_user_id)).await?;
        let known = connections::of_matrix_user(conn, bridge_id, matrix_user_id).await?;
        if let Some(hash) = claim.token_hash {
            let new = openid_tokens::remember(conn, &hash, now, now + TOKEN_LIVES).await?;
            // A companion repeats its report, token and all. But a proof that
            // has opened a connection must not open the next one.
            if !new && known.is_none() {
                return Ok(Err(Refused::Forbidden("the OpenID token was used before")));
            }
        }
        let account = match known {
            Some(account) => account,
            None => {
                connections::insert_provisional(conn, new_id(), bridge_id, matrix_user_id).await?
            }
        };
        self.describe(conn, &account, claim, effects).await?;
        self.ask(account.user_id.as_deref(), bridge_id, account.id, effects);
        let status = connections::of_matrix_user(conn, bridge_id, matrix_user_id)
            .await?
            .map_or(account.status(), |account| account.status());
        let mut reported = Reported {
            connection_id: account.id,
            status,
            link_code: None,
            link_code_expires_at: None,
        };
        if !account.is_linked() {
            let Ok(code) = LinkCode::random() else {
                return Ok(Err(Refused::Unavailable(
                    "there is no randomness for a code",
                )));
            };
            let expires_at = now + CODE_LIVES;
            connections::set_code(conn, account.id, &code.hash(), expires_at).await?;
            reported.link_code = Some(code.expose().to_owned());
            reported.link_code_expires_at = Some(expires_at);
        }
        Ok(Ok(reported))
    }

    /// Writes down what the companion says of the login.
    pub(super) async fn describe(
        &self,
        conn: &mut Connection,
        account: &Account,
        claim: &Claim,
        effects: &mut Effects,
    ) -> db::Result<()> {
        let described = claim.description().adds_to(account);
        let owner = account.user_id.as_deref().filter(|_| account.is_linked());
        let is_new_ghost = described
            && claim.bridge_user_id.is_some()
            && claim.bridge_user_id != account.bridge_user_id;
        let portals = match owner {
            Some(_) if is_new_ghost => {
                self.lock_portals(conn, &claim.bridge_id, &claim.matrix_user_id)
                    .await?
            }
            _ => Vec::new(),
        };
        if described {
            connections::describe(conn, account.id, claim.description()).await?;
        }
        let restated = self.word(conn, account, claim).await?;
        if let Some(owner) = owner.filter(|_| described || restated) {
            effects.status_changed(owner, account.id);
            if !portals.is_empty() {
                self.reopen(conn, owner, &portals, effects).await?;
            }
        }
        Ok(())
    }

    /// The companion's word counts as the bridge's; says whether the status is another one now.
    async fn word(
        &self,
        conn: &mut Connection,
        account: &Account,
        claim: &Claim,
    ) -> db::Result<bool> {
        let remote_id = claim
            .bridge_user_id
            .as_ref()
            .or(account.bridge_user_id.as_ref());
        let remote_id = remote_id.map_or("", String::as_str);
        let known = bridge_logins::list(conn, account.id).await?;
        if let Some(login) = state::reported(remote_id, claim.status, &known) {
            bridge_logins::put(conn, account.id, &login).await?;
        }
        let (_, is_new) = self.restate(conn, account).await?;
        Ok(is_new)
    }
}

impl Claim {
    fn description(&self) -> Description<'_> {
        Description {
            bridge_user_id: self.bridge_user_id.as_deref(),
            remote_name: self.remote_name.as_deref(),
        }
    }
}
