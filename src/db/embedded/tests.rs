use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
    process::Command,
};

use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;

/// A folder that every account can pass through; those of the tests belong to their owner.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), everybody).unwrap();
    folder
}

async fn query(embedded: &Embedded, sql: &str) -> String {
    let url = embedded.url().expose_secret();
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let rows = client.simple_query(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    rows.iter()
        .find_map(|row| match row {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .unwrap_or_default()
}

fn postmaster(folder: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(folder.join("postgres/data/postmaster.pid")).ok()?;
    text.lines().next()?.parse().ok()
}

fn kill(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn it_lives_through_stops_and_kills() {
    // A quote and a space, because they pass through URLs, settings and shells.
    let parent = folder();
    let folder = parent.path().join("it's here");
    let first = Embedded::start(&folder).await.unwrap();
    assert_eq!(
        query(&first, "SELECT current_database()").await,
        "tributary"
    );
    let encoding = "SELECT current_setting('server_encoding') || ' ' || datcollate \
        FROM pg_database WHERE datname = current_database()";
    assert_eq!(query(&first, encoding).await, "UTF8 C");
    assert_eq!(query(&first, "SHOW listen_addresses").await, "");
    query(&first, "CREATE TABLE t AS SELECT 'kept' AS kept").await;
    let mode = folder.join("postgres").metadata().unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);

    // In order, and again.
    first.stop().await.unwrap();
    assert_eq!(postmaster(&folder), None);
    let second = Embedded::start(&folder).await.unwrap();
    assert_eq!(query(&second, "SELECT kept FROM t").await, "kept");

    // Tributary is killed: its locks are gone, the postmaster is not.
    let pid = postmaster(&folder).unwrap();
    drop(second);
    let third = Embedded::start(&folder).await.unwrap();
    assert_eq!(postmaster(&folder), Some(pid), "adopted");

    // Both are used at once: the first to leave does not stop it.
    let fourth = Embedded::start(&folder).await.unwrap();
    third.stop().await.unwrap();
    assert_eq!(query(&fourth, "SELECT kept FROM t").await, "kept");

    // The machine crashes, and the old pid is somebody else's when it is up again.
    kill("-9", pid);
    drop(fourth);
    let pid_file = folder.join("postgres/data/postmaster.pid");
    let stale = std::fs::read_to_string(&pid_file).unwrap();
    // Of the same account: anybody else's process Postgres itself would ignore.
    let account = Account::find().await.unwrap();
    let mut sleep = account.command(Path::new("sleep"), Path::new("/"));
    let stranger = sleep.arg("600").kill_on_drop(true).spawn().unwrap();
    let theirs = stranger.id().unwrap().to_string();
    std::fs::write(&pid_file, stale.replacen(&pid.to_string(), &theirs, 1)).unwrap();
    let fifth = Embedded::start(&folder).await.unwrap();
    assert_ne!(postmaster(&folder), Some(pid));
    assert_eq!(query(&fifth, "SELECT kept FROM t").await, "kept");
    fifth.stop().await.unwrap();
    assert_eq!(postmaster(&folder), None);
}

#[tokio::test]
async fn a_half_made_cluster_is_made_anew() {
    let folder = folder();
    let left = folder.path().join("postgres/new-left-over");
    std::fs::create_dir_all(left.join("base")).unwrap();
    let embedded = Embedded::start(folder.path()).await.unwrap();
    embedded.stop().await.unwrap();
    assert!(!left.exists());
}

#[tokio::test]
async fn two_at_once_make_one_cluster() {
    let folder = folder();
    let start = || Embedded::start(folder.path());
    let (a, b) = tokio::join!(start(), start());
    let (a, b) = (a.unwrap(), b.unwrap());
    a.stop().await.unwrap();
    assert_eq!(query(&b, "SELECT 1").await, "1");
    b.stop().await.unwrap();
    assert_eq!(postmaster(folder.path()), None);
}

#[tokio::test]
async fn the_way_has_to_be_open_to_the_other_account() {
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    let below = closed.join("below");
    std::fs::create_dir_all(&below).unwrap();
    let other = Account::Other {
        name: "stranger",
        uid: 4_000_000,
        gid: 4_000_000,
    };
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(folder.path(), 0o755);
    open(&closed, 0o755);
    assert!(other.check_way_to(&below).is_ok());
    open(&closed, 0o700);
    let error = other.check_way_to(&below).unwrap_err().to_string();
    assert!(
        error.contains(&format!("chmod a+x {}", closed.display())),
        "{error}"
    );
    assert!(Account::Ours.check_way_to(&below).is_ok());
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said() {
    let folder = folder();
    let none = Embedded::start_with(folder.path(), &[PathBuf::from("/nowhere")]).await;
    assert!(matches!(none, Err(Error::NoBinaries { .. })));

    let long = folder.path().join("x".repeat(120));
    let error = Embedded::start(&long).await.unwrap_err();
    assert!(matches!(error, Error::PathTooLong { .. }), "{error}");

    let data = folder.path().join("postgres/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let error = Embedded::start(folder.path()).await.unwrap_err();
    assert!(
        matches!(error, Error::Version { cluster: 9, .. }),
        "{error}"
    );
}
