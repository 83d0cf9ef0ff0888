//! Taking a backup of what is being used.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use futures_util::TryStreamExt as _;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio::{io::AsyncWriteExt as _, time::sleep};

use super::{
    manifest::{DUMP, Manifest, object, write_objects},
    programs, prune,
};
use crate::{
    db::backup::Snapshot,
    media::{Store, StoreError},
    model::media::{ContentHash, StoredObject},
};

/// How a backup is taken.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Copies the files as well.
    pub files: bool,
    /// Deletes all but so many of the folder's backups afterwards.
    pub keep: Option<usize>,
}

/// Takes a backup into a new folder under `to`, and says where and what it is.
///
/// # Errors
///
/// When the database, the store or the folder fails; nothing that looks like a backup is left.
pub async fn take(
    url: &SecretString,
    store: &Store,
    to: &Path,
    options: Options,
) -> anyhow::Result<(PathBuf, Manifest)> {
    let _held = hold_folder(to)?;
    let (snapshot, name) = hold_snapshot(url, to).await?;
    let (half_made, folder) = (to.join(format!(".{name}")), to.join(&name));
    make_folder(&half_made)?;

    dump(url, &snapshot, &half_made).await?;
    let objects = snapshot.objects().await?;
    let mut manifest = Manifest::new(
        snapshot.taken_at,
        snapshot.server,
        snapshot.migrations.clone(),
    );
    drop(snapshot);
    write_objects(&half_made, &objects)?;
    manifest.objects = objects.len();
    manifest.bytes = objects.iter().map(|object| object.size).sum();
    if options.files {
        manifest.has_files = true;
        manifest.gone = copy_all(store, to, &objects).await?;
    }
    manifest.seal(&half_made)?;
    manifest.write(&half_made)?;
    fs::rename(&half_made, &folder).context("the backup cannot get its name")?;
    if let Some(keep) = options.keep {
        prune::prune(to, keep)?;
    }
    Ok((folder, manifest))
}

/// A snapshot, and the name of a backup of it: its time in seconds. Right behind another backup it
/// waits for the next one.
async fn hold_snapshot(url: &SecretString, to: &Path) -> anyhow::Result<(Snapshot, String)> {
    loop {
        let snapshot = Snapshot::hold(url)
            .await
            .context("the database cannot be read")?;
        let name = snapshot.taken_at.format("%Y%m%dT%H%M%SZ").to_string();
        if !to.join(&name).exists() {
            return Ok((snapshot, name));
        }
        drop(snapshot);
        sleep(Duration::from_secs(1)).await;
    }
}

async fn dump(url: &SecretString, snapshot: &Snapshot, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(DUMP);
    // Nobody else's wherever the folder is copied to: pg_dump writes into what is there.
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .context("the dump cannot be written")?;
    let mut file = std::ffi::OsString::from("--file=");
    file.push(path);
    let arguments = vec![
        "--format=custom".into(),
        "--schema=tributary".into(),
        format!("--snapshot={}", snapshot.id).into(),
        file,
    ];
    programs::run("pg_dump", url, snapshot.server, arguments).await
}

/// Copies what is not there yet; answers what is not in the store any more.
async fn copy_all(
    store: &Store,
    to: &Path,
    objects: &[StoredObject],
) -> anyhow::Result<Vec<String>> {
    let mut gone = Vec::new();
    for StoredObject { hash, size } in objects {
        let path = object(to, hash);
        let has = fs::metadata(&path).is_ok_and(|file| i64::try_from(file.len()) == Ok(*size));
        if has {
            continue;
        }
        match copy(store, hash, &path).await {
            Ok(()) => {}
            Err(Failed::Store(StoreError::NotFound)) => gone.push(hash.to_string()),
            Err(error) => return Err(error).context("a file cannot be copied"),
        }
    }
    Ok(gone)
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error("the store has something else under the name {0}")]
    Other(ContentHash),
}

async fn copy(store: &Store, hash: &ContentHash, path: &Path) -> Result<(), Failed> {
    let mut content = store.get(hash, None).await?;
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let half_made = path.with_extension("new");
    let mut file = tokio::fs::File::create(&half_made).await?;
    let mut hasher = Sha256::new();
    while let Some(chunk) = content.try_next().await? {
        hasher.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.sync_all().await?;
    if hasher.finalize()[..] != hash.0 {
        return Err(Failed::Other(*hash));
    }
    Ok(tokio::fs::rename(&half_made, path).await?)
}

/// Keeps others out, as long as it is held: what is half made is theirs to clear away, and its
/// files are named by no backup yet.
fn hold_folder(to: &Path) -> anyhow::Result<fs::File> {
    create_folder(to)?;
    let path = to.join(".lock");
    let file = fs::File::create(&path);
    let file = file.with_context(|| format!("{} cannot be made", path.display()))?;
    // There are file systems that have no locks: those are nobody's.
    ensure!(
        !matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)),
        "another backup is being made in {}",
        to.display()
    );
    Ok(file)
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    // What one left behind that broke off in the same second.
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    create_folder(folder)
}

fn create_folder(folder: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.with_context(|| format!("{} cannot be made", folder.display()))
}
