//! What has to be asked to be known: read from Postgres when somebody wants it, at most every
//! few seconds, and never waited for.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use crate::{
    clock::Clock,
    db::{self, Database, gauges::Sample},
    health::HealthState,
    meters::{meters, seconds},
};

/// Between two readings.
const EVERY: Duration = Duration::from_secs(5);
/// Whoever asks gets what there was when it takes longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads gauges. Cheap to clone; all clones share their readings.
#[derive(Debug, Clone)]
pub struct Gauges {
    db: Database,
    clock: Clock,
    /// When the last reading began.
    began: Arc<Mutex<Option<Instant>>>,
}

impl Gauges {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(db: Database, clock: Clock) -> Self {
        Self {
            db,
            clock,
            began: Arc::default(),
        }
    }

    /// Brings the gauges up to date, as far as that can be done soon: what Postgres knows is
    /// asked for unless it was just now, and stays as it was when there is no answer.
    pub async fn refresh(&self, health: &HealthState) {
        self.look_at_pool();
        let is_up = if health.homeserver().up { 1.0 } else { 0.0 };
        meters().homeserver_up.set(is_up);
        if !self.is_due() {
            return;
        }
        let (db, clock) = (self.db.clone(), self.clock.clone());
        // In a task of its own: whoever does not wait must not break off a statement.
        let read = tokio::spawn(async move { read(&db, &clock).await });
        let _ = timeout(PATIENCE, read).await;
    }

    fn look_at_pool(&self) {
        let (meters, pool) = (meters(), self.db.pool());
        let states = &meters.database_connections;
        for (gauge, count) in [
            (states.of("used"), pool.used),
            (states.of("idle"), pool.idle),
            (&meters.database_most_connections, pool.most),
            (&meters.database_waiting, pool.waiting),
        ] {
            gauge.set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        }
    }

    /// Whether it is time for a reading, which then has begun.
    fn is_due(&self) -> bool {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = began.is_none_or(|began| began.elapsed() >= EVERY);
        if is_due {
            *began = Some(Instant::now());
        }
        is_due
    }
}

async fn read(db: &Database, clock: &Clock) {
    let samples = async {
        let mut conn = db.get().await?;
        Ok::<_, db::Error>(db::gauges::read(&mut conn).await?)
    };
    match samples.await {
        Ok(samples) => {
            show(&samples);
            meters().database_up.set(1.0);
            meters().database_read_at.set(seconds(clock.now()));
        }
        Err(error) => {
            tracing::warn!(%error, "the gauges could not be read");
            meters().database_up.set(0.0);
        }
    }
}

fn show(samples: &[Sample]) {
    let meters = meters();
    // What there is none of any more is in no sample.
    meters.jobs.all().for_each(|gauge| gauge.set(0.0));
    let by_value = meters.jobs_oldest_due.all();
    let by_value = by_value.chain(meters.linked_connections.all());
    by_value.for_each(|(_, gauge)| gauge.set(0.0));
    for sample in samples {
        let value = sample.value.unwrap_or_default();
        let (kind, state) = (sample.kind.as_str(), sample.state.as_str());
        match sample.of.as_str() {
            // Kinds of a later version share one.
            "jobs" => meters.jobs.of(kind, state).increment(value),
            "oldest_due" => meters.jobs_oldest_due.of(kind).set(value),
            "connections" => meters.linked_connections.of(state).set(value),
            "dead_letters" => meters.dead_letters_kept.set(value),
            "media_pending" => meters.media_pending.set(value),
            "search_queue" => meters.search_queue.set(value),
            "erasures_open" => meters.erasures_open.set(value),
            "frames" => meters.frames_kept.set(value),
            "oldest_frame" => meters.oldest_frame.set(value),
            "last_transaction" => meters.last_transaction.set(value),
            "database_size" => meters.database_size.set(value),
            _ => {}
        }
    }
}
