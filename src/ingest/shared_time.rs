//! The clock that receipts are counted by: Postgres's, since it is the one that all replicas share.
//!
//! The homeserver tells an event's age, so when it received it follows from the time here. Access
//! begins and ends at such times. Two replicas whose clocks differ would disagree on whether
//! somebody had left before a message or after it.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    clock::{Ahead, Clock},
    db::{self, Database},
};

/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(5);

/// Follows Postgres's clock.
pub struct SharedTime {
    db: Database,
    own: Clock,
    ahead: Ahead,
}

impl SharedTime {
    /// Nothing is measured yet: until then the shared time is `own`.
    #[must_use]
    pub fn new(db: Database, own: Clock) -> Self {
        Self {
            db,
            own,
            ahead: Ahead::default(),
        }
    }

    /// The shared time.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.own.put_right(&self.ahead)
    }

    /// Compares the clocks.
    ///
    /// # Errors
    ///
    /// When the database is away; what was measured before goes on to count.
    pub async fn measure(&self) -> Result<(), db::Error> {
        let conn = self.db.get().await?;
        let asked = self.own.now();
        let theirs = db::time::now(&conn).await?;
        if self.ahead.measured(asked, theirs, self.own.now()) {
            let milliseconds = self.ahead.get().num_milliseconds();
            tracing::info!(milliseconds, "the database's clock is ahead of this one");
        }
        Ok(())
    }

    /// Keeps comparing them, for as long as it is polled.
    pub async fn follow(&self) {
        loop {
            sleep(EVERY).await;
            if let Err(error) = self.measure().await {
                tracing::debug!(%error, "the database's clock could not be read");
            }
        }
    }
}
