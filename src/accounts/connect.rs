//! A signed-in person wants a connection.

use std::net::IpAddr;

use diesel_async::AsyncConnection as _;
use serde_json::json;
use uuid::Uuid;

use super::{
    Accounts, Error, Refused,
    effects::{Act, Effects},
};
use crate::{
    db::{
        self, Connection,
        connections::{self, Turn},
        read,
    },
    model::{connection::Connection as View, new_id},
};

impl Accounts {
    /// Makes sure that a Clerk user has a connection: the one that is linked, or
    /// one that waits for its code.
    ///
    /// # Errors
    ///
    /// When the database cannot.
    pub async fn connect(&self, user_id: &str, origin: Option<IpAddr>) -> Result<View, Error> {
        let act = Act {
            actor: user_id,
            action: "connection.connect",
            origin,
            at: self.ingest.clock.now(),
        };
        let mut conn = self.ingest.db.get().await?;
        let (view, settled) = conn
            .transaction::<_, db::Error, _>(async |conn| {
                let mut effects = Effects::default();
                let id = ensure(conn, user_id, &mut effects).await?;
                let view = read::connections::list(conn, user_id, Some(id))
                    .await?
                    .pop();
                let target = id.to_string();
                let settled = effects
                    .settle(conn, act, Some(&target), None, json!({}))
                    .await?;
                Ok((view, settled))
            })
            .await?;
        drop(conn);
        self.announce(&settled);
        view.ok_or(Refused::NotFound("connection").into())
    }
}

async fn ensure(conn: &mut Connection, user_id: &str, effects: &mut Effects) -> db::Result<Uuid> {
    connections::take_turn(conn, Turn::User(user_id)).await?;
    let own = connections::active_of_user(conn, user_id).await?;
    if let Some(account) = own.first() {
        return Ok(account.id);
    }
    let id = new_id();
    connections::insert_pending(conn, id, user_id).await?;
    effects.status_changed(user_id, id);
    Ok(id)
}
