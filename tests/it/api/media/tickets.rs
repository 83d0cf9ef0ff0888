//! `POST /api/media/tickets`, and what tickets open.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection as _;
use reqwest::Method;
use serde_json::{Value, json};
use tributary::{
    auth::{clerk::Session, tickets::TicketKey},
    clock::Clock,
    db::secrets,
};
use uuid::Uuid;

use super::{Archive, path};
use crate::api::{
    app::{Answer, session},
    conversations::{GHOST, ROOM},
    world::redaction,
};

async fn ask(archive: &Archive, body: &Value) -> Answer {
    let request = archive
        .app
        .viewer("user_alice", Method::POST, "/api/media/tickets");
    Answer::of(request.json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_shows_its_file_without_a_token() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.png", "image/png", b"one").await;
    let other = archive.sent("$2", "b.png", "image/png", b"two").await;
    let answer = ask(
        &archive,
        &json!({"ids": [id, other, id, Uuid::from_u128(7)]}),
    )
    .await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["tickets"].as_object().unwrap().len(), 2);
    let expires: DateTime<Utc> = body["expiresAt"].as_str().unwrap().parse().unwrap();
    let left = expires - Clock::system().now();
    // Four minutes at least when it is made.
    assert!(
        left > TimeDelta::minutes(3) && left <= TimeDelta::minutes(5),
        "{left}"
    );
    // The same address again, unless its time is over just now.
    let again = ask(&archive, &json!({"ids": [id, other]})).await.json();
    let is_later = again["expiresAt"] != body["expiresAt"];
    assert!(is_later || again == body, "{again}");
    for (id, another, content) in [(id, other, "one"), (other, id, "two")] {
        let ticket = body["tickets"][id.to_string()].as_str().unwrap();
        let answer = archive.shown(id, ticket).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, content));
        // For this file alone.
        for wrong in [another, Uuid::from_u128(7)] {
            let refused = archive.shown(wrong, ticket).await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (401, "unauthorized")
            );
            assert!(!refused.text.contains(ticket));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn for_what_is_not_ones_own_there_is_none() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.png", "image/png", b"one").await;
    let missing = archive.tickets("user_bob", &[Uuid::from_u128(7)]).await;
    let foreign = archive.tickets("user_bob", &[id]).await;
    assert_eq!(
        (&foreign["tickets"], &missing["tickets"]),
        (&json!({}), &json!({}))
    );
    assert_eq!(ask(&archive, &json!({"ids": []})).await.status, 200);
    let most: Vec<_> = (0..201_u128).map(Uuid::from_u128).collect();
    assert_eq!(
        ask(&archive, &json!({"ids": most[..200]})).await.status,
        200
    );
    for body in [
        json!({"ids": most}),
        json!({"ids": ["x"]}),
        json!({}),
        json!({"ids": null}),
    ] {
        assert_eq!(ask(&archive, &body).await.code(), "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_passes_for_a_ticket_nor_a_ticket_for_anything_else() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.png", "image/png", b"one").await;
    let ticket = archive.ticket(id).await;
    let (bob, alice) = (session("user_bob"), session("user_alice"));
    for wrong in ["", "x", &alice, &bob, &ticket[1..], &format!("{ticket}A")] {
        assert_eq!(archive.shown(id, wrong).await.status, 401);
    }
    for query in [
        format!("token={alice}"),
        format!("access_token={alice}"),
        format!("Ticket={ticket}"),
    ] {
        let path = format!("{}?{query}", path(id));
        let answer = Answer::of(archive.app.request(Method::GET, &path)).await;
        assert_eq!(answer.status, 401);
    }
    let bearer = archive
        .app
        .request(Method::GET, &path(id))
        .bearer_auth(&ticket);
    assert_eq!(Answer::of(bearer).await.status, 401);
    for elsewhere in ["/api/conversations", "/api/messenger/status"] {
        let path = format!("{elsewhere}?ticket={ticket}");
        let answer = Answer::of(archive.app.request(Method::GET, &path)).await;
        assert_eq!(answer.status, 401);
    }
    // The header counts when it is there, a good one of somebody else's as well.
    let both = format!("{}?ticket={ticket}", path(id));
    assert_eq!(archive.app.get("user_bob", &both).await.status, 404);
    let nonsense = archive.app.request(Method::GET, &both).bearer_auth("x");
    assert_eq!(Answer::of(nonsense).await.status, 401);
}

/// A ticket of Alice's that was good until then.
async fn ticket_until(archive: &Archive, id: Uuid, until: DateTime<Utc>) -> String {
    let conn = archive.app.app.db.get().await.unwrap();
    let secret = secrets::get(&conn, secrets::MEDIA_TICKETS).await.unwrap();
    let session = Session {
        user_id: "user_alice".to_owned(),
        session_id: "sess_alice".to_owned(),
        expires_at: until,
        issued_at: until,
        azp: None,
    };
    TicketKey::new(secret).issue(id, &session, until)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_expires() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.png", "image/png", b"one").await;
    let now = Clock::system().now();
    for (seconds, status) in [(60, 200), (-1, 401), (-3600, 401)] {
        let ticket = ticket_until(&archive, id, now + TimeDelta::seconds(seconds)).await;
        assert_eq!(archive.shown(id, &ticket).await.status, status, "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_ends_with_its_session() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.png", "image/png", b"one").await;
    let app = &archive.app.app;
    let until = Clock::system().now() + TimeDelta::minutes(1);
    let of_session = ticket_until(&archive, id, until).await;
    let of_another = archive.ticket(id).await;
    app.sessions.end_by("msg_1", "sess_alice").await.unwrap();
    assert_eq!(archive.shown(id, &of_session).await.status, 401);
    assert_eq!(archive.shown(id, &of_another).await.status, 200);
    // And with its user.
    let mut conn = app.db.get().await.unwrap();
    conn.transaction(async |conn| app.sessions.end(conn, "user_alice").await)
        .await
        .unwrap();
    app.sessions.announce("user_alice");
    assert_eq!(archive.shown(id, &of_another).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_ends_with_access() {
    let archive = Archive::new().await;
    let ids = [
        archive.sent("$1", "a.png", "image/png", b"one").await,
        archive.sent("$2", "b.png", "image/png", b"two").await,
    ];
    let tickets = [archive.ticket(ids[0]).await, archive.ticket(ids[1]).await];
    let redaction = redaction(ROOM, GHOST, "$r", "$1");
    archive.app.push_events("3", &[redaction]).await;
    assert_eq!(archive.shown(ids[0], &tickets[0]).await.code(), "not_found");
    assert_eq!(archive.shown(ids[1], &tickets[1]).await.status, 200);
    let erased = archive
        .app
        .viewer("user_alice", Method::DELETE, "/api/account");
    assert_eq!(Answer::of(erased).await.status, 204);
    assert_eq!(archive.shown(ids[1], &tickets[1]).await.code(), "not_found");
}
