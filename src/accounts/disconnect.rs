//! The owner lets a connection go, and may have erased what only it could see.

use std::net::IpAddr;

use diesel_async::AsyncConnection as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Accounts, Answer, Error, Refused,
    effects::{Act, Effects, Settled},
    erase::{self, Tries, Unlinked},
};
use crate::{
    db::{
        self, Connection, connection_rooms,
        connections::{self, Turn},
        erasures::access,
        former::{self, Moved},
        grants,
        viewers::View,
    },
    model::erasure::Cause,
};

impl Accounts {
    /// Ends a connection of a Clerk user. Nothing is delivered to it from then on;
    /// what it saw stays readable, unless `purge`: then it is out of sight at once, and
    /// gone when this returns or, if it is much, soon after. May be repeated, also to
    /// purge later.
    ///
    /// # Errors
    ///
    /// [`Refused::NotFound`] when it is not the user's.
    pub async fn disconnect(
        &self,
        user_id: &str,
        id: Uuid,
        purge: bool,
        origin: Option<IpAddr>,
    ) -> Result<(), Error> {
        let act = Act {
            actor: user_id,
            action: if purge {
                "connection.purge"
            } else {
                "connection.disconnect"
            },
            origin,
            at: self.ingest.clock.now(),
        };
        let mut tries = Tries::default();
        let (answer, settled) = loop {
            let attempt = self.try_disconnect(act, id, purge).await;
            if !tries.again(&attempt) {
                break attempt?;
            }
        };
        self.tell(&settled);
        if let Some(erasure) = answer?.erasure {
            self.erase_now(erasure).await;
        }
        Ok(())
    }

    async fn try_disconnect(
        &self,
        act: Act<'_>,
        id: Uuid,
        purge: bool,
    ) -> Result<(Result<Gone, Refused>, Settled), db::Error> {
        let mut conn = self.ingest.db.get().await?;
        conn.transaction(async |conn| {
            let mut effects = Effects::default();
            let answer = let_go(conn, act, id, purge, &mut effects).await?;
            let refused = answer.as_ref().err().copied();
            let details = answer.as_ref().ok().map(|gone| gone.details.clone());
            let details = details.unwrap_or_else(|| json!({}));
            let target = id.to_string();
            let settled = effects
                .settle(conn, act, Some(&target), refused, details)
                .await?;
            Ok((answer, settled))
        })
        .await
    }
}

/// A connection that was let go.
struct Gone {
    /// What there is to say of it in the audit.
    details: Value,
    erasure: Option<Uuid>,
}

async fn let_go(
    conn: &mut Connection,
    act: Act<'_>,
    id: Uuid,
    purge: bool,
    effects: &mut Effects,
) -> Answer<Gone> {
    let user_id = act.actor;
    connections::take_turn(conn, Turn::User(user_id)).await?;
    let Some(account) = connections::of_user(conn, user_id, id).await? else {
        return Ok(Err(Refused::NotFound("connection")));
    };
    let accounts = [account];
    let Unlinked { room_ids } = erase::unlink(conn, &accounts, act.at, effects).await?;
    let mut gone = Gone {
        details: json!({}),
        erasure: None,
    };
    if purge {
        let taken = erase::take(conn, user_id, &accounts, &room_ids, effects).await?;
        access::forget_remote(conn, &[id]).await?;
        let whose = (Cause::Connection, user_id);
        let erasure = erase::begin(conn, act, whose, &taken, &room_ids, effects).await?;
        gone.details = json!({"erasure": erasure, "conversations": taken.removed.len()});
        gone.erasure = Some(erasure);
    } else {
        end_grants(conn, id).await?;
    }
    connection_rooms::cancel_backfills(conn, &room_ids).await?;
    Ok(Ok(gone))
}

/// What the connection alone has seen stays as it is now.
async fn end_grants(conn: &mut Connection, id: Uuid) -> db::Result<()> {
    let ended = grants::end_all(conn, id).await?;
    let view = |change: grants::Changed| View {
        user_id: change.user_id,
        conversation_id: change.conversation_id,
    };
    let views: Vec<_> = ended.into_iter().map(view).collect();
    let conversations: Vec<_> = views.iter().map(|view| view.conversation_id).collect();
    let moved = Moved {
        views: &views,
        ..Moved::default()
    };
    former::derive(conn, &conversations, moved).await
}
