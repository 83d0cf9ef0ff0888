//! The commands that talk to a running Tributary, as a person at a shell meets them.

use std::{
    fs,
    process::{Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    api::conversations::{ALICE, ROOM, alice_and_bob},
    support::{
        app::{ADMIN_KEY, TestApp},
        eventually,
        pushes::portal,
    },
};

const BOT: &str = "@facebookbot:lab.local";

/// A shell beside a Tributary.
struct Shell {
    app: TestApp,
    place: TempDir,
}

impl Shell {
    async fn new() -> Self {
        let app = alice_and_bob().await;
        let place = tempfile::tempdir().unwrap();
        let shell = Self { app, place };
        shell.configure(ADMIN_KEY);
        shell
    }

    fn configure(&self, key: &str) {
        let address = self.app.url("").replace("http://", "");
        let config = json!({
            "server": {"bind": address},
            "homeserver": {"url": "http://127.0.0.1:9", "server_name": "lab.local"},
            "bridges": [{
                "id": "meta", "network": "facebook", "bot": BOT, "as_token": "the-bridges-token",
                "ghosts": r"@facebook_(?<id>.+):lab\.local",
            }],
            "database": {"url": "postgres://127.0.0.1:9/unused"},
            "clerk": {"issuer": "https://example.clerk.accounts.dev"},
            "admin": {"api_key": key},
        });
        fs::write(self.place.path().join("config.yaml"), config.to_string()).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
        command
            .args(arguments)
            .current_dir(self.place.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    /// Runs a command; whatever becomes of it, it tells nobody the key.
    async fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().await.unwrap();
        for text in [&output.stdout, &output.stderr] {
            assert!(!String::from_utf8_lossy(text).contains(ADMIN_KEY));
        }
        output
    }

    /// What a command prints that works.
    async fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one line of JSON that it prints.
    async fn answers(&self, arguments: &[&str]) -> Value {
        let text = self.prints(arguments).await;
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Exit code and message of what does not work.
    async fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments).await;
        assert!(output.stdout.is_empty(), "{output:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!message.is_empty(), "{arguments:?}");
        (output.status.code().unwrap(), message)
    }

    async fn sql(&self, sql: &str) {
        use diesel_async::SimpleAsyncConnection as _;
        let mut conn = self.app.app.db.get().await.unwrap();
        conn.batch_execute(sql).await.unwrap();
    }

    async fn jobs(&self) -> i64 {
        let count = "SELECT count(*) FROM tributary.jobs WHERE kind = 'backfill'";
        crate::support::world::count(&self.app.app.db, count).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backfills_are_started_listed_shown_and_called_off() {
    let shell = Shell::new().await;
    let start = [
        "backfill",
        "start",
        "--room",
        ROOM,
        "--days",
        "90",
        "--max-messages",
        "7",
        "--json",
    ];
    let started = shell.answers(&start).await;
    let job = &started["jobs"][0];
    assert_eq!(
        (&job["roomId"], &job["state"]),
        (&json!(ROOM), &json!("queued"))
    );
    let id = job["id"].as_str().unwrap();

    let list = shell.answers(&["backfill", "list", "--json"]).await;
    assert_eq!(list, json!({"items": [job], "nextCursor": null}));
    let none = [
        "backfill", "list", "--state", "done", "--room", ROOM, "--json",
    ];
    assert_eq!(shell.answers(&none).await["items"], json!([]));
    assert_eq!(
        &shell.answers(&["backfill", "show", id, "--json"]).await,
        job
    );
    let table = shell.prints(&["backfill", "list"]).await;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains(id) && table.contains("queued"), "{table}");

    let cancelled = shell.prints(&["backfill", "cancel", id]).await;
    assert!(cancelled.contains("cancelled"), "{cancelled}");
    let (code, message) = shell.fails(&["backfill", "cancel", id]).await;
    assert_eq!(code, 1);
    assert!(message.contains("ended already (conflict)"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_over_as_many_pages_as_it_takes() {
    let shell = Shell::new().await;
    shell
        .sql(
            "INSERT INTO tributary.rooms (room_id, first_seen_at)
             SELECT '!' || n, now() - n * interval '1 second' FROM generate_series(1, 450) AS n",
        )
        .await;
    let all = shell.answers(&["rooms", "list", "--json"]).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 451);
    assert_eq!(all["nextCursor"], Value::Null);
    let some = ["rooms", "list", "--limit", "250", "--json"];
    let some = shell.answers(&some).await;
    assert_eq!(some["items"].as_array().unwrap().len(), 250);
    assert!(some["nextCursor"].is_string());
    let table = shell.prints(&["rooms", "list", "--mapped", "true"]).await;
    assert!(
        table.lines().count() == 2 && table.contains(ROOM),
        "{table}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_switched_and_looked_through() {
    let shell = Shell::new().await;
    let odd = "!a/b %?#:lab.local";
    portal(&shell.app, odd, &[ALICE, BOT]).await;
    let off = shell.answers(&["rooms", "disable", odd, "--json"]).await;
    assert_eq!(
        (&off["roomId"], &off["enabled"]),
        (&json!(odd), &json!(false))
    );
    let on = shell.answers(&["rooms", "enable", odd, "--json"]).await;
    assert_eq!(on["enabled"], true);
    let set = ["rooms", "set", odd, "--backfill", "false", "--json"];
    let set = shell.answers(&set).await;
    assert_eq!(
        (&set["enabled"], &set["backfill"]),
        (&json!(true), &json!(false))
    );
    let queued = shell.answers(&["rooms", "reconcile", "--json"]).await;
    assert_eq!(queued, json!({"jobs": 2, "bridges": 1, "rooms": 1}));
    let (code, message) = shell.fails(&["rooms", "enable", "!unknown"]).await;
    assert_eq!(code, 1);
    assert!(message.contains("not_found"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_imported_and_listed() {
    let shell = Shell::new().await;
    let import = [
        "connections",
        "import",
        "--user",
        "user_carol",
        "--matrix-user",
        "@carol:lab.local",
        "--bridge",
        "meta",
        "--bridge-user",
        "300",
        "--json",
    ];
    let account = shell.answers(&import).await;
    assert_eq!(account["userId"], "user_carol");
    assert_eq!(account["bridgeUserId"], "300");
    let list = ["connections", "list", "--user", "user_carol", "--json"];
    assert_eq!(shell.answers(&list).await["items"], json!([account]));
    let table = shell.prints(&["connections", "list"]).await;
    assert_eq!(table.lines().count(), 4, "{table}");
    let taken = [
        "connections",
        "import",
        "--user",
        "user_x",
        "--matrix-user",
        ALICE,
    ];
    let (code, message) = shell.fails(&taken).await;
    assert_eq!(code, 1);
    assert!(message.contains("somebody else (conflict)"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn following_ends_with_the_last_backfill() {
    let shell = Shell::new().await;
    for n in 0..4 {
        portal(&shell.app, &format!("!{n}"), &[ALICE, BOT]).await;
    }
    let follow = ["backfill", "start", "--all", "--follow"];
    let child = shell
        .command(&follow)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("the jobs are queued", async || {
        (shell.jobs().await == 5).then_some(())
    })
    .await;
    let end = "UPDATE tributary.jobs SET state = 'done', reason = 'start', finished_at = now(),
               progress = '{\"stored\": 20}' WHERE kind = 'backfill'";
    shell.sql(end).await;
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.contains("done: !1, 20 new messages (start)"), "{text}");
    assert!(text.ends_with("5 rooms: 5 done, 0 failed, 0 cancelled; 100 new messages\n"));
    // Nothing is active any more.
    let nothing = shell.prints(&["backfill", "follow"]).await;
    assert!(nothing.starts_with("0 rooms"), "{nothing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn following_what_fails_is_a_failure() {
    let shell = Shell::new().await;
    let started = shell
        .answers(&["backfill", "start", "--room", ROOM, "--json"])
        .await;
    let id = started["jobs"][0]["id"].as_str().unwrap();
    let follow = ["backfill", "follow", id, "--json"];
    let mut child = shell.command(&follow);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap();
    let fail = "UPDATE tributary.jobs SET state = 'failed', error = 'nobody is in the room',
                finished_at = now()";
    shell.sql(fail).await;
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let job: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&job["id"], &job["state"]), (&json!(id), &json!("failed")));
    }
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("1 failed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_gets_its_exit_codes() {
    let shell = Shell::new().await;
    for arguments in [
        &["backfill"][..],
        &["backfill", "start"],
        &["backfill", "start", "--room", ROOM, "--all"],
        &["backfill", "start", "--all", "--days", "0"],
        &["backfill", "start", "--all", "--days", "36501"],
        &["backfill", "start", "--all", "--max-messages", "0"],
        &["backfill", "start", "--connection", "x"],
        &["backfill", "list", "--state", "over"],
        &["backfill", "show", "x"],
        &["rooms", "set", ROOM],
        &["rooms", "set", ROOM, "--enabled", "maybe"],
        &["connections", "import", "--user", "user_x"],
        &["rooms", "list", "--url", "ftp://127.0.0.1"],
        &["rooms", "list", "--config", "missing.yaml"],
    ] {
        assert_eq!(shell.fails(arguments).await.0, 2, "{arguments:?}");
    }
    let (code, message) = shell
        .fails(&["rooms", "list", "--url", "http://me:secret@127.0.0.1:1/"])
        .await;
    assert_eq!(code, 1);
    assert!(
        message.contains("http://127.0.0.1:1 does not answer"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");

    shell.configure("another-key");
    let (code, message) = shell.fails(&["rooms", "list"]).await;
    assert_eq!(code, 1);
    assert!(message.contains("unauthorized"), "{message}");
    let path = shell.place.path().join("config.yaml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace(r#""another-key""#, "[]")).unwrap();
    let (code, message) = shell.fails(&["rooms", "list"]).await;
    assert_eq!(code, 2);
    assert!(message.contains("admin.api_key"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_learns_whether_it_is_ready() {
    let shell = Shell::new().await;
    assert_eq!(shell.prints(&["healthcheck"]).await, "");

    shell
        .sql("DELETE FROM public.__diesel_schema_migrations WHERE version = (SELECT max(version) FROM public.__diesel_schema_migrations)")
        .await;
    let (code, message) = shell.fails(&["healthcheck"]).await;
    assert_eq!(code, 1);
    assert!(message.contains("/readyz answers 503"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_learns_that_nobody_is_there() {
    let shell = Shell::new().await;
    let config = fs::read_to_string(shell.place.path().join("config.yaml")).unwrap();
    let bind = shell.app.url("").replace("http://", "");
    let config = config.replace(&bind, "127.0.0.1:9");
    fs::write(shell.place.path().join("config.yaml"), config).unwrap();
    let (code, message) = shell.fails(&["healthcheck"]).await;
    assert_eq!(code, 1);
    assert!(
        message.contains("127.0.0.1:9/readyz cannot be reached"),
        "{message}"
    );
}
