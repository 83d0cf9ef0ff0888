//! A signed-in person wants a connection.

use std::net::IpAddr;

use diesel_async::AsyncConnection as _;
use serde_json::json;
use uuid::Uuid;

use super::{
    Accounts, Answer, Error, Refused,
    effects::{Act, Effects},
};
use crate::{
    db::{
        self, Connection,
        connections::{self, Turn},
        ended_sessions, read,
    },
    model::{connection::Connection as View, new_id},
};

impl Accounts {
    /// Makes sure that a Clerk user has a connection: the one that is linked, or
    /// one that waits for its code.
    ///
    /// # Errors
    ///
    /// [`Refused::Deleted`] when Clerk has said that the user is gone.
    pub async fn connect(&self, user_id: &str, origin: Option<IpAddr>) -> Result<View, Error> {
        let act = Act {
            actor: user_id,
            action: "connection.connect",
            origin,
            at: self.ingest.clock.now(),
        };
        let mut conn = self.ingest.db.get().await?;
        let (answer, settled) = conn
            .transaction::<_, db::Error, _>(async |conn| {
                let mut effects = Effects::default();
                let answer = ensure(conn, user_id, &mut effects).await?;
                let id = answer.as_ref().ok().copied();
                let view = match id {
                    Some(_) => read::connections::list(conn, user_id, id).await?.pop(),
                    None => None,
                };
                let target = id.map(|id| id.to_string());
                let refused = answer.as_ref().err().copied();
                let settled = effects
                    .settle(conn, act, target.as_deref(), refused, json!({}))
                    .await?;
                Ok((answer.map(|_| view), settled))
            })
            .await?;
        drop(conn);
        self.announce(&settled);
        answer?.ok_or(Refused::NotFound("connection").into())
    }
}

async fn ensure(conn: &mut Connection, user_id: &str, effects: &mut Effects) -> Answer<Uuid> {
    connections::take_turn(conn, Turn::User(user_id)).await?;
    if ended_sessions::contains(conn, user_id).await? {
        return Ok(Err(Refused::Deleted));
    }
    let own = connections::active_of_user(conn, user_id).await?;
    if let Some(account) = own.first() {
        return Ok(Ok(account.id));
    }
    let id = new_id();
    connections::insert_pending(conn, id, user_id).await?;
    effects.status_changed(user_id, id);
    Ok(Ok(id))
}
