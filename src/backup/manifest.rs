//! What a backup says of itself.
//!
//! ```text
//! <folder>/<time>/manifest.json     this, written last
//!                 database.dump     pg_dump's own format
//!                 objects.tsv       SHA-256 and size of each file that is stored
//! <folder>/objects/<2>/<sha256>     the files, of all backups of the folder
//! ```

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::media::{ContentHash, StoredObject};

/// The format that this program writes and reads.
const FORMAT: u32 = 1;

pub(super) const DUMP: &str = "database.dump";
pub(super) const OBJECTS: &str = "objects.tsv";
const MANIFEST: &str = "manifest.json";

/// A backup, but for what is in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT`].
    format: u32,
    /// The moment that it shows, by the database's clock.
    pub taken_at: DateTime<Utc>,
    /// The program that took it.
    pub version: String,
    /// The server's version, as `server_version_num` has it.
    pub server: i32,
    /// The migrations that the dump has.
    pub migrations: Vec<String>,
    /// How many files were stored.
    pub objects: usize,
    /// Their bytes.
    pub bytes: i64,
    /// Whether they are in the backup's folder.
    pub has_files: bool,
    /// Those that were deleted before they were copied.
    pub gone: Vec<String>,
    /// The SHA-256 of what else is in the folder, by name. Backups of before have none.
    #[serde(default)]
    checksums: BTreeMap<String, String>,
}

impl Manifest {
    pub(super) fn new(taken_at: DateTime<Utc>, server: i32, migrations: Vec<String>) -> Self {
        Self {
            format: FORMAT,
            taken_at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server,
            migrations,
            objects: 0,
            bytes: 0,
            has_files: false,
            gone: Vec::new(),
            checksums: BTreeMap::new(),
        }
    }

    /// Takes down the checksums of what is in the folder.
    pub(super) fn seal(&mut self, folder: &Path) -> anyhow::Result<()> {
        for name in [DUMP, OBJECTS] {
            let checksum = checksum(&folder.join(name));
            let checksum = checksum.with_context(|| format!("{name} cannot be read again"))?;
            self.checksums.insert(name.to_owned(), checksum);
        }
        Ok(())
    }

    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        fs::write(folder.join(MANIFEST), json).context("the manifest cannot be written")
    }

    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let json = fs::read(folder.join(MANIFEST));
        let json = json.context("there is no manifest.json: no backup, or one that broke off")?;
        let manifest: Self = serde_json::from_slice(&json).context("manifest.json is none")?;
        let format = manifest.format;
        ensure!(format == FORMAT, "its format is {format}, this is {FORMAT}");
        Ok(manifest)
    }

    /// Whether what is in the folder is what was put there.
    pub(super) fn verify(&self, folder: &Path) -> anyhow::Result<()> {
        for (name, expected) in &self.checksums {
            ensure!(
                [DUMP, OBJECTS].contains(&name.as_str()),
                "the manifest names a file that is none of a backup's"
            );
            let found = checksum(&folder.join(name));
            let found = found.with_context(|| format!("{name} cannot be read"))?;
            ensure!(
                found == *expected,
                "{name} is broken: its SHA-256 is not that of the manifest; take another backup"
            );
        }
        Ok(())
    }

    pub(super) fn is_in(folder: &Path) -> bool {
        folder.join(MANIFEST).is_file()
    }
}

fn checksum(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(ContentHash(hasher.finalize().into()).to_string()),
            read => hasher.update(&chunk[..read]),
        }
    }
}

/// Where the folder of backups has a file.
pub(super) fn object(folder: &Path, hash: &ContentHash) -> PathBuf {
    let name = hash.to_string();
    folder.join("objects").join(&name[..2]).join(name)
}

pub(super) fn write_objects(folder: &Path, objects: &[StoredObject]) -> anyhow::Result<()> {
    let lines = objects.iter();
    let lines: Vec<_> = lines.map(|o| format!("{}\t{}\n", o.hash, o.size)).collect();
    fs::write(folder.join(OBJECTS), lines.concat()).context("the list of files cannot be written")
}

/// The names in a list of files.
pub(super) fn read_objects(folder: &Path) -> anyhow::Result<Vec<String>> {
    let lines =
        fs::read_to_string(folder.join(OBJECTS)).context("the list of files cannot be read")?;
    let names = lines.lines().filter_map(|line| line.split('\t').next());
    Ok(names.map(str::to_owned).collect())
}
