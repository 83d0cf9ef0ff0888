//! What this ran on, and who used its processors.

use std::{fs, ops::AddAssign, thread, time::Duration};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use crate::process::processor_time;

const SETTINGS: [&str; 9] = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "autovacuum",
    "jit",
];

/// Postgres's settings, and the machine's cores and load.
pub(crate) fn settings(runtime: &Runtime, database: &Client) -> anyhow::Result<Value> {
    let mut postgres = json!({});
    for name in SETTINGS {
        let row = runtime.block_on(database.query_one(&format!("SHOW {name}"), &[]))?;
        postgres[name] = row.get::<_, String>(0).into();
    }
    let cores = thread::available_parallelism()?.get();
    Ok(json!({ "cores": cores, "loadBefore": load(), "postgres": postgres }))
}

/// Of the last minute, the last five and fifteen.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The processes of a Postgres, if it is on this machine.
pub(crate) struct Postgres {
    postmaster: Option<u32>,
}

impl Postgres {
    pub(crate) fn of(runtime: &Runtime, database: &Client) -> anyhow::Result<Self> {
        let row = runtime.block_on(database.query_one("SELECT pg_backend_pid()", &[]))?;
        let backend: i32 = row.get(0);
        Ok(Self {
            postmaster: parent(backend.try_into()?),
        })
    }

    fn used(&self) -> Duration {
        let Ok(processes) = fs::read_dir("/proc") else {
            return Duration::ZERO;
        };
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| self.postmaster.is_some() && parent(*pid) == self.postmaster)
            .filter_map(|pid| processor_time(pid).ok())
            .sum()
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// Processor time, until a moment or between two.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) subject: Duration,
    pub(crate) postgres: Duration,
    pub(crate) generator: Duration,
}

impl Used {
    pub(crate) fn read(subject: u32, postgres: &Postgres) -> anyhow::Result<Self> {
        Ok(Self {
            subject: processor_time(subject)?,
            postgres: postgres.used(),
            generator: processor_time(std::process::id())?,
        })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            subject: self.subject.saturating_sub(before.subject),
            postgres: self.postgres.saturating_sub(before.postgres),
            generator: self.generator.saturating_sub(before.generator),
        }
    }

    /// In microseconds for each of so many.
    pub(crate) fn each(self, count: usize) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52")]
        let each = |used: Duration| (used.as_secs_f64() * 1e7 / count.max(1) as f64).round() / 10.0;
        json!({
            "subject": each(self.subject), "postgres": each(self.postgres),
            "generator": each(self.generator),
        })
    }
}

impl AddAssign for Used {
    fn add_assign(&mut self, other: Self) {
        self.subject += other.subject;
        self.postgres += other.postgres;
        self.generator += other.generator;
    }
}
