//! The homeserver answers garbage when it is asked for history or state, in each room its own.

use std::time::Duration;

use diesel_async::SimpleAsyncConnection as _;
use reqwest::Method;
use serde_json::json;

use super::house::{HS_TOKEN, House, SECRET};
use crate::support::{app::Answer, within, world::text};

/// Rooms, and what becomes of their walk: its state, and what its error says.
const ROOMS: &[(&str, &str, &str)] = &[
    // Not JSON, another shape, cut off, of too many pieces, packed.
    ("html", "waiting", "cannot be understood"),
    ("types", "waiting", "cannot be understood"),
    ("half", "waiting", "cannot be understood"),
    ("many", "waiting", "cannot be understood"),
    ("unpacked", "waiting", "cannot be understood"),
    // One event that is a million deep is one event that is none.
    ("deep", "done", ""),
    // Without end: a body, and pages with ever new tokens and with two that take turns.
    ("endless", "failed", "longer than 67108864 bytes"),
    ("always", "failed", "pages do not end"),
    ("ring", "failed", "pages do not end"),
    // The token that was asked with is as good as none.
    ("same", "done", ""),
    ("elsewhere", "waiting", "answered 307"),
    ("later", "waiting", "limits the rate"),
    ("nobody", "waiting", "does not accept the as_token"),
    ("heads", "waiting", "cannot be reached"),
    ("gone", "waiting", "cannot be reached"),
];

/// The same of rooms that are not known yet, whose state is asked for.
const UNKNOWN: &[(&str, &str, &str)] = &[
    ("html", "waiting", "cannot be understood"),
    ("half", "waiting", "cannot be understood"),
    ("many", "waiting", "cannot be understood"),
    ("deep", "done", ""),
    ("endless", "failed", "longer than 67108864 bytes"),
    ("elsewhere", "waiting", "answered 307"),
    ("nobody", "waiting", "does not accept the as_token"),
    ("heads", "waiting", "cannot be reached"),
    ("gone", "waiting", "cannot be reached"),
];
/// For each of them, on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(3);

/// Has a room's history asked for.
async fn walk(house: &House, room: &str) {
    let id = format!("!{room}:lab.local");
    house.world.direct(&id, &house.alice, "1001", room).await;
    // What is counted are the pages of the walk: rooms are compared as well, twenty seconds
    // after a start, which a slow machine gets to.
    let compared = format!(
        "UPDATE tributary.rooms SET reconciled_at = now() + interval '1 hour' WHERE room_id = '{id}'"
    );
    let conn = house.world.db.get().await.unwrap();
    (&*conn).batch_execute(&compared).await.unwrap();
    let start = house.as_operator(Method::POST, "/api/admin/backfill");
    let answer = Answer::of(start.json(&json!({"roomId": id}))).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
}

/// Has a room's state asked for, about which nothing is known but a message.
async fn discover(house: &House, room: &str) {
    let (id, event) = (format!("!new-{room}:lab.local"), format!("$new-{room}"));
    let event = text(&id, &event, "@facebook_2001:lab.local", SECRET);
    let push = house.request(Method::PUT, &house.transaction());
    let push = push.bearer_auth(HS_TOKEN).json(&json!({"events": [event]}));
    assert_eq!(Answer::of(push).await.status, 200);
}

/// Waits until the job of a room is so.
async fn becomes(house: &House, kind: &str, room: &str, state: &str, error: &str) {
    let sql = format!(
        "SELECT count(*) FROM tributary.jobs
         WHERE kind = '{kind}' AND key = '!{room}:lab.local' AND state = '{state}'
           AND coalesce(error, '') LIKE '%{error}%'"
    );
    let what = format!("{kind} of {room} is {state}: {error}");
    within(PATIENCE, &what, async || {
        (house.world.count(&sql).await == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_answers_garbage_is_given_up_room_by_room() {
    let house = House::new().await;
    // One place of four is somebody's who never comes to the end.
    walk(&house, "dripping").await;
    for (room, ..) in ROOMS {
        walk(&house, room).await;
    }
    walk(&house, "good").await;
    house.serves().await;
    for (room, state, error) in ROOMS {
        becomes(&house, "backfill", room, state, error).await;
    }
    becomes(&house, "backfill", "good", "done", "").await;
    let stored = "SELECT count(*) FROM tributary.messages WHERE event_id = '$history-good'";
    assert_eq!(house.world.count(stored).await, 1);
    assert_eq!(
        house.homeserver.followed(),
        0,
        "the as_token went elsewhere"
    );
    assert!(house.homeserver.asked("always") < 200);
    assert_eq!(house.homeserver.asked("same"), 2);
    house.took("a homeserver's garbage for history", 512);
    house.is_well(150).await;
    assert_eq!(house.told("pages do not end"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_answers_garbage_about_a_room_is_asked_again_later() {
    let house = House::new().await;
    for (room, ..) in UNKNOWN {
        discover(&house, room).await;
    }
    house.serves().await;
    for (room, state, error) in UNKNOWN {
        becomes(&house, "discover", &format!("new-{room}"), state, error).await;
    }
    let kept = "SELECT count(*) FROM tributary.conversations";
    assert_eq!(house.world.count(kept).await, 1, "of whoever is honest");
    assert_eq!(house.homeserver.followed(), 0);
    house.took("a homeserver's garbage for state", 512);
    house.is_well(150).await;
}
