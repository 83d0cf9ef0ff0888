//! `GET /api/analytics`.

use serde_json::{Value, json};

use crate::api::{
    app::TestApp,
    conversations::{ALICE, GHOST, ROOM, alice_and_bob, only},
    world::{redaction, text_at},
};

/// 2025-10-26, at 00:30 and 01:30 UTC: both are half past two in Berlin, on the night in which
/// clocks are set back.
const HALF_PAST_TWO: [i64; 2] = [1_761_438_600_000, 1_761_442_200_000];
const PERIOD: &str = "from=2025-10-01&to=2025-11-01";

async fn numbers(app: &TestApp, user: &str, query: &str) -> Value {
    let answer = app.get(user, &format!("/api/analytics?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wrote_when_and_how_fast_answers_came() {
    let app = alice_and_bob().await;
    let [first, second] = HALF_PAST_TWO;
    let events = [
        text_at(ROOM, GHOST, "$1", "a question", first),
        text_at(ROOM, GHOST, "$2", "and more", first + 60_000),
        text_at(ROOM, ALICE, "$3", "an answer", second),
        text_at(ROOM, GHOST, "$4", "thanks", second + 5_000),
    ];
    app.push_events("1", &events).await;
    let of_berlin = numbers(
        &app,
        "user_alice",
        &format!("{PERIOD}&timeZone=Europe/Berlin"),
    )
    .await;
    let conversation = only(&app, "user_alice").await;
    let id = &conversation["id"];
    assert_eq!(of_berlin["from"], "2025-09-30T22:00:00.000Z");
    assert_eq!(of_berlin["to"], "2025-10-31T23:00:00.000Z");
    assert_eq!(
        (&of_berlin["sent"], &of_berlin["received"]),
        (&json!(1), &json!(3))
    );
    let day = json!([{"day": "2025-10-26", "sent": 1, "received": 3}]);
    assert_eq!(of_berlin["days"], day);
    assert_eq!(
        of_berlin["hours"][2],
        json!({"hour": 2, "sent": 1, "received": 3})
    );
    assert_eq!(of_berlin["hours"].as_array().unwrap().len(), 24);
    // From the first question, not from the last one.
    let times = json!({"own": {"count": 1, "medianMs": 3_600_000, "p90Ms": 3_600_000},
                       "others": {"count": 1, "medianMs": 5_000, "p90Ms": 5_000}});
    assert_eq!(of_berlin["responseTimes"], times);
    let grace = json!([{"matrixUserId": GHOST, "externalId": "1", "displayName": "Grace",
                        "avatarUrl": null, "messages": 3, "conversations": 1}]);
    assert_eq!(of_berlin["people"], grace);
    let chat = json!([{"conversationId": id, "title": "Grace", "sent": 1, "received": 3}]);
    assert_eq!(of_berlin["conversations"], chat);

    let of_utc = numbers(&app, "user_alice", PERIOD).await;
    assert_eq!(
        of_utc["hours"][0],
        json!({"hour": 0, "sent": 0, "received": 2})
    );
    assert_eq!(
        of_utc["hours"][1],
        json!({"hour": 1, "sent": 1, "received": 1})
    );
    let query = format!("{PERIOD}&conversationId={}", id.as_str().unwrap());
    let of_chat = numbers(&app, "user_alice", &query).await;
    assert_eq!(
        (&of_chat["days"], &of_chat["conversationId"]),
        (&of_utc["days"], id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_message_is_one_and_a_redacted_one_is_none() {
    let app = alice_and_bob().await;
    let at = HALF_PAST_TWO[0];
    let mut edit = text_at(ROOM, GHOST, "$2", "* better", at + 1);
    edit["content"]["m.new_content"] = json!({"msgtype": "m.text", "body": "better"});
    edit["content"]["m.relates_to"] = json!({"rel_type": "m.replace", "event_id": "$1"});
    let unsaid = text_at(ROOM, GHOST, "$3", "secret", at + 2);
    app.push_events("1", &[text_at(ROOM, GHOST, "$1", "good", at), edit, unsaid])
        .await;
    assert_eq!(numbers(&app, "user_alice", PERIOD).await["received"], 2);
    app.push_events("2", &[redaction(ROOM, GHOST, "$4", "$3")])
        .await;
    assert_eq!(numbers(&app, "user_alice", PERIOD).await["received"], 1);
}

/// Nothing is nothing, and the last 30 days are counted unless others are asked for.
#[tokio::test(flavor = "multi_thread")]
async fn without_messages_there_are_zeros() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text_at(ROOM, GHOST, "$1", "old", HALF_PAST_TWO[0])])
        .await;
    for user in ["user_alice", "user_bob"] {
        let numbers = numbers(&app, user, "").await;
        assert_eq!(
            (&numbers["sent"], &numbers["received"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(numbers["days"], json!([]));
        assert_eq!(
            numbers["hours"][23],
            json!({"hour": 23, "sent": 0, "received": 0})
        );
        assert_eq!(
            numbers["responseTimes"]["own"],
            json!({"count": 0, "medianMs": null, "p90Ms": null})
        );
        assert_eq!(
            (&numbers["people"], &numbers["conversations"]),
            (&json!([]), &json!([]))
        );
        assert_eq!(numbers["timeZone"], "UTC");
    }
}

/// Postgres takes some of them for abbreviations, which know no summer.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_one_word_are_the_zones_that_they_are_links_to() {
    let app = alice_and_bob().await;
    for (zone, midnight) in [
        ("GMT", "2025-07-01T00:00:00.000Z"),
        ("Zulu", "2025-07-01T00:00:00.000Z"),
        ("EST", "2025-07-01T05:00:00.000Z"),
        ("EST5EDT", "2025-07-01T04:00:00.000Z"),
        ("CET", "2025-06-30T22:00:00.000Z"),
        ("WET", "2025-06-30T23:00:00.000Z"),
        ("Japan", "2025-06-30T15:00:00.000Z"),
        ("W-SU", "2025-06-30T21:00:00.000Z"),
        ("Etc/GMT0", "2025-07-01T00:00:00.000Z"),
    ] {
        let query = format!("from=2025-07-01&to=2025-07-02&timeZone={zone}");
        let numbers = numbers(&app, "user_alice", &query).await;
        assert_eq!(
            (&numbers["timeZone"], &numbers["from"]),
            (&json!(zone), &json!(midnight))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_counted_is_refused() {
    let app = alice_and_bob().await;
    for query in [
        "timeZone=Europe/Nowhere",
        "timeZone=UTC%2B3",
        "timeZone=right/Europe/Berlin",
        "timeZone=posix/Europe/Berlin",
        "timeZone=CEST",
        "timeZone=Europe/Berlin%00",
        "from=yesterday",
        "to=2026-02-30",
        "from=2026-02-01&to=2026-01-01",
        "from=2026-02-01&from=2026-02-02",
        "timezone=UTC",
        "limit=1",
    ] {
        let answer = app
            .get("user_alice", &format!("/api/analytics?{query}"))
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_request"),
            "{query}"
        );
    }
    for id in ["01890a5d-ac96-774b-bcce-b302099a8057", "x"] {
        let answer = app
            .get("user_alice", &format!("/api/analytics?conversationId={id}"))
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not_found"),
            "{id}"
        );
    }
}

/// The statement that the first one left behind is still theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_one_counted_at_a_time() {
    let app = alice_and_bob().await;
    let going_on = app.app.limits.analytics.begin("user_alice").unwrap();
    let answer = app.get("user_alice", "/api/analytics").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "rate_limited")
    );
    assert!(answer.header("retry-after").is_some());
    numbers(&app, "user_bob", "").await;
    drop(going_on);
    numbers(&app, "user_alice", "").await;
}
