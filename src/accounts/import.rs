//! The operator brings in an account that is linked already, elsewhere.

use diesel_async::AsyncConnection as _;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Accounts, Answer, Error, Refused,
    effects::{Act, Effects},
    identity::{check_claim, remote_id},
    link::hand_over,
    report::Claim,
};
use crate::{
    auth::clerk::is_user_id,
    db::{
        Connection, admin,
        audit::Entry,
        bridge_logins,
        connections::{self, Turn},
        ended_sessions,
    },
    matrix::bridges::Bridge,
    model::{
        connection::{Account, Status},
        new_id,
    },
};

/// Whose account it is.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Import {
    /// The Clerk user.
    #[schema(example = "user_2abc")]
    pub user_id: String,
    /// The Matrix user, of the configured homeserver.
    #[schema(example = "@alice:example.org")]
    pub matrix_user_id: String,
    /// The bridge; may be left out when there is only one.
    #[serde(default)]
    pub bridge_id: Option<String>,
    /// The id on the network: plain, or as the Matrix id of its ghost.
    #[serde(default)]
    pub bridge_user_id: Option<String>,
}

impl Accounts {
    /// Links an account as the code of a companion would. The same one may come again.
    /// `act` is committed with what it did; a refusal leaves nothing.
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`], [`Refused::Taken`] when the Matrix user is somebody else's.
    pub async fn import(&self, import: &Import, act: Entry<'_>) -> Result<Account, Error> {
        let claim = self.claim(import)?;
        let act = Act {
            actor: act.actor,
            action: act.action,
            origin: act.origin,
            at: act.at,
        };
        let mut conn = self.ingest.db.get().await?;
        let (account, settled) = conn
            .transaction::<_, Error, _>(async |conn| {
                let mut effects = Effects::default();
                let answer = self.take_over(conn, &import.user_id, claim, act, &mut effects);
                let id = answer.await??;
                let target = id.to_string();
                let details = json!({
                    "userId": import.user_id, "matrixUserId": import.matrix_user_id,
                });
                let settled = effects.settle(conn, act, Some(&target), None, details);
                let settled = settled.await?;
                let account = admin::connections::get(conn, id).await?;
                let account = account.ok_or(Refused::NotFound("connection"))?;
                Ok((account, settled))
            })
            .await?;
        drop(conn);
        self.announce(&settled);
        Ok(account)
    }

    fn claim(&self, import: &Import) -> Result<Claim, Refused> {
        if !is_user_id(&import.user_id) {
            return Err(Refused::Invalid("userId is no Clerk user id"));
        }
        let bridges = &self.ingest.bridges;
        let bridge = self.bridge_of(import.bridge_id.as_deref())?;
        // Nobody proves anything here: what a companion may not claim is no such account.
        check_claim(&import.matrix_user_id, &self.server_name, bridges).map_err(|refused| {
            match refused {
                Refused::Forbidden(reason) => Refused::Invalid(reason),
                other => other,
            }
        })?;
        let given = import.bridge_user_id.as_deref().unwrap_or_default();
        Ok(Claim {
            bridge_id: bridge.id.clone(),
            matrix_user_id: import.matrix_user_id.clone(),
            bridge_user_id: remote_id(given, bridge, &import.matrix_user_id)?,
            remote_name: None,
            status: Status::Connected,
            token_hash: None,
        })
    }

    fn bridge_of(&self, id: Option<&str>) -> Result<&Bridge, Refused> {
        let mut bridges = self.ingest.bridges.iter();
        match (id, bridges.next(), bridges.next()) {
            (Some(id), ..) => self
                .ingest
                .bridges
                .get(id)
                .ok_or(Refused::Invalid("bridgeId names no bridge")),
            (None, Some(only), None) => Ok(only),
            (None, ..) => Err(Refused::Invalid(
                "bridgeId has to say which of the bridges it is",
            )),
        }
    }

    /// The connection.
    async fn take_over(
        &self,
        conn: &mut Connection,
        user_id: &str,
        claim: Claim,
        act: Act<'_>,
        effects: &mut Effects,
    ) -> Answer<Uuid> {
        let (bridge_id, matrix_user_id) = (&claim.bridge_id, &claim.matrix_user_id);
        connections::take_turn(conn, Turn::User(user_id)).await?;
        if ended_sessions::contains(conn, user_id).await? {
            return Ok(Err(Refused::Invalid(
                "userId is of a user whom Clerk has deleted",
            )));
        }
        connections::take_turn(conn, Turn::MatrixUser(bridge_id, matrix_user_id)).await?;
        let known = connections::of_matrix_user(conn, bridge_id, matrix_user_id).await?;
        if let Some(account) = known.as_ref().filter(|account| account.user_id.is_some()) {
            if account.user_id.as_deref() != Some(user_id) {
                return Ok(Err(Refused::Taken));
            }
            self.describe(conn, account, &claim.without_a_word(), effects)
                .await?;
            return Ok(Ok(account.id));
        }
        let portals = self.lock_portals(conn, bridge_id, matrix_user_id).await?;
        let account = match known {
            Some(account) => account,
            None => {
                connections::insert_provisional(conn, new_id(), bridge_id, matrix_user_id).await?
            }
        };
        // What the bridge has said of the account counts for more than that it is there.
        let is_heard_of = !bridge_logins::list(conn, account.id).await?.is_empty();
        let claim = if is_heard_of {
            claim.without_a_word()
        } else {
            claim
        };
        self.describe(conn, &account, &claim, effects).await?;
        let id = hand_over(conn, user_id, account.id, act.at).await?;
        effects.status_changed(user_id, id);
        self.open(conn, (user_id, &claim.bridge_id), &portals, effects)
            .await?;
        self.ask(Some(user_id), &claim.bridge_id, id, effects);
        Ok(Ok(id))
    }
}

impl Claim {
    /// The same, saying nothing of how the login is doing.
    fn without_a_word(self) -> Self {
        Self {
            status: Status::Pending,
            ..self
        }
    }
}
