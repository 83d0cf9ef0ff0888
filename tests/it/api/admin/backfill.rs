//! `/api/admin/backfill`, and what is beneath it.

use reqwest::Method;
use serde_json::{Value, json};
use tributary::{
    db::jobs::{self, Held, Wanted},
    model::new_id,
};

use super::{audit, each, execute, fields, listed, refused, rows};
use crate::api::{
    app::{ADMIN_KEY, Answer, TestApp},
    conversations::{ALICE, BOB, ROOM, alice_and_bob, only},
    world::portal,
};

const PATH: &str = "/api/admin/backfill";
const BOT: &str = "@facebookbot:lab.local";

/// Alice with three rooms, the last of which is the liveliest; Bob with one of them.
async fn rooms_of_alice() -> TestApp {
    let app = alice_and_bob().await;
    for (room, people) in [("!b", &[ALICE, BOB, BOT][..]), ("!c", &[ALICE, BOT])] {
        portal(&app, room, people).await;
    }
    portal(&app, "!nobodys", &[BOT]).await;
    for (room, hours) in [(ROOM, 3), ("!b", 2), ("!c", 1), ("!nobodys", 0)] {
        execute(
            &app,
            &format!(
                "UPDATE tributary.rooms SET last_event_at = now() - interval '{hours} hours'
                 WHERE room_id = '{room}'"
            ),
        )
        .await;
    }
    app
}

/// Asks for backfills; the jobs that are answered.
async fn started(app: &TestApp, body: Value) -> Vec<Value> {
    let answer = app.admin_with(Method::POST, PATH, &body).await;
    assert_eq!(answer.status, 202, "{body} {}", answer.text);
    let mut answer = answer.json();
    assert_eq!(fields(&answer), ["jobs"]);
    answer["jobs"].as_array_mut().unwrap().drain(..).collect()
}

async fn payload(app: &TestApp, id: &Value) -> Value {
    let id = id.as_str().unwrap();
    let sql = format!("SELECT payload FROM tributary.jobs WHERE id = '{id}'");
    rows(app, &sql).await[0]["payload"].clone()
}

async fn cancel(app: &TestApp, id: &Value) -> Answer {
    let path = format!("{PATH}/{}/cancel", id.as_str().unwrap());
    app.admin(Method::POST, &path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_gets_a_job_as_deep_as_was_asked() {
    let app = alice_and_bob().await;
    let jobs = started(&app, json!({"roomId": ROOM, "days": 90})).await;
    let conversation = only(&app, "user_alice").await;
    let job = &jobs[0];
    let expected = json!({
        "id": job["id"], "roomId": ROOM, "conversationId": conversation["id"], "state": "queued",
        "reason": null, "days": 90, "maxMessages": 5000, "fetched": 0, "stored": 0, "oldestAt": null, "attempts": 0, "error": null,
        "createdAt": job["createdAt"], "startedAt": null, "finishedAt": null,
    });
    assert_eq!(jobs, [expected]);
    let wanted = json!({"days": 90, "maxMessages": 5000});
    assert_eq!(payload(&app, &job["id"]).await, wanted);
    let row = &audit(&app).await[0];
    assert_eq!(row["action"], "backfill.start");
    assert_eq!(row["target"], ROOM);
    let details = json!({"jobs": 1, "new": 1, "days": 90, "maxMessages": 5000});
    assert_eq!(row["details"], details);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_with_an_active_job_answers_that_widened() {
    let app = alice_and_bob().await;
    let first = started(&app, json!({"roomId": ROOM, "maxMessages": 7})).await;
    let again = json!({"roomId": ROOM, "days": 1, "maxMessages": 9});
    let second = started(&app, again).await;
    assert_eq!(first[0]["id"], second[0]["id"]);
    let wanted = json!({"days": 30, "maxMessages": 9});
    assert_eq!(payload(&app, &first[0]["id"]).await, wanted);

    assert_eq!(cancel(&app, &first[0]["id"]).await.status, 200);
    let third = started(&app, json!({"roomId": ROOM})).await;
    assert_ne!(first[0]["id"], third[0]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_ask_at_once_get_one_job() {
    let app = rooms_of_alice().await;
    for body in [json!({"roomId": ROOM}), json!({"all": true})] {
        let (one, other) = tokio::join!(started(&app, body.clone()), started(&app, body));
        assert_eq!(each(&one, "id"), each(&other, "id"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_begin_with_the_liveliest_room() {
    let app = rooms_of_alice().await;
    let connection = rows(
        &app,
        "SELECT id FROM tributary.messenger_connections WHERE user_id = 'user_bob'",
    )
    .await;
    let rooms = async |body| each(&started(&app, body).await, "roomId").join(" ");
    let all = format!("!c !b {ROOM}");
    assert_eq!(rooms(json!({"all": true})).await, all);
    assert_eq!(rooms(json!({"matrixUserId": ALICE})).await, all);
    assert_eq!(rooms(json!({"matrixUserId": BOB})).await, "!b");
    let bobs = json!({"connectionId": connection[0]["id"]});
    assert_eq!(rooms(bobs).await, "!b");

    // An operator may ask for what does not come in by itself, not for what is off.
    execute(
        &app,
        "UPDATE tributary.rooms SET backfill = false WHERE room_id = '!b'",
    )
    .await;
    execute(
        &app,
        "UPDATE tributary.rooms SET enabled = false WHERE room_id = '!c'",
    )
    .await;
    assert_eq!(rooms(json!({"all": true})).await, format!("!b {ROOM}"));
    let off = app
        .admin_with(Method::POST, PATH, &json!({"roomId": "!c"}))
        .await;
    assert_eq!((off.status, off.code()), (409, "conflict".to_owned()));
    assert!(off.text.contains("disabled"), "{}", off.text);
    execute(
        &app,
        "UPDATE tributary.room_grants SET until_at = now() WHERE user_id = 'user_bob'",
    )
    .await;
    let none = started(&app, json!({"matrixUserId": BOB})).await;
    assert!(none.is_empty(), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_not_found() {
    let app = rooms_of_alice().await;
    for body in [
        json!({"roomId": "!unknown"}),
        json!({"roomId": "!nobodys"}),
        json!({"roomId": "%"}),
        json!({"roomId": "!of-alice\u{0}"}),
        json!({"roomId": "!".repeat(300)}),
        json!({"matrixUserId": "@nobody:lab.local"}),
        json!({"matrixUserId": "@%:lab.local"}),
        json!({"matrixUserId": "@\u{0}:lab.local"}),
        json!({"connectionId": new_id()}),
    ] {
        refused(&app, Method::POST, PATH, &body, 404).await;
    }
    assert!(listed(&app, PATH, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused() {
    let app = alice_and_bob().await;
    for body in [
        json!({}),
        json!([]),
        json!("!of-alice"),
        json!({"days": 30}),
        json!({"all": false}),
        json!({"all": "true"}),
        json!({"roomId": null}),
        json!({"roomId": ROOM, "all": true}),
        json!({"roomId": ROOM, "matrixUserId": ALICE}),
        json!({"roomId": 5}),
        json!({"roomId": [ROOM]}),
        json!({"connectionId": "x"}),
        json!({"roomId": ROOM, "days": 0}),
        json!({"roomId": ROOM, "days": -1}),
        json!({"roomId": ROOM, "days": 1.5}),
        json!({"roomId": ROOM, "days": "30"}),
        json!({"roomId": ROOM, "days": 36_501}),
        json!({"roomId": ROOM, "maxMessages": 0}),
        json!({"roomId": ROOM, "maxMessages": -5}),
        json!({"roomId": ROOM, "maxMessages": 4_294_967_296_u64}),
        json!({"roomId": ROOM, "maxmessages": 1}),
        json!({"roomId": ROOM, "fresh": true}),
    ] {
        refused(&app, Method::POST, PATH, &body, 400).await;
    }
    let no_json = app.request(Method::POST, PATH).bearer_auth(ADMIN_KEY);
    assert_eq!(Answer::of(no_json.body("all")).await.status, 415);
    for (method, path) in [
        (Method::PUT, PATH.to_owned()),
        (Method::DELETE, format!("{PATH}/{}", new_id())),
        (Method::GET, format!("{PATH}/{}/cancel", new_id())),
    ] {
        let answer = app.admin(method, &path).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (405, "method_not_allowed")
        );
    }
    assert!(listed(&app, PATH, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_narrowed_by_state_and_room() {
    let app = rooms_of_alice().await;
    let jobs = started(&app, json!({"all": true})).await;
    cancel(&app, &jobs[0]["id"]).await;
    started(&app, json!({"roomId": "!c"})).await;
    let rooms = async |query: &str| each(&listed(&app, PATH, query).await, "roomId").join(" ");
    let all = listed(&app, PATH, "").await;
    assert_eq!(all.len(), 4);
    assert_eq!(all[0]["roomId"], "!c");
    assert_eq!(rooms("state=cancelled").await, "!c");
    assert_eq!(rooms("state=queued").await.split(' ').count(), 3);
    assert_eq!(rooms("roomId=!c").await, "!c !c");
    assert_eq!(rooms("roomId=!c&state=queued").await, "!c");
    assert_eq!(rooms("roomId=%25").await, "");
    assert_eq!(rooms("state=running").await, "");
    for query in [
        "state=Queued",
        "state=",
        "state=x",
        "roomId=%00",
        "cursor=x",
    ] {
        let answer = app.admin(Method::GET, &format!("{PATH}?{query}")).await;
        let refused = (answer.status, answer.code());
        assert_eq!(refused, (400, "invalid_request".to_owned()), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_says_how_far_it_is() {
    let app = alice_and_bob().await;
    let jobs = started(&app, json!({"roomId": ROOM})).await;
    let id = jobs[0]["id"].as_str().unwrap();
    execute(
        &app,
        &format!(
            r#"UPDATE tributary.jobs SET state = 'waiting', attempts = 2, error = 'away', started_at = now(),
               progress = '{{"fetched": 7, "messages": 5, "stored": 3, "oldestAt": "2026-01-02T03:04:05.678Z"}}'
               WHERE id = '{id}'"#
        ),
    )
    .await;
    let job = app.admin(Method::GET, &format!("{PATH}/{id}")).await.json();
    let expected = json!({
        "state": "waiting", "fetched": 7, "stored": 3, "oldestAt": "2026-01-02T03:04:05.678Z",
        "attempts": 2, "error": "away",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&job[field], value, "{field}");
    }
    assert!(job["startedAt"].is_string());
    for id in [&new_id().to_string(), "x", "%00"] {
        let path = format!("{PATH}/{id}");
        assert_eq!(app.admin(Method::GET, &path).await.status, 404, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_no_backfill_is_not_found() {
    let app = TestApp::start().await;
    let id = new_id();
    execute(
        &app,
        &format!("INSERT INTO tributary.jobs (id, kind, key) VALUES ('{id}', 'discover', '!x')"),
    )
    .await;
    assert_eq!(
        app.admin(Method::GET, &format!("{PATH}/{id}")).await.status,
        404
    );
    assert_eq!(cancel(&app, &json!(id)).await.status, 404);
    let states = rows(&app, "SELECT state FROM tributary.jobs").await;
    assert_eq!(states[0]["state"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_off_has_ended_and_its_viewers_are_told() {
    let app = alice_and_bob().await;
    let jobs = started(&app, json!({"roomId": ROOM})).await;
    let answer = cancel(&app, &jobs[0]["id"]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let job = answer.json();
    assert_eq!(job["state"], "cancelled");
    assert_eq!(job["reason"], "cancelled");
    assert!(job["finishedAt"].is_string());
    let told = "SELECT user_id FROM tributary.outbox WHERE kind = 'backfill.progress'";
    assert_eq!(rows(&app, told).await, [json!({"user_id": "user_alice"})]);
    let row = audit(&app).await.pop().unwrap();
    assert_eq!(row["action"], "backfill.cancel");
    assert_eq!(
        (&row["target"], &row["outcome"]),
        (&job["id"], &json!("ok"))
    );
    assert_eq!(row["details"], json!({"roomId": ROOM}));

    let again = cancel(&app, &jobs[0]["id"]).await;
    assert_eq!((again.status, again.code()), (409, "conflict".to_owned()));
    assert_eq!(audit(&app).await.pop().unwrap()["outcome"], "conflict");
    assert_eq!(cancel(&app, &json!(new_id())).await.status, 404);
}

/// Whoever is second must not undo what the first one did.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_while_it_is_called_off_has_one_end() {
    let app = alice_and_bob().await;
    for _ in 0..20 {
        let jobs = started(&app, json!({"roomId": ROOM})).await;
        let conn = app.app.db.get().await.unwrap();
        let owner = new_id();
        let wanted = [Wanted {
            kind: "backfill",
            limit: 1,
        }];
        let lease = std::time::Duration::from_mins(1);
        let claimed = jobs::claim(&conn, owner, &wanted, lease).await.unwrap();
        let held = Held {
            job: claimed[0].id,
            owner,
        };
        let (ended, answer) = tokio::join!(
            jobs::end(&conn, held, jobs::End::Done("start"), &[]),
            cancel(&app, &jobs[0]["id"])
        );
        let path = format!("{PATH}/{}", jobs[0]["id"].as_str().unwrap());
        let state = app.admin(Method::GET, &path).await.json()["state"].clone();
        match ended.unwrap() {
            jobs::Ended::ForGood => assert_eq!((answer.status, state), (409, json!("done"))),
            _ => assert_eq!((answer.status, state), (200, json!("cancelled"))),
        }
    }
}
