//! A signed-in person redeems a code: the connection becomes theirs.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection as _;
use serde_json::json;
use uuid::Uuid;

use super::{
    Accounts, Answer, Error, Refused,
    attempts::count_code,
    effects::{Act, Effects},
};
use crate::{
    auth::codes::LinkCode,
    db::{
        self, Connection,
        connections::{self, Turn},
        ended_sessions, link_attempts, read,
    },
    model::connection::Connection as View,
};

impl Accounts {
    /// Redeems a code. Sent again by the same user it is redeemed already.
    ///
    /// # Errors
    ///
    /// [`Refused::NotFound`] for a wrong or expired code, [`Refused::Taken`] when the
    /// Matrix user is somebody else's, [`Refused::TooManyTries`], whatever the code.
    pub async fn link(
        &self,
        user_id: &str,
        code: &str,
        origin: Option<IpAddr>,
    ) -> Result<View, Error> {
        let act = Act {
            actor: user_id,
            action: "connection.link",
            origin,
            at: self.ingest.clock.now(),
        };
        let mut conn = self.ingest.db.get().await?;
        let counted = conn
            .transaction::<_, db::Error, _>(async |conn| {
                Ok(count_code(conn, user_id, origin, act.at).await?)
            })
            .await?;
        let (answer, settled) = conn
            .transaction::<_, db::Error, _>(async |conn| {
                let mut effects = Effects::default();
                let answer = match counted {
                    Ok(attempt) => {
                        self.try_code(conn, (user_id, attempt), code, act.at, &mut effects)
                            .await?
                    }
                    Err(refused) => Err(refused),
                };
                let target = answer.as_ref().ok().map(|view| view.id.to_string());
                let refused = answer.as_ref().err().copied();
                let settled = effects
                    .settle(conn, act, target.as_deref(), refused, json!({}))
                    .await?;
                Ok((answer, settled))
            })
            .await?;
        drop(conn);
        self.announce(&settled);
        Ok(answer?)
    }

    /// What is not a wrong code is not counted as one any more.
    async fn try_code(
        &self,
        conn: &mut Connection,
        (user_id, attempt): (&str, i64),
        code: &str,
        now: DateTime<Utc>,
        effects: &mut Effects,
    ) -> Answer<View> {
        connections::take_turn(conn, Turn::User(user_id)).await?;
        if ended_sessions::contains(conn, user_id).await? {
            return Ok(Err(Refused::Deleted));
        }
        let redeemed = match LinkCode::parse(code) {
            Some(code) => self.redeem(conn, user_id, &code, now, effects).await?,
            None => Err(NOT_FOUND),
        };
        if !matches!(redeemed, Err(NOT_FOUND)) {
            link_attempts::forget(conn, attempt).await?;
        }
        let id = match redeemed {
            Ok(id) => id,
            Err(refused) => return Ok(Err(refused)),
        };
        let view = read::connections::list(conn, user_id, Some(id))
            .await?
            .pop();
        Ok(view.ok_or(NOT_FOUND))
    }

    async fn redeem(
        &self,
        conn: &mut Connection,
        user_id: &str,
        code: &LinkCode,
        now: DateTime<Utc>,
        effects: &mut Effects,
    ) -> Answer<Uuid> {
        let hash = code.hash();
        let Some(found) = connections::of_code(conn, &hash, now).await? else {
            return Ok(Err(NOT_FOUND));
        };
        let Some((bridge_id, matrix_user_id)) = found.matrix_user() else {
            return Ok(Err(NOT_FOUND));
        };
        connections::take_turn(conn, Turn::MatrixUser(bridge_id, matrix_user_id)).await?;
        let portals = self.lock_portals(conn, bridge_id, matrix_user_id).await?;
        // Somebody may have been faster while this waited for its turn.
        let Some(found) = connections::of_code(conn, &hash, now).await? else {
            return Ok(Err(NOT_FOUND));
        };
        match found.user_id.as_deref() {
            Some(owner) if owner == user_id => return Ok(Ok(found.id)),
            Some(_) => return Ok(Err(Refused::Taken)),
            None => {}
        }
        let id = hand_over(conn, user_id, found.id, now).await?;
        effects.status_changed(user_id, id);
        self.open(conn, (user_id, bridge_id), &portals, effects)
            .await?;
        self.ask(Some(user_id), bridge_id, id, effects);
        Ok(Ok(id))
    }
}

const NOT_FOUND: Refused = Refused::NotFound("code");

/// Makes a provisional connection a user's: as the one of theirs that waits for
/// it, or as itself.
pub(super) async fn hand_over(
    conn: &mut Connection,
    user_id: &str,
    provisional: Uuid,
    now: DateTime<Utc>,
) -> db::Result<Uuid> {
    let own = connections::active_of_user(conn, user_id).await?;
    let waiting = own
        .into_iter()
        .find(|account| account.matrix_user().is_none());
    let id = match waiting {
        Some(waiting) => {
            connections::absorb(conn, waiting.id, provisional).await?;
            waiting.id
        }
        None => provisional,
    };
    connections::own(conn, id, user_id, now).await?;
    Ok(id)
}
