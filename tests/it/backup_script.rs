//! `docker/backup`, the schedule of the compose stack.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::SystemTime,
};

use tempfile::TempDir;

use crate::support::cluster::{Cluster, PASSWORD};

/// A homeserver's database, its media and its key, and a folder for backups.
struct Stage {
    cluster: Cluster,
    place: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let cluster = Cluster::start(|_| {}, &[]).await;
        let place = tempfile::tempdir().unwrap();
        let stage = Self { cluster, place };
        let port = stage.cluster.port;
        stage.write(
            "passwords",
            &format!("127.0.0.1:{port}:*:postgres:{PASSWORD}\n"),
        );
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(stage.path("passwords"), private).unwrap();
        stage.write("signing.key", "the homeserver's");
        stage.write("media/ab/picture", "a picture");
        stage.sql("CREATE TABLE logins (name text); INSERT INTO logins VALUES ('carol')");
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn url(&self, database: &str) -> String {
        let port = self.cluster.port;
        format!("postgresql://postgres@127.0.0.1:{port}/{database}")
    }

    fn psql(&self, database: &str, sql: &str) -> Output {
        let mut psql = Command::new("psql");
        psql.args(["-AtqX", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        psql.arg(self.url(database))
            .env("PGPASSFILE", self.path("passwords"));
        psql.output().unwrap()
    }

    fn sql(&self, sql: &str) {
        let done = self.psql("postgres", sql);
        assert!(done.status.success(), "{done:?}");
    }

    fn back_up(&self, database: &str) -> Output {
        Command::new("docker/backup")
            .arg("once")
            .env("BACKUP_DIR", self.path("backups"))
            .env("BACKUP_KEEP", "2")
            .env("BACKUP_DATABASES", format!("bridge={}", self.url(database)))
            .env("BACKUP_FILES", self.path("signing.key"))
            .env(
                "BACKUP_MEDIA",
                format!("synapse={}", self.path("media").display()),
            )
            .env("PGPASSFILE", self.path("passwords"))
            .env_remove("TRIBUTARY_CONFIG")
            .output()
            .unwrap()
    }

    /// The backups, the oldest first.
    fn backups(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("backups")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = paths.filter(|path| is_backup(path)).collect();
        found.sort();
        found
    }
}

fn is_backup(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    name.ends_with('Z') && !name.starts_with('.')
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_restored_and_the_oldest_make_room() {
    let stage = Stage::new().await;
    for old in ["20200101T000000Z", "20200102T000000Z"] {
        stage.write(&format!("backups/{old}/bridge.dump"), "old");
    }
    stage.write(
        "backups/media/synapse/cd/deleted",
        "what people had deleted",
    );
    // Copied when the homeserver had not written all of it.
    let half = "backups/media/synapse/ab/upload";
    stage.write(half, "half of");
    let copy = fs::File::options().write(true).open(stage.path(half));
    copy.unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    stage.write("media/ab/upload", "half of an upload");
    let done = stage.back_up("postgres");
    assert!(done.status.success(), "{done:?}");
    let backups = stage.backups();
    assert_eq!(backups.len(), 2, "{backups:?}");
    assert!(backups[0].ends_with("20200102T000000Z"));

    stage.sql("CREATE DATABASE anew");
    let restored = Command::new("pg_restore")
        .args(["--no-password", "--exit-on-error", "-d", &stage.url("anew")])
        .arg(backups[1].join("bridge.dump"))
        .env("PGPASSFILE", stage.path("passwords"))
        .output()
        .unwrap();
    assert!(restored.status.success(), "{restored:?}");
    assert_eq!(
        stage.psql("anew", "SELECT name FROM logins").stdout,
        b"carol\n"
    );
    let tar = Command::new("tar")
        .arg("-tf")
        .arg(backups[1].join("files.tar"))
        .output();
    assert!(String::from_utf8_lossy(&tar.unwrap().stdout).contains("signing.key"));
    let media = stage.path("backups/media/synapse");
    assert_eq!(fs::read(media.join("ab/picture")).unwrap(), b"a picture");
    assert_eq!(
        fs::read(media.join("ab/upload")).unwrap(),
        b"half of an upload"
    );
    assert!(!media.join("cd/deleted").exists());
    let mode = fs::metadata(&backups[1]).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read it");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_is_none_and_takes_no_other_away() {
    let stage = Stage::new().await;
    for old in ["20200101T000000Z", "20200102T000000Z"] {
        stage.write(&format!("backups/{old}/bridge.dump"), "old");
    }
    let failed = stage.back_up("nowhere");
    assert!(!failed.status.success());
    assert!(!String::from_utf8_lossy(&failed.stderr).contains(PASSWORD));
    assert_eq!(stage.backups().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_are_not_mounted_take_no_copy_away() {
    let stage = Stage::new().await;
    assert!(stage.back_up("postgres").status.success());
    let (media, away) = (stage.path("media"), stage.path("away"));
    fs::rename(&media, &away).unwrap();
    for is_there in [false, true] {
        if is_there {
            fs::create_dir(&media).unwrap();
        }
        let failed = stage.back_up("postgres");
        assert!(!failed.status.success(), "{failed:?}");
        let copy = stage.path("backups/media/synapse/ab/picture");
        assert_eq!(fs::read(copy).unwrap(), b"a picture", "{is_there}");
    }
    assert_eq!(stage.backups().len(), 1);
}
