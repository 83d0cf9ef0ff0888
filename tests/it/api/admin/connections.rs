//! `/api/admin/connections`.

use reqwest::Method;
use serde_json::{Value, json};
use tributary::config;

use super::{audit, each, execute, fields, listed, refused, rows};
use crate::api::{
    app::{Answer, TestApp},
    conversations::{ALICE, BOB, GHOST, ROOM, alice_and_bob, only},
    world::portal,
};

const PATH: &str = "/api/admin/connections";
const BOT: &str = "@facebookbot:lab.local";

async fn import(app: &TestApp, body: Value) -> Answer {
    app.admin_with(Method::POST, PATH, &body).await
}

fn of(user: &str, matrix_user: &str) -> Value {
    json!({"userId": user, "matrixUserId": matrix_user})
}

async fn kinds(app: &TestApp, user: &str) -> Vec<String> {
    let sql =
        format!("SELECT kind FROM tributary.outbox WHERE user_id = '{user}' ORDER BY position");
    let rows = rows(app, &sql).await;
    each(&rows, "kind").into_iter().map(str::to_owned).collect()
}

/// A later one that had nothing to do, and one that was called off, take nothing away;
/// what came in before the connection saw the room is not counted.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_those_of_all_backfills_since_the_room_is_seen() {
    let app = alice_and_bob().await;
    for (stored, state, finished) in [
        (9, "done", "now() - interval '1 year'"),
        (5, "done", "now()"),
        (3, "cancelled", "now()"),
        (0, "done", "now()"),
        (2, "running", "NULL"),
    ] {
        execute(
            &app,
            &format!(
                "INSERT INTO tributary.jobs (id, kind, key, payload, state, progress, finished_at, created_at)
                 SELECT tributary.uuid_v7(), 'backfill', r.room_id, '{{}}', '{state}',
                        '{{\"stored\": {stored}}}', {finished}, clock_timestamp()
                 FROM tributary.rooms r WHERE r.room_id = '{ROOM}'"
            ),
        )
        .await;
    }
    let items = listed(&app, PATH, "userId=user_alice").await;
    let history = json!({"state": "running", "roomsTotal": 1, "roomsDone": 0, "messages": 10});
    assert_eq!(items[0]["backfill"], history);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybodys_are_listed_without_codes() {
    let app = alice_and_bob().await;
    let sql = "INSERT INTO tributary.messenger_connections
                   (id, bridge_id, matrix_user_id, status, link_code_hash, link_code_expires_at)
               VALUES (tributary.uuid_v7(), 'meta', '@carol:lab.local', 'PENDING', 'hash', now())";
    execute(&app, sql).await;
    let items = listed(&app, PATH, "").await;
    let users: Vec<_> = items.iter().map(|item| &item["userId"]).collect();
    assert_eq!(
        users,
        [&Value::Null, &json!("user_bob"), &json!("user_alice")]
    );
    let expected = [
        "backfill",
        "bridgeId",
        "bridgeUserId",
        "createdAt",
        "disconnectedAt",
        "error",
        "id",
        "lastSyncAt",
        "linkedAt",
        "matrixUserId",
        "remoteName",
        "status",
        "userId",
    ];
    assert_eq!(fields(&items[0]), expected);
    let alice = &items[2];
    assert_eq!(alice["matrixUserId"], ALICE);
    assert_eq!(
        (&alice["bridgeId"], &alice["bridgeUserId"]),
        (&json!("meta"), &json!("100"))
    );
    assert!(alice["linkedAt"].is_string() && alice["disconnectedAt"].is_null());
    let history = json!({"state": "idle", "roomsTotal": 1, "roomsDone": 0, "messages": 0});
    assert_eq!(alice["backfill"], history);
    assert_eq!(listed(&app, PATH, "userId=user_bob").await.len(), 1);
    assert_eq!(
        listed(&app, PATH, "matrixUserId=@carol:lab.local")
            .await
            .len(),
        1
    );
    assert!(listed(&app, PATH, "userId=user_%25").await.is_empty());
    for query in [
        "userId=%00",
        "matrixUserId=%00",
        "limit=0",
        "cursor=x",
        "userid=user_bob",
    ] {
        let answer = app.admin(Method::GET, &format!("{PATH}?{query}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_request")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_linked_as_by_a_code() {
    let app = alice_and_bob().await;
    portal(&app, "!of-carol", &["@carol:lab.local", GHOST, BOT]).await;
    let mut body = of("user_carol", "@carol:lab.local");
    body["bridgeUserId"] = json!("@facebook_300:lab.local");
    let answer = import(&app, body.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let account = answer.json();
    assert_eq!(account["userId"], "user_carol");
    assert_eq!(account["matrixUserId"], "@carol:lab.local");
    assert_eq!(
        (&account["bridgeId"], &account["bridgeUserId"]),
        (&json!("meta"), &json!("300"))
    );
    assert_eq!(account["status"], "CONNECTED");
    assert!(account["linkedAt"].is_string());
    assert_eq!(account["backfill"]["roomsTotal"], 1);
    assert_eq!(account["backfill"]["state"], "running");

    let conversation = only(&app, "user_carol").await;
    assert_eq!(conversation["matrixRoomId"], "!of-carol");
    let told = kinds(&app, "user_carol").await;
    assert_eq!(told, ["connection.status", "conversation.updated"]);
    let queued = "SELECT kind, key FROM tributary.jobs WHERE kind <> 'discover' OR key = '!of-carol' ORDER BY kind";
    let expected = [
        json!({"kind": "backfill", "key": "!of-carol"}),
        json!({"kind": "discover", "key": "!of-carol"}),
        json!({"kind": "discover_bridge", "key": "meta"}),
    ];
    assert_eq!(rows(&app, queued).await, expected);
    let status = app.get("user_carol", "/api/messenger/status").await.json();
    assert_eq!(status["connectionId"], account["id"]);
    assert_eq!(status["status"], "CONNECTED");
    let expected = json!({
        "actor": "admin", "action": "connection.import", "target": account["id"],
        "origin": "127.0.0.1", "outcome": "ok",
        "details": {"userId": "user_carol", "matrixUserId": "@carol:lab.local"},
    });
    assert_eq!(audit(&app).await, [expected]);

    // The same one again changes nothing, whatever has become of it.
    execute(
        &app,
        "UPDATE tributary.messenger_connections SET status = 'ERROR' WHERE user_id = 'user_carol'",
    )
    .await;
    let sql = "UPDATE tributary.bridge_logins SET state_event = 'UNKNOWN_ERROR'";
    execute(&app, sql).await;
    let again = import(&app, body).await;
    assert_eq!(again.status, 200);
    let again = again.json();
    assert_eq!(
        (&again["id"], &again["linkedAt"]),
        (&account["id"], &account["linkedAt"])
    );
    assert_eq!(again["status"], "ERROR");
    assert_eq!(kinds(&app, "user_carol").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_code_keeps_the_connection_and_the_companions_goes() {
    let app = TestApp::with(|config| {
        config.manager.ownership_proof = config::OwnershipProof::Trusted;
    })
    .await;
    let waiting = app.viewer("user_carol", Method::POST, "/api/messenger/connect");
    let waiting = Answer::of(waiting).await.json()["id"].clone();
    let report = app
        .request(Method::POST, "/api/manager/bridge-login-complete")
        .bearer_auth("the-managers-key");
    let body =
        json!({"matrixUserId": "@carol:lab.local", "status": "error", "remoteName": "Carol"});
    let report = report.json(&body);
    assert_eq!(Answer::of(report).await.status, 200);
    let answer = import(&app, of("user_carol", "@carol:lab.local")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let account = answer.json();
    assert_eq!(account["id"], waiting);
    assert_eq!(account["remoteName"], "Carol");
    // What was heard of it before counts.
    assert_eq!(account["status"], "ERROR");
    assert_eq!(listed(&app, PATH, "").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_are_given_one_account_one_gets_it() {
    let app = alice_and_bob().await;
    let taken = import(&app, of("user_carol", ALICE)).await;
    assert_eq!((taken.status, taken.code()), (409, "conflict".to_owned()));
    assert_eq!(audit(&app).await.pop().unwrap()["outcome"], "conflict");
    assert_eq!(import(&app, of("user_alice", ALICE)).await.status, 200);
    let dave = "@dave:lab.local";
    let (one, other) = tokio::join!(
        import(&app, of("user_one", dave)),
        import(&app, of("user_other", dave))
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let erin = of("user_erin", "@erin:lab.local");
    let (one, other) = tokio::join!(import(&app, erin.clone()), import(&app, erin));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200]);
    assert_eq!(one.json()["id"], other.json()["id"]);
    assert_eq!(listed(&app, PATH, "").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_let_go_may_be_anothers() {
    let app = alice_and_bob().await;
    let items = listed(&app, PATH, "userId=user_bob").await;
    let path = format!(
        "/api/messenger/connections/{}",
        items[0]["id"].as_str().unwrap()
    );
    let request = app.viewer("user_bob", Method::DELETE, &path);
    assert_eq!(Answer::of(request).await.status, 204);
    assert_eq!(import(&app, of("user_carol", BOB)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_account_is_refused() {
    let app = TestApp::start().await;
    let with = |key: &str, value: Value| {
        let mut body = of("user_carol", "@carol:lab.local");
        body[key] = value;
        body
    };
    for body in [
        json!({}),
        json!([]),
        json!({"userId": "user_carol"}),
        json!({"matrixUserId": "@carol:lab.local"}),
        with("userId", json!(5)),
        with("userId", json!("")),
        with("userId", json!("carol")),
        with("userId", json!("user_")),
        with("userId", json!("user_\u{0}")),
        with("userId", json!(format!("user_{}", "x".repeat(300)))),
        with("matrixUserId", json!("carol")),
        with("matrixUserId", json!("@carol:other.local")),
        with("matrixUserId", json!("@car\u{0}ol:lab.local")),
        with(
            "matrixUserId",
            json!(format!("@{}:lab.local", "c".repeat(300))),
        ),
        with("matrixUserId", json!(GHOST)),
        with("matrixUserId", json!(BOT)),
        with("bridgeId", json!("other")),
        with("bridgeId", json!("me\u{0}ta")),
        with("bridgeUserId", json!("@bob:lab.local")),
        with("bridgeUserId", json!("1\u{0}2")),
        with("bridgeUserId", json!("1".repeat(300))),
        with("status", json!("CONNECTED")),
    ] {
        refused(&app, Method::POST, PATH, &body, 400).await;
    }
    refused(&app, Method::PUT, PATH, &json!({}), 405).await;
    assert!(listed(&app, PATH, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_bridges_one_has_to_be_named() {
    let app = TestApp::with(|config| {
        let mut other = config.bridges[0].clone();
        other.id = "other".into();
        other.bot = "@otherbot:lab.local".into();
        other.ghosts = r"@other_(?<id>.+):lab\.local".into();
        config.bridges.push(other);
    })
    .await;
    let mut body = of("user_carol", "@carol:lab.local");
    refused(&app, Method::POST, PATH, &body, 400).await;
    body["bridgeId"] = json!("other");
    let answer = import(&app, body).await;
    assert_eq!(
        (answer.status, &answer.json()["bridgeId"]),
        (200, &json!("other"))
    );
}
