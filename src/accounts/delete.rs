//! A user wants everything gone, or is gone.

use std::net::IpAddr;

use diesel_async::AsyncConnection as _;
use serde_json::json;
use uuid::Uuid;

use super::{
    Accounts, Error,
    effects::{Act, Effects, Settled},
    erase::{self, Tries, Unlinked},
};
use crate::{
    db::{
        self, Connection, connection_rooms,
        connections::{self, Turn},
        erasures::access,
        stream, webhook_deliveries,
    },
    model::erasure::Cause,
    sessions::Sessions,
};

/// What Clerk delivers of a user.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Its id, the same when it is delivered again.
    pub id: &'a str,
    /// The Clerk user.
    pub user_id: &'a str,
    /// Where it came from.
    pub origin: Option<IpAddr>,
}

impl Accounts {
    /// Erases everything of a Clerk user: it is out of sight at once, and gone when this
    /// returns or, if it is much, soon after. May be repeated; the user may begin anew.
    ///
    /// # Errors
    ///
    /// When the database is away.
    pub async fn delete(&self, user_id: &str, origin: Option<IpAddr>) -> Result<(), Error> {
        let act = self.erasing(user_id, origin);
        let mut tries = Tries::default();
        let (erasure, settled) = loop {
            let attempt = self.try_delete(act, user_id).await;
            if !tries.again(&attempt) {
                break attempt?;
            }
        };
        self.tell(&settled);
        self.erase_now(erasure).await;
        Ok(())
    }

    /// Erases everything of a user who is gone at Clerk, and has their tokens refused. The
    /// same delivery again has no second effect.
    ///
    /// # Errors
    ///
    /// When the database is away; the delivery then has had no effect.
    pub async fn user_deleted(
        &self,
        sessions: &Sessions,
        delivery: Delivery<'_>,
    ) -> Result<(), Error> {
        let act = self.erasing("clerk", delivery.origin);
        let mut tries = Tries::default();
        let is_new = loop {
            let attempt = self.try_user_deleted(act, sessions, delivery).await;
            if !tries.again(&attempt) {
                break attempt?;
            }
        };
        if is_new {
            sessions.announce(delivery.user_id);
            self.ingest.jobs.notify_one();
        }
        Ok(())
    }

    async fn try_delete(&self, act: Act<'_>, user_id: &str) -> Result<(Uuid, Settled), db::Error> {
        let mut conn = self.ingest.db.get().await?;
        conn.transaction(async |conn| erase_all(conn, act, Cause::Account, user_id).await)
            .await
    }

    async fn try_user_deleted(
        &self,
        act: Act<'_>,
        sessions: &Sessions,
        delivery: Delivery<'_>,
    ) -> Result<bool, db::Error> {
        let mut conn = self.ingest.db.get().await?;
        conn.transaction(async |conn| {
            let is_new = webhook_deliveries::take(conn, delivery.id).await?;
            if is_new {
                erase_all(conn, act, Cause::UserDeleted, delivery.user_id).await?;
                stream::end(conn, delivery.user_id).await?;
                sessions.end(conn, delivery.user_id).await?;
            }
            Ok(is_new)
        })
        .await
    }

    fn erasing<'a>(&self, actor: &'a str, origin: Option<IpAddr>) -> Act<'a> {
        Act {
            actor,
            action: "account.erase",
            origin,
            at: self.ingest.clock.now(),
        }
    }
}

async fn erase_all(
    conn: &mut Connection,
    act: Act<'_>,
    cause: Cause,
    user_id: &str,
) -> Result<(Uuid, Settled), db::Error> {
    let mut effects = Effects::default();
    connections::take_turn(conn, Turn::User(user_id)).await?;
    let accounts = connections::all_of_user(conn, user_id).await?;
    let Unlinked { room_ids } = erase::unlink(conn, &accounts, act.at, &mut effects).await?;
    let taken = erase::take(conn, user_id, &accounts, &room_ids, &mut effects).await?;
    let whose = (cause, user_id);
    let erasure = erase::begin(conn, act, whose, &taken, &room_ids, &mut effects).await?;
    connection_rooms::cancel_backfills(conn, &room_ids).await?;
    access::forget_user(conn, user_id).await?;
    effects.forget_stream(user_id);
    let details = json!({
        "erasure": erasure, "cause": cause.as_str(), "connections": accounts.len(),
        "conversations": taken.removed.len(),
    });
    let settled = effects
        .settle(conn, act, Some(user_id), None, details)
        .await?;
    Ok((erasure, settled))
}
