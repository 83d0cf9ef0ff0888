//! How an erasure begins: what makes things visible goes at once, in one transaction,
//! and what is to be deleted is written down.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Accounts,
    effects::{Act, Effects, Settled},
};
use crate::{
    db::{
        self, Connection, connection_rooms,
        connections::{self, Account, Turn},
        erasures::{
            self, Counts, NewErasure,
            access::{self, Taken},
        },
        former::{self, Moved},
        media::{self, objects},
        rooms,
        viewers::{self, View},
    },
    erasure::Erasure,
    model::{erasure::Cause, new_id},
};

/// How long an erasure may take within its request: a small one is over by then.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How often rooms may turn up behind the locks.
const TRIES: usize = 5;

/// Connections that nobody is linked to any more.
pub(super) struct Unlinked {
    /// Their rooms, which are locked.
    pub(super) room_ids: Vec<String>,
}

/// How often a transaction that [`unlink`]s has been tried.
#[derive(Debug, Default)]
pub(super) struct Tries(usize);

impl Tries {
    /// Whether this one was rolled back for the rooms' locks, and the next one may have
    /// them all.
    pub(super) fn again<T>(&mut self, attempt: &Result<T, db::Error>) -> bool {
        self.0 += 1;
        let rolled_back = db::QueryError::RollbackTransaction;
        self.0 < TRIES && matches!(attempt, Err(db::Error::Query(error)) if *error == rolled_back)
    }
}

/// Lets connections of one user go, under the locks of all rooms that they see, or ever
/// saw; from then on they see no other. The caller has the user's turn.
///
/// # Errors
///
/// [`db::QueryError::RollbackTransaction`] when one has gained a room meanwhile, of which
/// the lock must be taken with the others.
pub(super) async fn unlink(
    conn: &mut Connection,
    accounts: &[Account],
    at: DateTime<Utc>,
    effects: &mut Effects,
) -> db::Result<Unlinked> {
    let mut turns: Vec<_> = accounts.iter().filter_map(Account::matrix_user).collect();
    turns.sort_unstable();
    for (bridge_id, matrix_user_id) in turns {
        connections::take_turn(conn, Turn::MatrixUser(bridge_id, matrix_user_id)).await?;
    }
    let ids: Vec<_> = accounts.iter().map(|account| account.id).collect();
    let locked = connection_rooms::of_connections(conn, &ids).await?;
    rooms::lock(conn, &locked).await?;
    for account in accounts {
        let is_news = connections::disconnect(conn, account.id, at).await?;
        if let Some(user_id) = account.user_id.as_deref().filter(|_| is_news) {
            effects.status_changed(user_id, account.id);
        }
    }
    // Whoever was about to map a room has done so, or sees that they are let go.
    let room_ids = connection_rooms::of_connections(conn, &ids).await?;
    if room_ids.iter().any(|room_id| !locked.contains(room_id)) {
        return Err(db::QueryError::RollbackTransaction);
    }
    Ok(Unlinked { room_ids })
}

/// Takes what makes things visible to a user through these connections.
pub(super) async fn take(
    conn: &mut Connection,
    user_id: &str,
    accounts: &[Account],
    room_ids: &[String],
    effects: &mut Effects,
) -> db::Result<Taken> {
    let ids: Vec<_> = accounts.iter().map(|account| account.id).collect();
    let people = accounts.iter().filter_map(Account::matrix_user);
    let people: Vec<_> = people.map(|(_, matrix_user_id)| matrix_user_id).collect();
    let taken = access::take(conn, user_id, &ids).await?;
    access::forget_receipts(conn, room_ids, &people).await?;
    effects.conversations_removed(user_id, &taken.removed);
    let view = |&conversation_id| View {
        user_id: user_id.to_owned(),
        conversation_id,
    };
    let kept: Vec<_> = taken.kept.iter().map(view).collect();
    let moved = Moved {
        views: &kept,
        ..Moved::default()
    };
    former::derive(conn, &taken.kept, moved).await?;
    viewers::recount(conn, &kept).await?;
    effects.conversations_changed(kept);
    Ok(taken)
}

/// Writes down what is to be deleted, and queues it; returns the erasure's id.
pub(super) async fn begin(
    conn: &mut Connection,
    act: Act<'_>,
    (cause, user_id): (Cause, &str),
    taken: &Taken,
    room_ids: &[String],
    effects: &mut Effects,
) -> db::Result<Uuid> {
    let erasure = NewErasure {
        id: new_id(),
        cause,
        user_id,
        requested_at: act.at,
        conversations: taken.removed.len(),
    };
    erasures::begin(conn, erasure, room_ids).await?;
    let forgotten = media::forget_unused(conn, &taken.pictures).await?;
    objects::await_by(conn, erasure.id, &forgotten.objects).await?;
    let counts = Counts {
        media: i64::try_from(forgotten.files).unwrap_or(i64::MAX),
        ..Counts::default()
    };
    erasures::count(conn, erasure.id, counts).await?;
    effects.queue_nobodys(Erasure::job(erasure.id));
    Ok(erasure.id)
}

impl Accounts {
    /// With another time that an erasure may take within its request; with none the job
    /// does all of it.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Takes the first steps of an erasure, and leaves the others to the job.
    pub(super) async fn erase_now(&self, erasure: Uuid) {
        if !self.patience.is_zero() {
            self.erasure.run_for(erasure, self.patience).await;
        }
        self.ingest.jobs.notify_one();
    }

    /// Tells sockets, and does not wake the jobs yet: what this request does itself needs
    /// nobody else.
    pub(super) fn tell(&self, settled: &Settled) {
        self.ingest.feed.advance(settled.heads());
    }
}
