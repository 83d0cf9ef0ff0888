//! What the bridge says of a login: displayed, and nothing else follows from it.

use std::net::IpAddr;

use diesel_async::AsyncConnection as _;
use serde_json::json;

use super::{
    Accounts, Error,
    effects::{Act, Effects, Settled},
    state::Push,
};
use crate::{
    db::{
        self, Connection, bridge_logins,
        connections::{self, Account, Description, Turn},
    },
    model::connection::Status,
};

impl Accounts {
    /// Takes a push of a bridge in; one about somebody unknown is no news.
    ///
    /// # Errors
    ///
    /// When the database cannot; the bridge sends it again.
    pub async fn bridge_state(
        &self,
        bridge_id: &str,
        push: &Push,
        origin: Option<IpAddr>,
    ) -> Result<(), Error> {
        // By itself, so that pushes do not wait for each other.
        self.bridge_heard(bridge_id).await?;
        let actor = format!("bridge:{bridge_id}");
        let act = Act {
            actor: &actor,
            action: "connection.status",
            origin,
            at: self.ingest.clock.now(),
        };
        let mut conn = self.ingest.db.get().await?;
        let settled = conn
            .transaction::<_, db::Error, _>(async |conn| {
                connections::take_turn(conn, Turn::MatrixUser(bridge_id, &push.user_id)).await?;
                let known = connections::of_matrix_user(conn, bridge_id, &push.user_id).await?;
                let settled = match known {
                    Some(account) => self.hear(conn, (bridge_id, &account), push, act).await?,
                    None => Settled::default(),
                };
                Ok(settled)
            })
            .await?;
        drop(conn);
        self.announce(&settled);
        Ok(())
    }

    async fn hear(
        &self,
        conn: &mut Connection,
        (bridge_id, account): (&str, &Account),
        push: &Push,
        act: Act<'_>,
    ) -> db::Result<Settled> {
        // A push about no login in particular is about the one that is known.
        let remote_id = push.remote_id.as_ref().or(account.bridge_user_id.as_ref());
        let known = bridge_logins::list(conn, account.id).await?;
        let remote_id = remote_id.map_or("", String::as_str);
        let Some(login) = push.said.heard(remote_id, &known) else {
            return Ok(Settled::default());
        };
        let is_doubtful = push.said.is_ambiguous(remote_id, &known) || names_another(push, account);
        let learned = learned(push, account);
        let portals = if learned.bridge_user_id.is_some() && account.is_linked() {
            self.lock_portals(conn, bridge_id, &push.user_id).await?
        } else {
            Vec::new()
        };
        bridge_logins::put(conn, account.id, &login).await?;
        let described = learned.adds_to(account);
        if described {
            connections::describe(conn, account.id, learned).await?;
        }
        let (status, restated) = self.restate(conn, account).await?;
        if !described && !restated && !is_doubtful {
            return Ok(Settled::default());
        }
        let mut effects = Effects::default();
        if let Some(owner) = account.user_id.as_deref() {
            if described || restated {
                effects.status_changed(owner, account.id);
            }
            if is_doubtful && account.is_linked() {
                self.ask(Some(owner), bridge_id, account.id, &mut effects);
            }
            if !portals.is_empty() {
                self.reopen(conn, owner, &portals, &mut effects).await?;
            }
        }
        let details = details(push, status);
        let target = account.id.to_string();
        effects
            .settle(conn, act, Some(&target), None, details)
            .await
    }
}

/// What a push tells of who the person is on the network.
fn learned<'a>(push: &'a Push, account: &Account) -> Description<'a> {
    let (said, known) = (push.remote_id.as_deref(), account.bridge_user_id.as_deref());
    let bridge_user_id = said.filter(|_| known.is_none() && !push.said.is_logout());
    // The name of another login of the same person is not this one's.
    let is_this = said.is_none() || known.is_none() || said == known;
    Description {
        bridge_user_id,
        remote_name: push.remote_name.as_deref().filter(|_| is_this),
    }
}

/// Whether it is about another login than the connection's, which may not be there any more.
fn names_another(push: &Push, account: &Account) -> bool {
    let (said, known) = (push.remote_id.as_ref(), account.bridge_user_id.as_ref());
    said.is_some() && known.is_some() && said != known
}

fn details(push: &Push, status: Status) -> serde_json::Value {
    json!({"state": push.said.state_event, "status": status.as_str()})
}
