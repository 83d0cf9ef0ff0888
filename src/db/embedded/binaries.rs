//! Where the Postgres server is installed.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::Error;

/// What has to be in a folder of binaries.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// Where installations of several versions are: a folder for each, and the binaries in it.
/// Debian, Red Hat, Homebrew (Apple silicon and Intel), Postgres.app.
const VERSIONED: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
];

/// One installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    /// The folder of the programs.
    pub(super) folder: PathBuf,
    /// The major version.
    pub(super) version: u32,
}

/// The folders in which a server may be, in the order in which they are looked at.
pub(super) async fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<_> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    let configured = Command::new("pg_config").arg("--bindir").output().await;
    if let Ok(output) = configured
        && let Ok(folder) = String::from_utf8(output.stdout)
        && !folder.trim().is_empty()
    {
        folders.push(PathBuf::from(folder.trim()));
    }
    for (parent, bin) in VERSIONED {
        let mut versions = subfolders(Path::new(parent));
        if matches!(parent, "/usr" | "/opt/homebrew/opt" | "/usr/local/opt") {
            versions.retain(|folder| is_installation(folder.file_name()));
        }
        folders.extend(versions.into_iter().map(|folder| folder.join(bin)));
    }
    folders.extend(["/usr/local/pgsql/bin", "/usr/local/bin"].map(PathBuf::from));
    let mut seen = BTreeSet::new();
    folders.retain(|folder| folder.is_absolute() && seen.insert(folder.clone()));
    folders
}

fn is_installation(name: Option<&OsStr>) -> bool {
    let name = name.unwrap_or_default().to_string_lossy();
    name.starts_with("postgresql") || name.starts_with("pgsql")
}

fn subfolders(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// The installations in these folders, at least one.
pub(super) async fn find(folders: &[PathBuf]) -> Result<Vec<Binaries>, Error> {
    let mut found = Vec::new();
    for folder in folders {
        if PROGRAMS.iter().all(|name| folder.join(name).is_file())
            && let Some(version) = version(folder).await
        {
            found.push(Binaries {
                folder: folder.clone(),
                version,
            });
        }
    }
    if found.is_empty() {
        let looked: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
        let looked = looked.join(", ");
        return Err(Error::NoBinaries { looked });
    }
    Ok(found)
}

/// The installation for a cluster of this version, or the newest for a new one.
pub(super) fn choose(found: Vec<Binaries>, cluster: Option<u32>) -> Result<Binaries, Error> {
    let versions: BTreeSet<_> = found.iter().map(|binaries| binaries.version).collect();
    let wanted = cluster.or_else(|| versions.last().copied());
    found
        .into_iter()
        .find(|binaries| Some(binaries.version) == wanted)
        .ok_or_else(|| Error::Version {
            cluster: wanted.unwrap_or_default(),
            found: versions
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// The major version of the server in `folder`.
async fn version(folder: &Path) -> Option<u32> {
    let mut command = Command::new(folder.join("postgres"));
    let output = command.arg("--version").output().await.ok()?;
    parse_version(&String::from_utf8(output.stdout).ok()?)
}

/// From `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, or `18beta1`.
fn parse_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    let end = version.find(|c: char| !c.is_ascii_digit())?;
    version[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(folder: &str, version: u32) -> Binaries {
        Binaries {
            folder: PathBuf::from(folder),
            version,
        }
    }

    #[test]
    fn versions_are_read() {
        let debian = "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n";
        assert_eq!(parse_version(debian), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_version("mysqld 9"), None);
    }

    #[test]
    fn a_cluster_keeps_its_version_and_a_new_one_gets_the_newest() {
        let found = vec![binaries("/a", 9), binaries("/b", 17), binaries("/c", 15)];
        let folder = |cluster| Some(choose(found.clone(), cluster).ok()?.folder);
        assert_eq!(folder(None), Some(PathBuf::from("/b")));
        assert_eq!(folder(Some(15)), Some(PathBuf::from("/c")));
        let error = choose(found, Some(16)).unwrap_err().to_string();
        assert!(
            error.contains("Postgres 16") && error.contains("9, 15, 17"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn without_binaries_the_message_says_what_to_install() {
        let error = find(&[PathBuf::from("/nowhere/bin")]).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains("/nowhere/bin"), "{error}");
        assert!(error.contains("apt install postgresql"), "{error}");
    }
}
