//! Locks between processes, on files. A process that dies releases its own.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::Error;

/// How long to wait for another process that makes, starts or stops the cluster.
const PATIENCE: Duration = Duration::from_mins(2);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// How often a lock is asked for that nobody else seems to need.
const FORKING: u32 = 10;

/// Waits until nobody else holds the lock.
pub(super) async fn exclusive(path: &Path) -> Result<File, Error> {
    wait(path, File::try_lock).await
}

/// Waits until nobody holds the lock exclusively.
pub(super) async fn shared(path: &Path) -> Result<File, Error> {
    wait(path, File::try_lock_shared).await
}

/// The lock, if nobody else holds it in any way. Whom this process is just forking holds
/// its locks as well, until the other program begins: so it is asked for more than once.
pub(super) async fn try_exclusive(path: &Path) -> Result<Option<File>, Error> {
    for _ in 0..FORKING {
        if let Some(file) = attempt(path, open(path)?, File::try_lock)? {
            return Ok(Some(file));
        }
        sleep(PAUSE).await;
    }
    attempt(path, open(path)?, File::try_lock)
}

type Lock = fn(&File) -> Result<(), TryLockError>;

async fn wait(path: &Path, lock: Lock) -> Result<File, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(file) = attempt(path, open(path)?, lock)? {
            return Ok(file);
        }
        if Instant::now() > deadline {
            return Err(Error::Busy(path.display().to_string()));
        }
        sleep(PAUSE).await;
    }
}

fn attempt(path: &Path, file: File, lock: Lock) -> Result<Option<File>, Error> {
    match lock(&file) {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(Error::io(format!("cannot lock {}", path.display()))(error))
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Error::io(format!("cannot open {}", path.display())))
}
