//! What the kernel says of a process: Linux only.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::shared::scratch::{Scratch, connect};

/// Of `USER_HZ`, which Linux has fixed at 100 for programs.
const TICK: Duration = Duration::from_millis(10);

/// Resident memory, in bytes.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .context("no resident memory")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

/// Processor time used until a moment, or between two.
pub(crate) struct Usage {
    at: Instant,
    /// Between two moments: how long that was.
    pub(crate) during: Duration,
    /// The program.
    pub(crate) tributary: Duration,
    /// Its connections' processes.
    pub(crate) postgres: Duration,
}

impl Usage {
    pub(crate) async fn read(pid: u32, scratch: &Scratch) -> anyhow::Result<Self> {
        let client = connect(secrecy::ExposeSecret::expose_secret(scratch.url())).await?;
        let rows = client
            .query(
                "SELECT pid FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
                &[],
            )
            .await?;
        let mut postgres = Duration::ZERO;
        for row in rows {
            let pid: i32 = row.get(0);
            postgres += processor_time(pid.try_into()?).unwrap_or_default();
        }
        Ok(Self {
            at: Instant::now(),
            during: Duration::ZERO,
            tributary: processor_time(pid)?,
            postgres,
        })
    }

    pub(crate) fn since(self, earlier: &Self) -> Self {
        Self {
            at: self.at,
            during: self.at.saturating_duration_since(earlier.at),
            tributary: self.tributary.saturating_sub(earlier.tributary),
            // A connection that was closed meanwhile took its time along.
            postgres: self.postgres.saturating_sub(earlier.postgres),
        }
    }
}

pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may have anything in it.
    let (_, fields) = stat.rsplit_once(')').context("no process name")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u32>)
        .sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
}
