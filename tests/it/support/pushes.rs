//! Customers, portals and what is said in them.

use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use serde_json::{Value, json};
use tributary::{
    clock::Clock,
    db::{members, rooms},
    ingest::map_rooms,
    model::{new_id, portal::Portal},
};

use super::app::TestApp;

/// Links a Clerk user to a Matrix user, an hour ago.
pub(crate) async fn link(app: &TestApp, user: &str, matrix_user: &str, bridge_user: Option<&str>) {
    let mut conn = app.app.db.get().await.unwrap();
    diesel::sql_query(
        "INSERT INTO tributary.messenger_connections
             (id, user_id, bridge_id, matrix_user_id, bridge_user_id, status, linked_at)
         VALUES ($1, $2, 'meta', $3, $4, 'CONNECTED', now() - interval '1 hour')",
    )
    .bind::<SqlUuid, _>(new_id())
    .bind::<Text, _>(user)
    .bind::<Text, _>(matrix_user)
    .bind::<Nullable<Text>, _>(bridge_user)
    .execute(&mut conn)
    .await
    .unwrap();
}

/// Makes a room a portal with these people in it, as discovery does.
pub(crate) async fn portal(app: &TestApp, room_id: &str, people: &[&str]) {
    let mut conn = app.app.db.get().await.unwrap();
    let room = vec![room_id.to_owned()];
    let portal = Portal {
        protocol_id: "facebookgo".to_owned(),
        channel_id: room_id.to_owned(),
        receiver: String::new(),
        room_type_v2: None,
        room_type: None,
    };
    let members: Vec<_> = people
        .iter()
        .map(|user| ((*user).to_owned(), "join".to_owned()))
        .collect();
    conn.transaction(async |conn| {
        rooms::lock(conn, &room).await?;
        let resolution = rooms::Resolution::Portal {
            bridge_id: "meta",
            portal: &portal,
            created_ts: Some(1),
        };
        rooms::resolve(conn, room_id, &resolution).await?;
        members::replace(conn, room_id, &members).await?;
        map_rooms(conn, &app.app.bridges, &room).await
    })
    .await
    .unwrap();
}

/// Now, in the homeserver's milliseconds.
pub(crate) fn now() -> i64 {
    Clock::system().now().timestamp_millis()
}

/// A text message of this moment.
pub(crate) fn text(room_id: &str, sender: &str, event_id: &str, body: &str) -> Value {
    text_at(room_id, sender, event_id, body, now())
}

/// A text message of another time.
pub(crate) fn text_at(room_id: &str, sender: &str, event_id: &str, body: &str, ts: i64) -> Value {
    json!({
        "event_id": event_id, "room_id": room_id, "sender": sender, "type": "m.room.message",
        "origin_server_ts": ts, "content": {"msgtype": "m.text", "body": body},
        "unsigned": {"age": 1},
    })
}

/// A member event with a name.
pub(crate) fn member(room_id: &str, user: &str, event_id: &str, name: &str) -> Value {
    json!({
        "event_id": event_id, "room_id": room_id, "sender": user, "type": "m.room.member",
        "state_key": user, "origin_server_ts": now(),
        "content": {"membership": "join", "displayname": name}, "unsigned": {"age": 1},
    })
}

/// A redaction.
pub(crate) fn redaction(room_id: &str, sender: &str, event_id: &str, redacts: &str) -> Value {
    json!({
        "event_id": event_id, "room_id": room_id, "sender": sender, "type": "m.room.redaction",
        "origin_server_ts": now(), "redacts": redacts, "content": {"redacts": redacts},
        "unsigned": {"age": 1},
    })
}
