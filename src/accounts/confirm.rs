//! What the bridge answers when it is asked (`whoami`), in place of what it pushes.

use diesel_async::AsyncConnection as _;
use serde_json::json;
use uuid::Uuid;

use super::{
    Accounts, Error,
    effects::{Act, Effects, Settled},
    identity::storable,
    state::listed,
};
use crate::{
    db::{
        self, Connection,
        bridge_logins::{self, Login},
        bridges,
        connections::{self, Account, Description, Turn},
        jobs,
    },
    matrix::provisioning,
    model::connection::Status,
};

/// As for every id that is indexed.
const MAX_ID: usize = 255;

/// Whom to ask a bridge about, and what was known before it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The bridge.
    pub bridge_id: String,
    /// The Matrix user.
    pub matrix_user_id: String,
    connection_id: Uuid,
    known: Vec<Login>,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// It is what the connection shows now.
    Taken,
    /// Something else was heard while the bridge was asked, and nobody can tell which is
    /// newer: ask again.
    Overtaken,
}

impl Accounts {
    /// Whom to ask about a connection; none when nobody has it any more. One that waits for
    /// its code counts: whoever types that sees the account's name.
    ///
    /// # Errors
    ///
    /// When the database cannot.
    pub async fn question(&self, connection_id: Uuid) -> Result<Option<Question>, Error> {
        let mut conn = self.ingest.db.get().await?;
        let account = connections::get(&mut conn, connection_id).await?;
        let Some(account) = account.filter(|account| !account.is_disconnected()) else {
            return Ok(None);
        };
        let Some((bridge_id, matrix_user_id)) = account.matrix_user() else {
            return Ok(None);
        };
        Ok(Some(Question {
            bridge_id: bridge_id.to_owned(),
            matrix_user_id: matrix_user_id.to_owned(),
            connection_id,
            known: bridge_logins::list(&mut conn, connection_id).await?,
        }))
    }

    /// Takes an answer in: the logins that the bridge says there are.
    ///
    /// # Errors
    ///
    /// When the database cannot.
    pub async fn confirm(
        &self,
        question: &Question,
        named: &[provisioning::Login],
    ) -> Result<Confirmed, Error> {
        let actor = format!("bridge:{}", question.bridge_id);
        let act = Act {
            actor: &actor,
            action: "connection.status",
            origin: None,
            at: self.ingest.clock.now(),
        };
        let mut conn = self.ingest.db.get().await?;
        let (confirmed, settled) = conn
            .transaction::<_, db::Error, _>(async |conn| {
                let turn = Turn::MatrixUser(&question.bridge_id, &question.matrix_user_id);
                connections::take_turn(conn, turn).await?;
                let account = connections::get(conn, question.connection_id).await?;
                let Some(account) = account.filter(|account| !account.is_disconnected()) else {
                    return Ok((Confirmed::Taken, Settled::default()));
                };
                if bridge_logins::list(conn, account.id).await? != question.known {
                    return Ok((Confirmed::Overtaken, Settled::default()));
                }
                let settled = self.believe(conn, &account, question, named, act).await?;
                Ok((Confirmed::Taken, settled))
            })
            .await?;
        drop(conn);
        self.announce(&settled);
        Ok(confirmed)
    }

    async fn believe(
        &self,
        conn: &mut Connection,
        account: &Account,
        question: &Question,
        named: &[provisioning::Login],
        act: Act<'_>,
    ) -> db::Result<Settled> {
        let own = listed::own(named, account.bridge_user_id.as_deref(), act.at);
        let name = own.and_then(|login| storable(&login.name, MAX_ID));
        let learned = Description {
            bridge_user_id: own.map(|login| login.id.as_str()),
            remote_name: name.as_deref(),
        };
        let is_new_ghost = learned.bridge_user_id.is_some()
            && learned.bridge_user_id != account.bridge_user_id.as_deref();
        let portals = if is_new_ghost && account.is_linked() {
            self.lock_portals(conn, &question.bridge_id, &question.matrix_user_id)
                .await?
        } else {
            Vec::new()
        };
        let logins = listed::after(named, &question.known, act.at);
        for login in logins
            .iter()
            .filter(|login| !question.known.contains(login))
        {
            bridge_logins::put(conn, account.id, login).await?;
        }
        let is_described = learned.adds_to(account);
        if is_described {
            connections::describe(conn, account.id, learned).await?;
        }
        let (status, is_restated) = if logins.is_empty() && named.is_empty() {
            self.without_login(conn, account).await?
        } else {
            self.restate(conn, account).await?
        };
        if !is_described && !is_restated {
            return Ok(Settled::default());
        }
        let mut effects = Effects::default();
        if let Some(owner) = account.user_id.as_deref() {
            effects.status_changed(owner, account.id);
            if !portals.is_empty() {
                self.reopen(conn, owner, &portals, &mut effects).await?;
            }
        }
        let details = json!({"asked": true, "logins": named.len(), "status": status.as_str()});
        let target = account.id.to_string();
        effects
            .settle(conn, act, Some(&target), None, details)
            .await
    }

    /// Nobody ever spoke of a login, and there is none: whoever still waits for it goes on.
    async fn without_login(
        &self,
        conn: &mut Connection,
        account: &Account,
    ) -> db::Result<(Status, bool)> {
        let status = match account.status() {
            Status::Pending => Status::Pending,
            _ => Status::Disconnected,
        };
        let is_new = connections::set_status(conn, account.id, status, None).await?;
        Ok((status, is_new))
    }

    /// Has a bridge asked about all of its linked connections: their states may have been missed.
    ///
    /// # Errors
    ///
    /// When the database cannot.
    pub async fn ask_all(&self, bridge_id: &str) -> Result<(), Error> {
        if !self.askable.contains(bridge_id) {
            return Ok(());
        }
        let mut conn = self.ingest.db.get().await?;
        let linked = connections::linked_on(&mut conn, bridge_id).await?;
        let wanted: Vec<_> = linked.iter().map(|(id, _)| ask_job(*id)).collect();
        let shares = linked
            .iter()
            .map(|(id, user)| (id.to_string(), user.clone()));
        jobs::enqueue_shared(&conn, &wanted, &shares.collect()).await?;
        drop(conn);
        self.ingest.jobs.notify_one();
        Ok(())
    }

    /// Has the bridge asked about a connection of this user's, if it can be.
    pub(super) fn ask(
        &self,
        user_id: Option<&str>,
        bridge_id: &str,
        id: Uuid,
        effects: &mut Effects,
    ) {
        if self.askable.contains(bridge_id) {
            effects.queue(user_id.unwrap_or_default(), [ask_job(id)]);
        }
    }

    /// Notes that a bridge spoke or answered. What it pushed while it was silent may have
    /// been missed.
    ///
    /// # Errors
    ///
    /// When the database cannot.
    pub async fn bridge_heard(&self, bridge_id: &str) -> Result<(), Error> {
        let mut conn = self.ingest.db.get().await?;
        let ended = bridges::heard(&mut conn, bridge_id).await?;
        drop(conn);
        match ended {
            Some(since) => {
                tracing::info!(bridge_id, %since, "the bridge is there again");
                self.ask_all(bridge_id).await
            }
            None => Ok(()),
        }
    }
}

fn ask_job(connection_id: Uuid) -> jobs::NewJob {
    super::mapping::job("ask_bridge", &connection_id.to_string())
}
