//! The owner lets a connection go, and may have purged what only it could see.

use std::net::IpAddr;

use diesel_async::AsyncConnection as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Accounts, Answer, Error, Refused,
    effects::{Act, Effects},
};
use crate::db::{
    self, Connection, connection_rooms,
    connections::{self, Turn},
    grants, purge, rooms,
    viewers::{self, View},
};

impl Accounts {
    /// Ends a connection of a Clerk user. Nothing is delivered to it from then on;
    /// what it saw stays readable, unless `purge`. May be repeated, also to purge later.
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
        let mut conn = self.ingest.db.get().await?;
        let (answer, settled) = conn
            .transaction::<_, db::Error, _>(async |conn| {
                let mut effects = Effects::default();
                let answer = let_go(conn, act, id, purge, &mut effects).await?;
                let refused = answer.as_ref().err().copied();
                let details = answer.as_ref().ok().cloned().unwrap_or_else(|| json!({}));
                let target = id.to_string();
                let settled = effects
                    .settle(conn, act, Some(&target), refused, details)
                    .await?;
                Ok((answer, settled))
            })
            .await?;
        drop(conn);
        self.announce(&settled);
        answer?;
        Ok(())
    }
}

/// Returns what there is to say of it in the audit.
async fn let_go(
    conn: &mut Connection,
    act: Act<'_>,
    id: Uuid,
    purge: bool,
    effects: &mut Effects,
) -> Answer<Value> {
    let user_id = act.actor;
    connections::take_turn(conn, Turn::User(user_id)).await?;
    let Some(account) = connections::of_user(conn, user_id, id).await? else {
        return Ok(Err(Refused::NotFound("connection")));
    };
    if let Some((bridge_id, matrix_user_id)) = account.matrix_user() {
        connections::take_turn(conn, Turn::MatrixUser(bridge_id, matrix_user_id)).await?;
    }
    let room_ids = connection_rooms::of_connection(conn, id).await?;
    rooms::lock(conn, &room_ids).await?;
    if connections::disconnect(conn, id, act.at).await? {
        grants::end_all(conn, id).await?;
        effects.status_changed(user_id, id);
    }
    let mut details = json!({});
    if purge {
        let matrix_user_id = account.matrix_user_id.as_deref();
        let purged = purge::connection(conn, id, user_id, matrix_user_id, &room_ids).await?;
        details = json!({"conversations": purged.removed.len(), "messages": purged.messages});
        effects.conversations_removed(user_id, &purged.removed);
        let kept = views(user_id, &purged.kept);
        viewers::recount(conn, &kept).await?;
        effects.conversations_changed(kept);
    }
    connection_rooms::cancel_backfills(conn, &room_ids).await?;
    Ok(Ok(details))
}

fn views(user_id: &str, conversations: &[Uuid]) -> Vec<View> {
    let view = |&conversation_id| View {
        user_id: user_id.to_owned(),
        conversation_id,
    };
    conversations.iter().map(view).collect()
}
