//! Many files, and the program dies in the middle: `TRIBUTARY_TEST_FILES=1000` has it do
//! what is promised, and takes as many MiB of disk.

use std::{path::PathBuf, process::Stdio};

use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::*;
use crate::support::{free_address, postgres::TestDatabase};

const FILES: &str = "TRIBUTARY_TEST_FILES";
const STORED: &str = "SELECT count(*) FROM tributary.media WHERE state = 'stored'";
/// What may be resident, in KiB.
const MOST_MEMORY: u64 = 150 << 10;

/// A Tributary that is a process.
struct Program {
    folder: TempDir,
    child: Child,
}

impl Program {
    fn start(database: &TestDatabase, homeserver: &Homeserver) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registration = json!({
            "id": "tributary", "url": "http://127.0.0.1:9", "as_token": AS_TOKEN,
            "hs_token": "an-hs-token", "sender_localpart": "tributary", "rate_limited": false,
            "namespaces": {"users": [], "rooms": [], "aliases": []},
        });
        let config = json!({
            "server": {"bind": free_address(), "public_url": "http://127.0.0.1:9"},
            "homeserver": {"url": format!("http://{}", homeserver.address), "server_name": "lab.local"},
            "bridges": [{
                "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
                "as_token": "the-bridges-token", "ghosts": r"@facebook_(?<id>.+):lab\.local",
            }],
            "database": {"url": database.url.expose_secret()},
            "clerk": {"issuer": "https://example.clerk.accounts.dev"},
            "media": {"store": "file:media"},
            "log": {"filter": "warn"},
        });
        for (name, content) in [("registration.yaml", registration), ("config.yaml", config)] {
            std::fs::write(folder.path().join(name), content.to_string()).unwrap();
        }
        let child = spawn(&folder);
        Self { folder, child }
    }

    /// Kills it with SIGKILL, and starts it again.
    async fn kill(&mut self) {
        self.child.kill().await.unwrap();
        self.child = spawn(&self.folder);
    }

    /// The most that was ever resident, in KiB.
    fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn objects(&self) -> PathBuf {
        self.folder.path().join("media/objects")
    }
}

fn spawn(folder: &TempDir) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(["run", "--config"])
        .arg(folder.path().join("config.yaml"))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits until so many files are stored, as long as there are more from time to time.
async fn until_stored(world: &World, files: i64) {
    let (mut stored, mut since) = (0, Instant::now());
    while stored < files {
        let now = world.count(STORED).await;
        if now > stored {
            (stored, since) = (now, Instant::now());
        }
        // A lease outlives whoever held it by half a minute.
        assert!(
            since.elapsed() < Duration::from_mins(2),
            "{stored} of {files}"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

#[expect(clippy::print_stdout, reason = "figures for whoever runs it")]
#[tokio::test(flavor = "multi_thread")]
async fn many_files_and_a_kill_in_the_middle_are_all_there_once() {
    let files: i64 = std::env::var(FILES).map_or(60, |files| files.parse().unwrap());
    let database = TestDatabase::new().await;
    let world = World::on(database.pool());
    let alice = world.customer("alice", "1001").await;
    world.direct(ROOM, &alice, "1001", "2001").await;
    let homeserver = Homeserver::start().await;
    let sent: Vec<_> = (0..files)
        .map(|nth| {
            let id = format!("file{nth}");
            let mxc = homeserver.has(&id, [Answer::Made(u64::try_from(nth).unwrap(), MIB)]);
            file(&format!("${nth}"), &mxc, "m.file", "application/x-data")
        })
        .collect();
    for (nth, batch) in sent.chunks(100).enumerate() {
        world.push(&nth.to_string(), batch).await;
    }

    let begin = Instant::now();
    let mut program = Program::start(&database, &homeserver);
    until_stored(&world, files / 2).await;
    let (before, at) = (program.memory(), begin.elapsed());
    program.kill().await;
    until_stored(&world, files).await;
    let memory = before.max(program.memory());
    println!(
        "{files} files of 1 MiB: killed after {at:.1?}, all there after {:.1?}, {} MiB resident at most",
        begin.elapsed(),
        memory >> 10
    );
    assert!(memory < MOST_MEMORY, "{memory} KiB");

    let mut names = Vec::new();
    walk(&program.objects(), &mut names);
    names.sort();
    let mut expected: Vec<_> = (0..files)
        .map(|nth| {
            let pieces = homeserver::made(u64::try_from(nth).unwrap(), MIB);
            let hasher = pieces.fold(Sha256::new(), Sha256::chain_update);
            ContentHash(hasher.finalize().into()).to_string()
        })
        .collect();
    expected.sort();
    assert!(names == expected, "{} of {files}", names.len());
    // What was on its way when it died is known, and cleared in its time.
    let uploads = "SELECT count(*) FROM tributary.media_uploads";
    assert!(world.count(uploads).await <= 5);
}
