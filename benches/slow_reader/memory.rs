//! What the server holds, as the kernel says it: Linux only.

use std::{
    fs,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, anyhow};

use crate::{server::Serving, stalled::Stalled};

const EVERY: Duration = Duration::from_millis(250);

/// In bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Resident, at the beginning.
    pub(crate) before: u64,
    /// Resident, at most.
    pub(crate) most: u64,
    /// In the kernel's send queues to those who do not read, at most.
    pub(crate) queued: u64,
}

/// Looks now and then.
pub(crate) struct Watch {
    stop: Sender<()>,
    looking: JoinHandle<anyhow::Result<Memory>>,
}

impl Watch {
    pub(crate) fn begin(server: &Serving, stalled: &Stalled) -> Self {
        let (pid, from, to) = (
            server.process.id(),
            server.address().port(),
            stalled.ports(),
        );
        let (stop, stopped) = mpsc::channel();
        let looking = thread::spawn(move || {
            let before = resident(pid)?;
            let mut memory = Memory {
                before,
                most: before,
                queued: 0,
            };
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                memory.most = memory.most.max(resident(pid)?);
                memory.queued = memory.queued.max(queued(from, &to)?);
            }
            Ok(memory)
        });
        Self { stop, looking }
    }

    pub(crate) fn end(self) -> anyhow::Result<Memory> {
        drop(self.stop);
        let looked = self.looking.join();
        looked.map_err(|_| anyhow!("it panicked"))?
    }
}

fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .context("no resident memory")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

/// What waits to be sent from a port to others, on IPv4.
fn queued(from: u16, to: &[u16]) -> anyhow::Result<u64> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let port = |address: &str| {
        let (_, port) = address.split_once(':')?;
        u16::from_str_radix(port, 16).ok()
    };
    let of_line = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote) = (port(fields.next()?)?, port(fields.next()?)?);
        let (waiting, _) = fields.nth(1)?.split_once(':')?;
        let is_ours = local == from && to.contains(&remote);
        u64::from_str_radix(waiting, 16).ok().filter(|_| is_ours)
    };
    Ok(table.lines().filter_map(of_line).sum())
}
