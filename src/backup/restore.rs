//! Beginning anew from a backup, in an empty database.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt as _;

use super::{
    manifest::{DUMP, Manifest, object},
    programs,
};
use crate::{
    db::{
        self, Database, backup,
        jobs::{NewJob, enqueue},
        reconcile,
    },
    media::Store,
    model::{media::ContentHash, new_id},
};

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;

/// How many rows of missing files one statement changes.
const AT_ONCE: usize = 1_000;

/// What became of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// That the store still had.
    pub there: usize,
    /// That came from the backup.
    pub copied: usize,
    /// That are nowhere: the homeserver is asked for them again.
    pub missing: usize,
    /// That the store has, and nothing names: from after the backup.
    pub unknown: usize,
}

/// A backup that is there: the folder itself, or the newest one in it.
///
/// # Errors
///
/// When there is none, or one that this program cannot read or that is not whole.
pub fn open(from: &Path) -> anyhow::Result<(PathBuf, Manifest)> {
    let folder = if Manifest::is_in(from) {
        from.to_owned()
    } else {
        let found = std::fs::read_dir(from).context("the folder cannot be read")?;
        let found = found.filter_map(|entry| Some(entry.ok()?.path()));
        let newest = found.filter(|path| Manifest::is_in(path)).max();
        newest.context("there is no backup in the folder")?
    };
    let manifest = Manifest::read(&folder)?;
    let unknown = backup::unknown_migrations(&manifest.migrations);
    ensure!(
        unknown.is_empty(),
        "the backup is a newer Tributary's, {}",
        manifest.version
    );
    manifest.verify(&folder)?;
    Ok((folder, manifest))
}

/// Puts the database in, with a new epoch, and brings it up to date.
///
/// # Errors
///
/// When the database is not empty, which it is not any more if this fails later.
pub async fn restore(url: &SecretString, folder: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let target = backup::look(url).await?;
    ensure!(
        target.is_empty,
        "the database is not empty: a backup is restored into a new one alone (CREATE DATABASE)"
    );
    let mut dbname = std::ffi::OsString::from("--dbname=");
    dbname.push(&target.name);
    let arguments = vec![
        "--no-owner".into(),
        "--no-privileges".into(),
        "--exit-on-error".into(),
        "--single-transaction".into(),
        dbname,
        folder.join(DUMP).into(),
    ];
    programs::run("pg_restore", url, target.server, arguments).await?;
    backup::begin_anew(url, &manifest.migrations).await?;
    db::migrate(url).await?;
    Ok(())
}

/// Sees to it that the store has every file that the database names, or that it is fetched;
/// and, with `delete_unknown`, that it has no other.
///
/// # Errors
///
/// When the store or the database fails; it may be repeated.
pub async fn restore_files(
    url: &SecretString,
    store: &Store,
    folder: &Path,
    delete_unknown: bool,
) -> anyhow::Result<Restored> {
    let backups = folder.parent().unwrap_or(folder);
    let mut restored = Restored::default();
    let mut missing = Vec::new();
    for hash in backup::stored(url).await? {
        if store.has(&hash).await? {
            restored.there += 1;
        } else if put(store, &object(backups, &hash), &hash).await? {
            restored.copied += 1;
        } else {
            restored.missing += 1;
            missing.push(hash);
        }
    }
    for hashes in missing.chunks(AT_ONCE) {
        backup::fetch_again(url, hashes).await?;
    }
    let unknown = backup::unknown(url, &store.all().await?).await?;
    restored.unknown = unknown.len();
    if delete_unknown {
        for hashes in unknown.chunks(AT_ONCE) {
            backup::let_go(url, hashes).await?;
        }
    }
    Ok(restored)
}

/// Has the rooms whose history does not come in by itself compared with the homeserver's from
/// the backup on: what was lost is no history. Of the others everything is, as ever.
///
/// # Errors
///
/// When the database fails; it may be repeated.
pub async fn compare_unfilled(
    url: &SecretString,
    taken_at: DateTime<Utc>,
) -> anyhow::Result<usize> {
    let db = Database::new(url, 1)?;
    let conn = db.get().await?;
    let rooms = reconcile::unfilled(&conn).await?;
    let since = Value::from(taken_at.to_rfc3339());
    let job = |key| NewJob {
        kind: "reconcile",
        key,
        payload: Map::from_iter([(reconcile::SINCE.to_owned(), since.clone())]),
    };
    let jobs: Vec<_> = rooms.into_iter().map(job).collect();
    enqueue(&conn, &jobs).await?;
    drop(conn);
    db.close();
    Ok(jobs.len())
}

/// Puts a file into the store; false if there is none, or it is not what its name says.
async fn put(store: &Store, path: &Path, hash: &ContentHash) -> anyhow::Result<bool> {
    let Ok(mut file) = tokio::fs::File::open(path).await else {
        return Ok(false);
    };
    let id = new_id();
    let mut upload = store.upload(id);
    let mut chunk = vec![0; CHUNK];
    let mut multipart = None;
    loop {
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            break;
        }
        multipart = upload.write(&chunk[..read]).await?.or(multipart);
    }
    let finished = upload.finish().await?;
    if finished.hash != *hash {
        tracing::warn!(path = %path.display(), "a file of the backup is not what its name says");
        store.abandon(id, multipart.as_deref()).await?;
        return Ok(false);
    }
    store.keep(finished).await?;
    Ok(true)
}
