//! Deleting old backups: what people had erased must not stay in them for ever.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context as _;

use super::manifest::{Manifest, read_objects};

/// Deletes all but the newest `keep` backups of a folder, those that broke off, and the files
/// that no other names.
pub(super) fn prune(folder: &Path, keep: usize) -> anyhow::Result<()> {
    let mut backups = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with('.') && path.join(super::manifest::DUMP).exists() {
            remove(&path)?;
        } else if Manifest::is_in(&path) {
            backups.push(path);
        }
    }
    // Their names are times.
    backups.sort_unstable();
    let old = backups.len().saturating_sub(keep.max(1));
    for path in &backups[..old] {
        remove(path)?;
    }
    let mut named = BTreeSet::new();
    for path in &backups[old..] {
        named.extend(read_objects(path)?);
    }
    prune_objects(&folder.join("objects"), &named)
}

fn prune_objects(objects: &Path, named: &BTreeSet<String>) -> anyhow::Result<()> {
    let Ok(folders) = fs::read_dir(objects) else {
        return Ok(());
    };
    for entry in folders {
        for file in fs::read_dir(entry?.path())? {
            let file = file?;
            if !named.contains(&*file.file_name().to_string_lossy()) {
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("{} cannot be deleted", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backup::manifest::{object, write_objects},
        model::media::{ContentHash, StoredObject},
    };

    fn file(hash: u8) -> StoredObject {
        let hash = ContentHash([hash; 32]);
        StoredObject { hash, size: 0 }
    }

    fn put(folder: &Path, name: &str, files: &[StoredObject]) {
        let backup = folder.join(name);
        fs::create_dir_all(&backup).unwrap();
        write_objects(&backup, files).unwrap();
        let at = chrono::DateTime::UNIX_EPOCH;
        Manifest::new(at, 150_000, Vec::new())
            .write(&backup)
            .unwrap();
        for file in files {
            let path = object(folder, &file.hash);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    #[test]
    fn the_newest_are_kept_with_their_files_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        put(folder, "20260101T000000Z", &[file(1), file(2)]);
        put(folder, "20260102T000000Z", &[file(2)]);
        put(folder, "20260103T000000Z", &[file(2), file(3)]);
        fs::create_dir(folder.join(".20260102T000000Z")).unwrap();
        fs::write(
            folder
                .join(".20260102T000000Z")
                .join(crate::backup::manifest::DUMP),
            "",
        )
        .unwrap();
        fs::create_dir(folder.join("somebody's")).unwrap();
        prune(folder, 2).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "20260102T000000Z",
                "20260103T000000Z",
                "objects",
                "somebody's"
            ]
        );
        let has = |hash| object(folder, &file(hash).hash).exists();
        assert_eq!([has(1), has(2), has(3)], [false, true, true]);
    }

    #[test]
    fn a_backup_of_a_newer_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("20260101T000000Z");
        fs::create_dir(&backup).unwrap();
        let at = chrono::DateTime::UNIX_EPOCH;
        let migrations = vec!["20260101000000".to_owned(), "29991231000000".to_owned()];
        Manifest::new(at, 150_000, migrations)
            .write(&backup)
            .unwrap();
        let refused = crate::backup::open(folder.path()).unwrap_err();
        assert!(refused.to_string().contains("newer"), "{refused}");
    }
}
