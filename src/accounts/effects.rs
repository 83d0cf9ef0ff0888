//! What an operation leads to: frames and jobs, committed with it and announced after it.

use std::{collections::BTreeMap, net::IpAddr};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Accounts, Refused};
use crate::{
    db::{
        Connection,
        audit::{self, Entry},
        jobs::{self, NewJob},
        stream::{self, Head},
        viewers::View,
    },
    model::frame::{Frame, FrameKind},
};

/// What an operation leads to.
#[derive(Debug, Default)]
pub(super) struct Effects {
    frames: Vec<Frame>,
    jobs: Vec<NewJob>,
    /// Whose work they are.
    shares: BTreeMap<String, String>,
    /// Whose earlier frames go before the new ones come.
    forgotten: Option<String>,
}

/// Effects that are in the transaction, to be announced when it is committed.
#[derive(Debug, Default)]
pub(super) struct Settled {
    heads: Vec<Head>,
    jobs_queued: bool,
}

/// Who did what, from where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act<'a> {
    pub(super) actor: &'a str,
    pub(super) action: &'a str,
    pub(super) origin: Option<IpAddr>,
    pub(super) at: DateTime<Utc>,
}

impl Effects {
    /// The owner learns how a connection is doing.
    pub(super) fn status_changed(&mut self, user_id: &str, connection_id: Uuid) {
        self.tell(user_id, FrameKind::ConnectionStatus { connection_id });
    }

    /// Viewers learn that conversations are new or no longer what they were.
    pub(super) fn conversations_changed(&mut self, views: Vec<View>) {
        for view in views {
            let conversation_id = view.conversation_id;
            self.tell(
                &view.user_id,
                FrameKind::ConversationUpdated { conversation_id },
            );
        }
    }

    /// A viewer learns that conversations are gone.
    pub(super) fn conversations_removed(&mut self, user_id: &str, conversations: &[Uuid]) {
        for &conversation_id in conversations {
            self.tell(user_id, FrameKind::ConversationRemoved { conversation_id });
        }
    }

    /// Work to be done for a user, in this order.
    pub(super) fn queue(&mut self, user_id: &str, jobs: impl IntoIterator<Item = NewJob>) {
        for job in jobs {
            self.shares.insert(job.key.clone(), user_id.to_owned());
            self.jobs.push(job);
        }
    }

    /// Work that waits for nobody else's.
    pub(super) fn queue_nobodys(&mut self, job: NewJob) {
        self.jobs.push(job);
    }

    /// A viewer's frames up to now are forgotten; those of these effects are not.
    pub(super) fn forget_stream(&mut self, user_id: &str) {
        self.forgotten = Some(user_id.to_owned());
    }

    fn tell(&mut self, user_id: &str, kind: FrameKind) {
        self.frames.push(Frame {
            user_id: user_id.to_owned(),
            kind,
        });
    }

    /// Writes the audit row and the effects; the last thing that a transaction does.
    pub(super) async fn settle(
        self,
        conn: &mut Connection,
        act: Act<'_>,
        target: Option<&str>,
        refused: Option<Refused>,
        details: Value,
    ) -> crate::db::Result<Settled> {
        let entry = Entry {
            at: act.at,
            actor: act.actor,
            action: act.action,
            target,
            origin: act.origin,
            outcome: refused.as_ref().map_or("ok", Refused::code),
            details,
        };
        audit::insert(conn, &entry).await?;
        if !self.jobs.is_empty() {
            jobs::enqueue_shared(conn, &self.jobs, &self.shares).await?;
        }
        if let Some(user_id) = &self.forgotten {
            stream::forget(conn, user_id).await?;
        }
        Ok(Settled {
            heads: stream::append(conn, &self.frames).await?,
            jobs_queued: !self.jobs.is_empty(),
        })
    }
}

impl Settled {
    /// How far the viewers' streams go now.
    pub(super) fn heads(&self) -> &[Head] {
        &self.heads
    }
}

impl Accounts {
    /// Tells sockets and jobs, after the commit: whoever misses it finds the rows by polling.
    pub(super) fn announce(&self, settled: &Settled) {
        self.ingest.feed.advance(&settled.heads);
        if settled.jobs_queued {
            self.ingest.jobs.notify_one();
        }
    }
}
