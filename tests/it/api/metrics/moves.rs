//! Each metric moves when its thing happens.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::house::{ADMIN_KEY, FRIEND, House, ROOM};
use crate::support::{
    app::session,
    eventually,
    world::{redaction, text},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn socket(house: &House, query: &str) -> Socket {
    let url = house.url(&format!("/ws{query}")).replacen("http", "ws", 1);
    let mut request = url.into_client_request().unwrap();
    let bearer = format!("Bearer {}", session(&house.alice.user_id));
    let headers = request.headers_mut();
    headers.insert("authorization", bearer.parse().unwrap());
    connect_async(request).await.unwrap().0
}

/// Reads up to a frame of this type.
async fn read_to(socket: &mut Socket, kind: &str) -> Value {
    loop {
        let read = tokio::time::timeout(std::time::Duration::from_mins(1), socket.next());
        let message = read.await.expect(kind).expect(kind).unwrap();
        if let Message::Text(text) = message {
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["type"] == kind {
                return frame;
            }
        }
    }
}

/// Events of all kinds, of this room and of one that nobody knows.
fn events() -> Vec<Value> {
    let relation = |kind: &str, id: &str, content: Value| {
        let mut event = text(ROOM, id, FRIEND, "");
        event["type"] = kind.into();
        event["content"] = content;
        event
    };
    let mut picture = text(ROOM, "$picture", FRIEND, "a picture");
    picture["content"] = json!({"msgtype": "m.image", "body": "a.jpg", "url": "mxc://lab.local/a"});
    let edit = json!({
        "msgtype": "m.text", "body": "* b", "m.new_content": {"msgtype": "m.text", "body": "b"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"},
    });
    let reaction =
        json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": "+"}});
    let mut name = relation("m.room.name", "$name", json!({"name": "a name"}));
    name["state_key"] = "".into();
    // A message without a body that is one.
    let mut bad = text(ROOM, "$bad", FRIEND, "");
    bad["content"] = json!({"msgtype": 1, "body": {}});
    vec![
        text(ROOM, "$1", FRIEND, "a"),
        picture,
        relation("m.room.message", "$edit", edit),
        relation("m.reaction", "$reaction", reaction),
        redaction(ROOM, "$redaction", FRIEND, "$2"),
        name,
        bad,
        text("!nobodys:lab.local", "$else", FRIEND, "secret"),
        json!({"type": "m.room.message"}),
    ]
}

/// What takes its time, and moves at last.
const LATE: &[&str] = &[
    "tributary_backfill_pages_total",
    "tributary_backfill_events_total",
    "tributary_backfill_messages_total",
    "tributary_media_files_total{outcome=\"stored\"}",
    "tributary_media_stored_bytes_total",
    "tributary_websocket_closes_total{code=\"1008\"}",
    "tributary_homeserver_calls_total{call=\"messages\",outcome=\"ok\"}",
    "tributary_homeserver_call_seconds_count{call=\"download\"}",
    "tributary_job_tries_total{kind=\"backfill\",outcome=\"done\"}",
    "tributary_job_seconds_count{kind=\"discover\"}",
    "tributary_dead_letters",
    "tributary_gauges_read_timestamp_seconds",
];

/// What has moved by then, and by how much where that is known.
const MOVED: &[(&str, Option<f64>)] = &[
    ("tributary_transactions_total{outcome=\"stored\"}", None),
    (
        "tributary_transactions_total{outcome=\"repeated\"}",
        Some(1.0),
    ),
    (
        "tributary_transactions_total{outcome=\"malformed\"}",
        Some(1.0),
    ),
    ("tributary_transactions_total{outcome=\"empty\"}", Some(1.0)),
    ("tributary_transaction_seconds_count", None),
    ("tributary_fold_seconds_count", None),
    (
        "tributary_events_total{kind=\"edit\",outcome=\"folded\"}",
        Some(1.0),
    ),
    (
        "tributary_events_total{kind=\"reaction\",outcome=\"folded\"}",
        Some(1.0),
    ),
    (
        "tributary_events_total{kind=\"redaction\",outcome=\"folded\"}",
        Some(1.0),
    ),
    (
        "tributary_events_total{kind=\"state\",outcome=\"folded\"}",
        Some(1.0),
    ),
    (
        "tributary_events_total{kind=\"message\",outcome=\"elsewhere\"}",
        Some(1.0),
    ),
    ("tributary_new_events_total{kind=\"relation\"}", Some(2.0)),
    ("tributary_new_events_total{kind=\"redaction\"}", Some(1.0)),
    ("tributary_new_events_total{kind=\"message\"}", None),
    ("tributary_receipt_to_commit_seconds_count", Some(1.0)),
    ("tributary_unreadable_events_total", Some(2.0)),
    ("tributary_dead_letters_total", Some(1.0)),
    ("tributary_frames_total{when=\"live\"}", None),
    ("tributary_frame_lag_seconds_count", None),
    ("tributary_delivery_seconds_count", None),
    (
        "tributary_websocket_resyncs_total{reason=\"unknown\"}",
        Some(1.0),
    ),
    ("tributary_database_wait_seconds_count", None),
    (
        "tributary_http_requests_total{route=\"/metrics\",method=\"GET\",status=\"2xx\"}",
        None,
    ),
    (
        "tributary_http_request_seconds_count{route=\"/metrics\",method=\"GET\"}",
        None,
    ),
];

/// What stands at a number.
const STANDS: &[(&str, f64)] = &[
    ("tributary_websockets", 1.0),
    ("tributary_connections_linked{status=\"CONNECTED\"}", 1.0),
    ("tributary_database_up", 1.0),
    ("tributary_homeserver_up", 1.0),
    ("tributary_bridge_silent{bridge=\"meta\"}", 0.0),
    ("tributary_dead_letters", 1.0),
    ("tributary_database_max_connections", 10.0),
];

/// What is more than nothing, sooner or later: the homeserver and the bridge are asked at the start.
const THERE: &[&str] = &[
    "tributary_homeserver_calls_total{call=\"ping\",outcome=\"ok\"}",
    "tributary_bridge_calls_total{bridge=\"meta\",outcome=\"answered\"}",
    "tributary_bridge_call_seconds_count",
    "tributary_reconciled_events_total",
    "tributary_last_transaction_timestamp_seconds",
    "tributary_database_size_bytes",
    "tributary_disk_free_bytes{of=\"data\"}",
    "tributary_disk_size_bytes{of=\"media\"}",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
];

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::float_cmp, reason = "they are counts")]
async fn each_metric_moves_when_its_thing_happens() {
    let house = House::new().await;
    let before = house.scrape().await;
    let mut live = socket(&house, "").await;
    read_to(&mut live, "live").await;
    let mut lost = socket(&house, "?since=nonsense").await;
    read_to(&mut lost, "resync").await;

    let body = json!({"events": events()}).to_string();
    assert_eq!(house.push("1", body.clone()).await, 200);
    assert_eq!(house.push("1", body).await, 200);
    assert_eq!(house.push("2", "no JSON".to_owned()).await, 400);
    assert_eq!(
        house.push("3", json!({"events": []}).to_string()).await,
        200
    );
    read_to(&mut live, "message.created").await;
    let typing = json!({"events": [], "ephemeral": [
        {"type": "m.typing", "room_id": ROOM, "content": {"user_ids": [FRIEND]}}]});
    eventually("somebody types", async || {
        house
            .push(&rand::random::<u64>().to_string(), typing.to_string())
            .await;
        (house
            .scrape()
            .await
            .of("tributary_frames_total{when=\"passing\"}")
            > 0.0)
            .then_some(())
    })
    .await;
    lost.send(Message::text("nonsense")).await.unwrap();
    let asked = json!({"roomId": ROOM, "days": 30, "maxMessages": 10});
    let request = house.http.post(house.url("/api/admin/backfill"));
    let answer = request.bearer_auth(ADMIN_KEY).json(&asked).send().await;
    assert_eq!(answer.unwrap().status(), 202);

    let after = house.once_moved(&before, LATE, THERE).await;
    let moved = |name: &str| after.of(name) - before.of(name);
    for (series, by) in MOVED {
        assert!(moved(series) > 0.0, "{series} has not moved");
        assert!(
            by.is_none_or(|by| moved(series) == by),
            "{series}: {}",
            moved(series)
        );
    }
    for (series, value) in STANDS {
        assert_eq!(after.of(series), *value, "{series}");
    }
    // For `promtool check metrics`.
    if let Some(file) = std::env::var_os("TRIBUTARY_TEST_METRICS") {
        std::fs::write(file, &after.text).unwrap();
    }
}
