//! Connections of a bridge that is there no more, as far as anybody can tell.

use diesel_async::AsyncConnection as _;
use serde_json::json;
use uuid::Uuid;

use super::{
    Accounts, Error,
    effects::{Act, Effects, Settled},
    state,
};
use crate::{
    db::{
        self, Connection, bridge_logins, bridges,
        connections::{self, Account, Turn},
    },
    model::connection::Status,
};

impl Accounts {
    /// Has connections show that their bridge is silent, or no longer is. Each that does so
    /// already is left alone, so this may be repeated, and by any replica.
    ///
    /// # Errors
    ///
    /// When the database cannot.
    pub async fn show_silence(&self) -> Result<(), Error> {
        let mut conn = self.ingest.db.get().await?;
        let wrong = bridges::misstated(&mut conn, state::SILENT).await?;
        drop(conn);
        for id in wrong {
            self.show_silence_of(id).await?;
        }
        Ok(())
    }

    async fn show_silence_of(&self, id: Uuid) -> Result<(), Error> {
        let mut conn = self.ingest.db.get().await?;
        let settled = conn
            .transaction::<_, db::Error, _>(async |conn| {
                let Some((bridge_id, user_id)) = matrix_user(conn, id).await? else {
                    return Ok(Settled::default());
                };
                connections::take_turn(conn, Turn::MatrixUser(&bridge_id, &user_id)).await?;
                let account = connections::get(conn, id).await?;
                match account.filter(Account::is_linked) {
                    Some(account) => Ok(self.show(conn, &account).await?),
                    None => Ok(Settled::default()),
                }
            })
            .await?;
        drop(conn);
        self.announce(&settled);
        Ok(())
    }

    async fn show(&self, conn: &mut Connection, account: &Account) -> db::Result<Settled> {
        let (status, is_new) = self.restate(conn, account).await?;
        if !is_new {
            return Ok(Settled::default());
        }
        let mut effects = Effects::default();
        if let Some(owner) = account.user_id.as_deref() {
            effects.status_changed(owner, account.id);
        }
        let act = Act {
            actor: "tributary",
            action: "connection.status",
            origin: None,
            at: self.ingest.clock.now(),
        };
        let target = account.id.to_string();
        let details = json!({"status": status.as_str()});
        effects
            .settle(conn, act, Some(&target), None, details)
            .await
    }

    /// Writes down how a connection is doing by what is known of its logins and its bridge;
    /// says how, and whether that is new. The caller has the Matrix user's turn.
    pub(super) async fn restate(
        &self,
        conn: &mut Connection,
        account: &Account,
    ) -> db::Result<(Status, bool)> {
        let logins = bridge_logins::list(conn, account.id).await?;
        let verdict = state::verdict(&logins, account.status());
        let silent_since = match account.bridge_id.as_deref() {
            Some(bridge_id) => bridges::silent_since(conn, bridge_id).await?,
            None => None,
        };
        let (status, error) = state::under_silence(verdict, silent_since);
        let is_new = connections::set_status(conn, account.id, status, error.as_deref()).await?;
        Ok((status, is_new))
    }
}

async fn matrix_user(conn: &mut Connection, id: Uuid) -> db::Result<Option<(String, String)>> {
    let account = connections::get(conn, id).await?;
    Ok(account.and_then(|account| account.bridge_id.zip(account.matrix_user_id)))
}
