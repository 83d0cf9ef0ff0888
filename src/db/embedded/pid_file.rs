//! `postmaster.pid`: who runs the cluster, and how far it is.

use std::{
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::Error;

/// The line, from 0, on which the postmaster says how it is.
const STATUS_LINE: usize = 7;

/// A pid that no process has: Linux stops counting at four million.
const NOBODY: &str = "2147483647";

/// The pid file of a cluster, whether or not it is there.
pub(super) struct PidFile {
    data: PathBuf,
    lines: Vec<String>,
}

impl PidFile {
    /// The pid file in the folder of the cluster's data, as it is now.
    pub(super) fn of(data: &Path) -> Self {
        let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        Self {
            data: data.to_owned(),
            lines: text.lines().map(|line| line.trim().to_owned()).collect(),
        }
    }

    /// Whether the postmaster takes connections.
    pub(super) fn is_ready(&self) -> bool {
        self.lines
            .get(STATUS_LINE)
            .is_some_and(|line| line == "ready")
    }

    /// Whether its pid is that of a postmaster of this cluster, which names the cluster's
    /// folder on its command line. A zombie has no command line. Without `/proc` the pid
    /// file is believed.
    pub(super) fn is_of_postmaster(&self) -> bool {
        if !Path::new("/proc/self").exists() {
            return true;
        }
        let Some(pid) = self.pid() else {
            return false;
        };
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command
            .split(|byte| *byte == 0)
            .any(|argument| argument == self.data.as_os_str().as_bytes())
    }

    /// After a crash the pid may be somebody else's, beside whom Postgres would not start:
    /// puts a pid there that nobody has. The file itself stays: by it Postgres finds
    /// backends that outlived their postmaster.
    pub(super) fn disown(&self) -> Result<(), Error> {
        let alive = |pid: &u32| Path::new(&format!("/proc/{pid}")).exists();
        let Some(pid) = self.pid().filter(alive) else {
            return Ok(());
        };
        tracing::warn!(
            pid,
            "the pid of a Postgres that crashed is somebody else's now"
        );
        let others = self.lines.iter().skip(1).map(String::as_str);
        let lines: Vec<_> = std::iter::once(NOBODY).chain(others).collect();
        fs::write(self.data.join("postmaster.pid"), lines.join("\n") + "\n")
            .map_err(Error::io("cannot write postmaster.pid"))
    }

    fn pid(&self) -> Option<u32> {
        self.lines.first()?.parse().ok()
    }
}
