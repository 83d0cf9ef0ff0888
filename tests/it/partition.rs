//! `contrib/postgres/partition`: the messages of a database that is in use are partitioned,
//! and the product runs on that.

use std::process::Output;

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _, SimpleAsyncConnection as _};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tributary::{
    db::{inspect, merge, migrate, rooms},
    search::index::step,
};
use uuid::Uuid;

use crate::{
    api::conversations::{ALICE, GHOST},
    support::{
        app::{Answer, TestApp},
        pushes::{link, now, portal, redaction, text, text_at},
        world::count,
    },
};

const USER: &str = "user_alice";
const ROOMS: usize = 6;
/// Messages that are there before.
const OLD: usize = 300;
/// What a round of the writer stores.
const MESSAGES: usize = 3;

/// Alice in a few rooms with messages, some of them in the index.
async fn lived_in() -> TestApp {
    let app = TestApp::start().await;
    link(&app, USER, ALICE, Some("100")).await;
    for n in 0..ROOMS {
        portal(&app, &format!("!room{n}"), &[ALICE, GHOST]).await;
    }
    let at = now() - 3_600_000;
    let old = |n: usize| {
        let minute = i64::try_from(n).unwrap();
        let (room, id) = (format!("!room{}", n % ROOMS), format!("$old{n}"));
        text_at(&room, GHOST, &id, &format!("old {n}"), at + minute)
    };
    let events: Vec<_> = (0..OLD).map(old).collect();
    app.push_events("old", &events).await;
    while step(&app.app.db).await.unwrap() {}
    app
}

fn edit(room: &str, id: &str, target: &str, body: &str) -> Value {
    let mut edit = text(room, GHOST, id, &format!("* {body}"));
    edit["content"]["m.new_content"] = json!({"msgtype": "m.text", "body": body});
    edit["content"]["m.relates_to"] = json!({"rel_type": "m.replace", "event_id": target});
    edit
}

fn reaction(room: &str, id: &str, target: &str) -> Value {
    let mut reaction = text(room, ALICE, id, "");
    reaction["type"] = json!("m.reaction");
    reaction["content"] =
        json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": "+"}});
    reaction
}

/// New messages, and what becomes of those and, as long as there are any, of one that was there before.
async fn round(app: &TestApp, n: usize) {
    let (room, old) = (format!("!room{}", n % ROOMS), format!("$old{n}"));
    let new: Vec<_> = (0..MESSAGES)
        .map(|m| text(&room, GHOST, &format!("$new{n}-{m}"), "new"))
        .collect();
    app.push_events(&format!("new {n}"), &new).await;
    let mut changes = vec![
        edit(&room, &format!("$edit{n}"), &format!("$new{n}-0"), "edited"),
        redaction(&room, GHOST, &format!("$unsend{n}"), &format!("$new{n}-1")),
    ];
    if n < OLD {
        changes.push(reaction(&room, &format!("$reaction{n}"), &old));
        changes.push(edit(&room, &format!("$old-edit{n}"), &old, "edited"));
    }
    app.push_events(&format!("changes {n}"), &changes).await;
}

/// Runs rounds until it is stopped; how many, it says then.
struct Writer {
    stop: CancellationToken,
    rounds: JoinHandle<(TestApp, usize)>,
}

impl Writer {
    fn start(app: TestApp, first: usize) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let rounds = tokio::spawn(async move {
            let mut n = first;
            while !stopped.is_cancelled() {
                round(&app, n).await;
                n += 1;
            }
            (app, n)
        });
        Self { stop, rounds }
    }

    async fn stop(self) -> (TestApp, usize) {
        self.stop.cancel();
        self.rounds.await.unwrap()
    }
}

async fn run(url: &str, file: &str, settings: &[&str]) -> Output {
    tokio::process::Command::new("psql")
        .arg(url)
        .args(["-qX", "-v", "ON_ERROR_STOP=1"])
        .args(settings.iter().map(|setting| format!("-v{setting}")))
        .args(["-f", &format!("contrib/postgres/partition/{file}")])
        .output()
        .await
        .unwrap()
}

async fn script(url: &str, file: &str, settings: &[&str]) {
    let done = run(url, file, settings).await;
    assert!(done.status.success(), "{file}: {done:?}");
}

async fn partition(url: &str) {
    script(url, "1-prepare.sql", &["partitions=4"]).await;
    script(url, "2-copy.sql", &["batch=20", "pause=0.01"]).await;
    script(url, "3-check.sql", &[]).await;
    script(url, "4-swap.sql", &[]).await;
}

fn url(app: &TestApp) -> String {
    app.database.url.expose_secret().to_owned()
}

async fn number(app: &TestApp, sql: &str) -> i64 {
    count(&app.app.db, sql).await
}

/// Entries of the index whose message is gone: what the foreign key saw to.
const ORPHANS: &str = "SELECT count(*) FROM tributary.search_entries e
     WHERE NOT EXISTS (SELECT FROM tributary.messages m WHERE m.id = e.message_id)";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_it_is_written_to() {
    let app = lived_in().await;
    let url = url(&app);
    let writer = Writer::start(app, 0);
    partition(&url).await;
    let (app, swapped) = writer.stop().await;
    let writer = Writer::start(app, swapped);
    for file in [
        "3-check.sql",
        "4-back.sql",
        "3-check.sql",
        "4-swap.sql",
        "3-check.sql",
        "5-finish.sql",
    ] {
        script(&url, file, &[]).await;
    }
    let (app, rounds) = writer.stop().await;
    assert!(0 < swapped && swapped < rounds, "{swapped} {rounds}");
    assert_rows(&app, rounds).await;
    // It is said what is there, and there is no way back.
    assert!(!run(&url, "4-back.sql", &[]).await.status.success());
    assert!(!run(&url, "1-prepare.sql", &[]).await.status.success());
}

async fn assert_rows(app: &TestApp, rounds: usize) {
    let new = i64::try_from(MESSAGES * rounds).unwrap();
    let messages = i64::try_from(OLD).unwrap() + new;
    let touched = i64::try_from(rounds.min(OLD)).unwrap();
    let rounds = i64::try_from(rounds).unwrap();
    for (which, rows) in [
        ("true", messages),
        ("deleted_at IS NOT NULL AND content IS NULL", rounds),
        (
            "body = 'edited' AND edited_at IS NOT NULL",
            rounds + touched,
        ),
        ("metadata -> 'reactions' <> '[]'", touched),
    ] {
        let sql = format!("SELECT count(*) FROM tributary.messages WHERE {which}");
        assert_eq!(number(app, &sql).await, rows, "{which}");
    }
    let frames = "SELECT count(*) FROM tributary.outbox WHERE kind = 'message.created'";
    assert_eq!(number(app, frames).await, new, "frames");
    let left = "SELECT count(*) FROM pg_class WHERE relnamespace = 'tributary'::regnamespace
                AND (relname LIKE 'messages\\_whole%' OR relname LIKE '%partition%')";
    assert_eq!(number(app, left).await, 0);
}

/// What is compared is compared: rows that differ are found, and one that is deleted is gone
/// from both.
#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_found() {
    let app = lived_in().await;
    let url = url(&app);
    script(&url, "1-prepare.sql", &[]).await;
    assert!(!run(&url, "3-check.sql", &[]).await.status.success());
    script(&url, "2-copy.sql", &[]).await;
    delete(&app, "$old1").await;
    script(&url, "3-check.sql", &[]).await;
    let one = "UPDATE tributary.messages_partitioned SET body = 'other' WHERE event_id = '$old7'";
    let mut conn = app.app.db.get().await.unwrap();
    conn.batch_execute(one).await.unwrap();
    drop(conn);
    assert!(!run(&url, "3-check.sql", &[]).await.status.success());
    script(&url, "5-finish.sql", &[]).await;
    partition(&url).await;
    delete(&app, "$old2").await;
    script(&url, "3-check.sql", &[]).await;
}

async fn delete(app: &TestApp, event_id: &str) {
    let mut conn = app.app.db.get().await.unwrap();
    let one = format!("DELETE FROM tributary.messages WHERE event_id = '{event_id}'");
    let deleted = sql_query(one).execute(&mut conn).await.unwrap();
    assert_eq!(deleted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_product_runs_on_it() {
    let app = lived_in().await;
    let url = url(&app);
    partition(&url).await;
    round(&app, 0).await;
    // Again: it is known by its event, though its key has the conversation in it.
    let old = text("!room0", GHOST, "$old0", "old");
    app.push_events("again", &[old]).await;
    assert_eq!(
        number(&app, "SELECT count(*) FROM tributary.messages").await,
        303
    );
    while step(&app.app.db).await.unwrap() {}
    let found = app.get(USER, "/api/search?q=edited").await.json();
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    assert_pages(&app).await;
    assert_export(&app).await;
    assert_schema(&app).await;
    assert_merge(&app, &url).await;
    let erased = app.viewer(USER, Method::DELETE, "/api/account");
    assert_eq!(Answer::of(erased).await.status, 204);
    for table in ["messages", "messages_whole", "search_entries"] {
        let sql = format!("SELECT count(*) FROM tributary.{table}");
        assert_eq!(number(&app, &sql).await, 0, "{table}");
    }
    script(&url, "3-check.sql", &[]).await;
}

async fn assert_pages(app: &TestApp) {
    let list = app.get(USER, "/api/conversations").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), ROOMS);
    let mut all = 0;
    for chat in list["items"].as_array().unwrap() {
        let mut cursor = String::new();
        loop {
            let id = chat["id"].as_str().unwrap();
            let path = format!("/api/conversations/{id}/messages?limit=20{cursor}");
            let page = app.get(USER, &path).await.json();
            all += page["items"].as_array().unwrap().len();
            let Some(next) = page["nextCursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
    }
    assert_eq!(all, 303);
    let chat = list["items"][0]["id"].as_str().unwrap();
    assert_eq!(partitions_of(app, chat).await, 1);
}

/// How many of the partitions a page of a conversation is looked for in.
async fn partitions_of(app: &TestApp, chat: &str) -> usize {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        line: String,
    }
    let plan: Vec<Line> = sql_query(format!(
        "EXPLAIN SELECT m.id FROM tributary.messages m WHERE m.conversation_id = '{chat}'
         ORDER BY m.timestamp DESC, m.event_id COLLATE \"C\" DESC LIMIT 50"
    ))
    .load(&mut app.app.db.get().await.unwrap())
    .await
    .unwrap();
    plan.iter()
        .filter(|row| row.line.contains(" on messages_p0"))
        .count()
}

async fn assert_export(app: &TestApp) {
    let answer = app.get(USER, "/api/export").await;
    let messages = answer.text.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["type"] == "message"
    });
    assert_eq!((answer.status, messages.count()), (200, 303));
}

/// `migrate`, `migrate --check` and `doctor` have nothing to say.
async fn assert_schema(app: &TestApp) {
    assert!(migrate(&app.database.url).await.unwrap().is_empty());
    let mut conn = app.app.db.get().await.unwrap();
    let standing = migrate::standing(&mut conn).await.unwrap();
    assert!(standing.pending.is_empty() && standing.unknown.is_empty());
    assert!(inspect::closed_tables(&mut conn).await.unwrap().is_empty());
    drop(conn);
    let open = "SELECT count(*) FROM pg_class WHERE relnamespace = 'tributary'::regnamespace
                AND relkind IN ('r', 'p') AND NOT relrowsecurity";
    assert_eq!(number(app, open).await, 0);
    assert_eq!(number(app, ORPHANS).await, 0);
}

/// A merge takes rows from one partition to another, in both tables.
async fn assert_merge(app: &TestApp, url: &str) {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let mut conn = app.app.db.get().await.unwrap();
    let chats = "SELECT id FROM tributary.conversations ORDER BY id";
    let chats: Vec<Id> = sql_query(chats).load(&mut conn).await.unwrap();
    let chats: Vec<_> = chats.into_iter().map(|chat| chat.id).collect();
    let locks: Vec<_> = (0..ROOMS).map(|n| format!("!room{n}")).collect();
    let (stays, gone) = chats.split_first().unwrap();
    conn.transaction(async |conn| {
        rooms::lock(conn, &locks).await?;
        merge::merge(conn, *stays, gone).await
    })
    .await
    .unwrap();
    drop(conn);
    while step(&app.app.db).await.unwrap() {}
    let moved =
        format!("SELECT count(*) FROM tributary.messages WHERE conversation_id = '{stays}'");
    assert_eq!(number(app, &moved).await, 303);
    let used = "SELECT count(DISTINCT tableoid) FROM tributary.messages";
    assert_eq!(number(app, used).await, 1);
    let entries = "SELECT count(*) FROM tributary.search_entries";
    assert_eq!(
        (number(app, entries).await, number(app, ORPHANS).await),
        (302, 0)
    );
    script(url, "3-check.sql", &[]).await;
}
