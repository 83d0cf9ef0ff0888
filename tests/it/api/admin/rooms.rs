//! `/api/admin/rooms`, and what is beneath it.

use reqwest::Method;
use serde_json::{Value, json};
use tributary::model::new_id;

use super::{audit, each, execute, fields, listed, refused, rows};
use crate::api::{
    app::{Answer, TestApp},
    conversations::{ALICE, GHOST, ROOM, alice_and_bob, only, only_path},
    world::{member, portal, redaction, text},
};

const PATH: &str = "/api/admin/rooms";
const BOT: &str = "@facebookbot:lab.local";

async fn switch(app: &TestApp, room_id: &str, switches: Value) -> Answer {
    let path = format!("{PATH}/{room_id}");
    app.admin_with(Method::PATCH, &path, &switches).await
}

/// Switches a room, which has to work; the room as it is then.
async fn switched(app: &TestApp, room_id: &str, switches: Value) -> Value {
    let answer = switch(app, room_id, switches).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The jobs of a room that have not ended: kind and payload.
async fn active(app: &TestApp, room_id: &str) -> Vec<Value> {
    let sql = format!(
        "SELECT kind, payload FROM tributary.jobs
         WHERE key = '{room_id}' AND state IN ('queued', 'running', 'waiting') ORDER BY kind"
    );
    rows(app, &sql).await
}

async fn bodies(app: &TestApp) -> Vec<String> {
    let path = format!("{}/messages", only_path(app, "user_alice").await);
    let page = app.get("user_alice", &path).await.json();
    let items = page["items"].as_array().unwrap().clone();
    each(&items, "body")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_known_room_is_listed_without_what_is_said_in_it() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "between us")])
        .await;
    app.push_events("2", &[text("!strangers", "@x:lab.local", "$2", "not ours")])
        .await;
    let rooms = listed(&app, PATH, "").await;
    assert_eq!(each(&rooms, "roomId"), ["!strangers", ROOM]);
    let mut room = rooms[1].clone();
    for time in ["firstSeenAt", "lastEventAt"] {
        let at = room[time].as_str().unwrap();
        assert!(at.len() == 24 && at.ends_with('Z'), "{at}");
        room.as_object_mut().unwrap().remove(time);
    }
    let conversation = only(&app, "user_alice").await;
    let expected = json!({
        "roomId": ROOM, "conversationId": conversation["id"], "kind": "portal", "bridgeId": "meta",
        "name": null, "enabled": true, "backfill": true, "members": 3, "viewers": 1,
        "reconciledAt": null, "backfillState": null,
    });
    assert_eq!(room, expected);
    assert_eq!(fields(&rooms[0]), fields(&rooms[1]));
    assert_eq!(rooms[0]["kind"], "unknown");
    assert_eq!(rooms[0]["conversationId"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_narrowed() {
    let app = alice_and_bob().await;
    portal(&app, "!b", &[ALICE, BOT]).await;
    portal(&app, "!nobodys", &[BOT]).await;
    switched(&app, "!b", json!({"enabled": false})).await;
    let rooms = async |query: &str| each(&listed(&app, PATH, query).await, "roomId").join(" ");
    assert_eq!(rooms("mapped=true").await, format!("!b {ROOM}"));
    assert_eq!(rooms("mapped=false").await, "!nobodys");
    assert_eq!(rooms("enabled=false").await, "!b");
    assert_eq!(rooms("enabled=true&mapped=true").await, ROOM);
    let sql = "SELECT id, user_id FROM tributary.messenger_connections ORDER BY user_id";
    let connections = rows(&app, sql).await;
    let of = |n: usize| format!("connectionId={}", connections[n]["id"].as_str().unwrap());
    assert_eq!(rooms(&of(0)).await, format!("!b {ROOM}"));
    assert_eq!(rooms(&of(1)).await, "");
    assert_eq!(rooms(&format!("connectionId={}", new_id())).await, "");
    for query in [
        "connectionId=x",
        "mapped=1",
        "enabled=yes",
        "limit=201",
        "cursor=x",
    ] {
        let answer = app.admin(Method::GET, &format!("{PATH}?{query}")).await;
        let refused = (answer.status, answer.code());
        assert_eq!(refused, (400, "invalid_request".to_owned()), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_off_takes_nothing_in() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "before")])
        .await;
    let room = switched(&app, ROOM, json!({"enabled": false})).await;
    assert_eq!(
        (&room["enabled"], &room["backfill"]),
        (&json!(false), &json!(true))
    );
    let named = member(ROOM, GHOST, "$named", "Hopper");
    app.push_events("2", &[text(ROOM, GHOST, "$2", "meanwhile"), named])
        .await;
    assert_eq!(bodies(&app).await, ["before"]);
    assert_eq!(only(&app, "user_alice").await["title"], "Grace");
    let kept = "SELECT event_id FROM tributary.state_events WHERE event_id = '$named'";
    assert!(rows(&app, kept).await.is_empty());
    // What is taken back is taken back everywhere.
    app.push_events("3", &[redaction(ROOM, GHOST, "$3", "$1")])
        .await;
    assert_eq!(bodies(&app).await, [""]);

    switched(&app, ROOM, json!({"enabled": true})).await;
    app.push_events("4", &[text(ROOM, GHOST, "$4", "after")])
        .await;
    assert_eq!(bodies(&app).await[0], "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_the_history_of_a_room_ends_when_it_is_off() {
    let app = alice_and_bob().await;
    let start = json!({"roomId": ROOM});
    app.admin_with(Method::POST, "/api/admin/backfill", &start)
        .await;
    app.admin(Method::POST, &format!("{PATH}/reconcile")).await;
    execute(
        &app,
        "UPDATE tributary.jobs SET state = 'running', lease_owner = tributary.uuid_v7(),
             lease_until = now() + interval '1 hour' WHERE kind = 'backfill'",
    )
    .await;
    let room = switched(&app, ROOM, json!({"enabled": false})).await;
    assert_eq!(room["backfillState"], "cancelled");
    assert!(active(&app, ROOM).await.is_empty());
    let ended = "SELECT DISTINCT reason, lease_owner FROM tributary.jobs WHERE state = 'cancelled'";
    let expected = json!({"reason": "disabled", "lease_owner": null});
    assert_eq!(rows(&app, ended).await, [expected]);
    let told = "SELECT user_id FROM tributary.outbox WHERE kind = 'backfill.progress'";
    assert_eq!(rows(&app, told).await, [json!({"user_id": "user_alice"})]);
    let row = audit(&app).await.pop().unwrap();
    assert_eq!(
        (&row["action"], &row["target"]),
        (&json!("room.change"), &json!(ROOM))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_on_again_gets_what_it_missed() {
    let app = alice_and_bob().await;
    let fresh = json!({"days": 30, "maxMessages": 5000});
    let backfill = json!({"kind": "backfill", "payload": fresh});
    let discover = json!({"kind": "discover", "payload": {}});
    let reconcile = json!({"kind": "reconcile", "payload": {}});
    let on = json!({"enabled": true, "backfill": true});
    for (first, then, queued) in [
        (json!({"enabled": true}), on.clone(), vec![]),
        (
            json!({"enabled": false}),
            json!({"enabled": true}),
            vec![discover.clone(), reconcile.clone()],
        ),
        (
            json!({"enabled": false, "backfill": false}),
            json!({"enabled": true}),
            vec![discover, reconcile.clone()],
        ),
        (
            json!({"backfill": false}),
            json!({"backfill": true}),
            vec![backfill, reconcile],
        ),
        (json!({"enabled": false}), json!({"backfill": true}), vec![]),
    ] {
        switched(&app, ROOM, on.clone()).await;
        execute(&app, "DELETE FROM tributary.jobs").await;
        switched(&app, ROOM, first.clone()).await;
        assert!(active(&app, ROOM).await.is_empty(), "{first}");
        switched(&app, ROOM, then.clone()).await;
        assert_eq!(active(&app, ROOM).await, queued, "{first} {then}");
    }
    // Of a room that is nobody's nothing is read.
    portal(&app, "!nobodys", &[BOT]).await;
    switched(&app, "!nobodys", json!({"enabled": false})).await;
    switched(&app, "!nobodys", json!({"enabled": true})).await;
    assert!(active(&app, "!nobodys").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_taken_as_they_are_in_a_path() {
    let app = alice_and_bob().await;
    let id = "!aB/ %?:lab.local";
    portal(&app, id, &[ALICE, BOT]).await;
    let room = switched(
        &app,
        "%21aB%2F%20%25%3F%3Alab.local",
        json!({"backfill": false}),
    )
    .await;
    assert_eq!(room["roomId"], id);
    for unknown in [
        "!unknown",
        "%25",
        "!of-alice%00",
        "%00",
        "%FF",
        "!OF-ALICE",
        &"x".repeat(300),
    ] {
        let path = format!("{PATH}/{unknown}");
        refused(&app, Method::PATCH, &path, &json!({"enabled": false}), 404).await;
    }
    let off = "SELECT room_id FROM tributary.rooms WHERE NOT enabled";
    assert!(rows(&app, off).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_change_is_refused() {
    let app = alice_and_bob().await;
    let path = format!("{PATH}/{ROOM}");
    for body in [
        json!({}),
        json!([]),
        json!({"enabled": null}),
        json!({"enabled": "false"}),
        json!({"enabled": 0}),
        json!({"enabled": false, "kind": "other"}),
        json!({"Enabled": false}),
    ] {
        refused(&app, Method::PATCH, &path, &body, 400).await;
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::POST] {
        refused(&app, method, &path, &json!({}), 405).await;
    }
    assert_eq!(listed(&app, PATH, "enabled=true").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciling_looks_through_bridges_and_rooms() {
    let app = alice_and_bob().await;
    for room in ["!off", "!when-asked", "!left"] {
        portal(&app, room, &[ALICE, BOT]).await;
    }
    portal(&app, "!nobodys", &[BOT]).await;
    switched(&app, "!off", json!({"enabled": false})).await;
    switched(&app, "!when-asked", json!({"backfill": false})).await;
    execute(
        &app,
        "UPDATE tributary.room_grants SET until_at = now() WHERE room_id = '!left'",
    )
    .await;
    let path = format!("{PATH}/reconcile");
    let answer = app.admin(Method::POST, &path).await;
    let expected = json!({"jobs": 2, "bridges": 1, "rooms": 1});
    assert_eq!((answer.status, answer.json()), (202, expected));
    let queued = "SELECT kind, key FROM tributary.jobs ORDER BY kind";
    let expected = [
        json!({"kind": "discover_bridge", "key": "meta"}),
        json!({"kind": "reconcile", "key": ROOM}),
    ];
    assert_eq!(rows(&app, queued).await, expected);
    let row = audit(&app).await.pop().unwrap();
    assert_eq!(row["action"], "room.reconcile");
    assert_eq!(row["details"], json!({"bridges": 1, "rooms": 1}));
    assert_eq!(app.admin(Method::GET, &path).await.status, 405);
}

/// Switched on and off at once by two, it ends as the last one said, with the jobs of that.
#[tokio::test(flavor = "multi_thread")]
async fn two_who_switch_at_once_take_turns() {
    let app = alice_and_bob().await;
    for _ in 0..10 {
        let (on, off) = tokio::join!(
            switched(&app, ROOM, json!({"enabled": true})),
            switched(&app, ROOM, json!({"enabled": false}))
        );
        assert_eq!(
            (&on["enabled"], &off["enabled"]),
            (&json!(true), &json!(false))
        );
        let room = listed(&app, PATH, "").await.remove(0);
        let kinds: Vec<_> = active(&app, ROOM)
            .await
            .iter()
            .map(|job| job["kind"].clone())
            .collect();
        if room["enabled"] == false {
            assert!(!kinds.contains(&json!("backfill")), "{kinds:?}");
        }
    }
}
