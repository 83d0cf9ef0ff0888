//! Which Clerk sessions are over: written down once, known on every replica.
//!
//! A session token is good until it expires, and a Clerk that is asked of each would be
//! in the way of every request. So what a webhook says of a session's end is a row in
//! Postgres for as long as one of its tokens may live; each replica keeps those rows in
//! memory ([`Ended`]), reads on each second, and at once when another one says so.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection as _;
use tokio::time::sleep;

use crate::{
    auth::clerk::{Ended, LONGEST_LIFETIME},
    clock::Clock,
    config,
    db::{self, Connection, Database, ended_sessions, webhook_deliveries},
    stream::Feed,
};

/// How often the rows are read whether or not anybody said something.
const POLL: Duration = Duration::from_secs(1);
/// Longer than any transaction that writes a row: one that was written earlier than
/// the newest that is known may become visible later.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

/// Ends sessions, and hears of those that other replicas ended.
pub struct Sessions {
    db: Database,
    ended: Ended,
    feed: Feed,
    clock: Clock,
    kept: Duration,
    /// The newest row that was read.
    newest: Mutex<Option<DateTime<Utc>>>,
}

impl Sessions {
    /// Fills `ended` from what is in `db`.
    #[must_use]
    pub fn new(
        config: &config::Clerk,
        db: Database,
        ended: Ended,
        feed: Feed,
        clock: Clock,
    ) -> Self {
        Self {
            db,
            ended,
            feed,
            clock,
            kept: kept(config),
            newest: Mutex::default(),
        }
    }

    /// Writes down, with what the transaction does besides, that a session (`sess_...`) or
    /// all of a user (`user_...`) are over. To be [announced](Self::announce).
    ///
    /// # Errors
    ///
    /// When a statement fails.
    pub async fn end(&self, conn: &mut Connection, id: &str) -> db::Result<()> {
        ended_sessions::insert(conn, id, self.kept).await
    }

    /// Ends a session as a webhook's delivery says; the same one again has no second effect.
    ///
    /// # Errors
    ///
    /// When the database is away; the delivery then has had no effect.
    pub async fn end_by(&self, delivery_id: &str, session_id: &str) -> Result<(), db::Error> {
        let mut conn = self.db.get().await?;
        let is_new = conn
            .transaction::<_, db::QueryError, _>(async |conn| {
                let is_new = webhook_deliveries::take(conn, delivery_id).await?;
                if is_new {
                    self.end(conn, session_id).await?;
                }
                Ok(is_new)
            })
            .await?;
        if is_new {
            self.announce(session_id);
        }
        Ok(())
    }

    /// After the commit: refuses its tokens here at once, and has the others read.
    pub fn announce(&self, id: &str) {
        self.remember([id.to_owned()]);
        self.feed.sessions_ended();
    }

    /// Reads what has been written since it was last read; all at the first time.
    ///
    /// # Errors
    ///
    /// When the database is away.
    pub async fn refresh(&self) -> Result<(), db::Error> {
        let newest = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let after = newest.map(|newest| newest - OVERLAP);
        let rows = ended_sessions::after(&*self.db.get().await?, after, self.kept).await?;
        let read = rows.iter().map(|row| row.ended_at).max();
        self.remember(rows.into_iter().map(|row| row.id));
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest.max(read);
        Ok(())
    }

    /// Deletes what no token can be of any more, also where no webhook comes again: the id
    /// of a user who is gone is not kept longer than it serves.
    ///
    /// # Errors
    ///
    /// When the database is away.
    pub async fn forget(&self) -> Result<(), db::Error> {
        let conn = self.db.get().await?;
        ended_sessions::forget(&conn, self.kept).await?;
        Ok(webhook_deliveries::forget(&conn).await?)
    }

    /// Keeps reading, for as long as it is polled.
    pub async fn follow(&self) {
        loop {
            if let Err(error) = self.refresh().await {
                tracing::debug!(%error, "the sessions that ended could not be read");
            }
            tokio::select! {
                () = self.feed.sessions_to_read() => {}
                () = sleep(POLL) => {}
            }
        }
    }

    fn remember(&self, ids: impl IntoIterator<Item = String>) {
        // From when it was heard of, so that no two clocks are compared.
        let now = self.clock.now();
        self.ended.remember(ids, now + self.kept, now);
    }
}

/// The longest that a token may be good for when its session ends: it may be of a clock
/// that is ahead by the skew, and is accepted for the skew longer than it says.
fn kept(config: &config::Clerk) -> Duration {
    let skew = Duration::from_secs(config.clock_skew_seconds.into());
    LONGEST_LIFETIME.to_std().unwrap_or_default() + skew * 2
}
