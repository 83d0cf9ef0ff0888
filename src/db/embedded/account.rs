//! Who runs Postgres: it refuses to run as root.

use std::{
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
};

use tokio::process::Command;

use super::Error;

/// The accounts that root steps down to, the best first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// Who runs Postgres.
#[derive(Debug, Clone)]
pub(super) enum Account {
    /// Whoever runs Tributary.
    Ours,
    /// An unprivileged user, because Tributary runs as root.
    Other {
        /// The user's name.
        name: &'static str,
        /// The user's id.
        uid: u32,
        /// The id of the user's group.
        gid: u32,
    },
}

impl Account {
    /// Whoever runs Tributary, or an unprivileged user if that is root.
    pub(super) async fn find() -> Result<Self, Error> {
        if id(&["-u"]).await != Some(0) {
            return Ok(Self::Ours);
        }
        for name in UNPRIVILEGED {
            if let (Some(uid), Some(gid)) = (id(&["-u", name]).await, id(&["-g", name]).await) {
                return Ok(Self::Other { name, uid, gid });
            }
        }
        Err(Error::NoAccount)
    }

    /// A command that this account runs.
    pub(super) fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        // Ours may be one that the other account cannot enter.
        command.current_dir(folder);
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Gives a file or folder to this account.
    pub(super) fn own(&self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Ours => Ok(()),
            Self::Other { uid, gid, .. } => chown(path, Some(*uid), Some(*gid))
                .map_err(Error::io(format!("cannot hand over {}", path.display()))),
        }
    }

    /// Whether this account can get to `folder`, which will be its own.
    pub(super) fn check_way_to(&self, folder: &Path) -> Result<(), Error> {
        let Self::Other { name, uid, gid } = self else {
            return Ok(());
        };
        let above: Vec<_> = folder.ancestors().skip(1).collect();
        for folder in above.into_iter().rev() {
            let metadata = folder
                .metadata()
                .map_err(Error::io(format!("cannot look at {}", folder.display())))?;
            let may_pass = match () {
                () if metadata.uid() == *uid => 0o100,
                () if metadata.gid() == *gid => 0o010,
                () => 0o001,
            };
            if metadata.mode() & may_pass == 0 {
                return Err(Error::Unreachable {
                    account: (*name).to_owned(),
                    folder: folder.display().to_string(),
                });
            }
        }
        Ok(())
    }
}

/// A numeric id, as `id` tells it: it knows every source of accounts of the system.
async fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().parse().ok().filter(|_| output.status.success())
}
