//! What the operating system knows of this process and its disks (Linux).

use std::{fs, path::Path};

use metrics::{Counter, Gauge};

use super::maker::Maker;

/// A second has so many ticks in `/proc/self/stat`, on every machine that Linux runs on.
const TICKS: u64 = 100;

/// Of the process, under the names that Prometheus's own clients use.
#[derive(Debug)]
pub(super) struct Process {
    memory: Gauge,
    descriptors: Gauge,
    most_descriptors: Gauge,
    processor: Counter,
}

impl Process {
    pub(super) fn new(maker: &Maker) -> Self {
        maker
            .gauge(
                "process_start_time_seconds",
                "When the process began, in seconds since 1970",
            )
            .set(began().unwrap_or_default());
        Self {
            memory: maker.gauge(
                "process_resident_memory_bytes",
                "Memory that the process has in RAM",
            ),
            descriptors: maker.gauge("process_open_fds", "Open file descriptors"),
            most_descriptors: maker.gauge(
                "process_max_fds",
                "File descriptors that the process may open",
            ),
            processor: maker.counter(
                "process_cpu_seconds_total",
                "Processor time of the process, in whole seconds",
            ),
        }
    }

    /// Looks. What cannot be read stays as it was.
    pub(super) fn look(&self) {
        if let Some(kilobytes) = resident_kilobytes() {
            self.memory.set(kilobytes * 1024.0);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            self.descriptors.set(number(open.count()));
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        if let Some(most) = limit {
            self.most_descriptors.set(precise(most));
        }
        if let Some(seconds) = processor_seconds() {
            self.processor.absolute(seconds);
        }
    }
}

fn resident_kilobytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn processor_seconds() -> Option<u64> {
    Some((stat(14)? + stat(15)?) / TICKS)
}

/// In seconds since 1970: the machine's start, and the ticks from there on.
fn began() -> Option<f64> {
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let machine = machine
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    Some(precise(
        machine.trim().parse::<u64>().ok()? + stat(22)? / TICKS,
    ))
}

/// A field of `/proc/self/stat`, as proc(5) counts them.
fn stat(field: usize) -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, the second field, which may have spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(field - 3)?.parse().ok()
}

/// Bytes that are free on the disk of a folder, and all of them; none when nobody knows.
pub(super) fn disk(folder: &Path) -> Option<(f64, f64)> {
    // It is made when it is first needed.
    let folder = folder.ancestors().find(|folder| folder.is_dir())?;
    let disk = rustix::fs::statvfs(folder).ok()?;
    let block = precise(disk.f_frsize);
    Some((
        precise(disk.f_bavail) * block,
        precise(disk.f_blocks) * block,
    ))
}

/// A count as a sample.
pub(super) fn number(count: usize) -> f64 {
    precise(count as u64)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a sample is a float, exact to 2^53"
)]
fn precise(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_seen() {
        assert!(resident_kilobytes().unwrap() > 1000.0);
        assert!(processor_seconds().is_some());
        // Later than this was written.
        assert!(began().unwrap() > 1_700_000_000.0);
        let (free, all) = disk(Path::new("/not/yet/made")).unwrap();
        assert!(free > 0.0 && free <= all);
    }
}
