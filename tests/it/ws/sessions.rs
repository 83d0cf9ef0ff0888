//! Sessions that end before their tokens do.

use serde_json::json;
use tributary::{auth::clerk::Refusal, db::ended_sessions};

use super::{
    ALICE, BOB,
    client::{Client, Server},
    world::World,
};

const SESSION: &str = "sess_user_alice";

async fn refused(server: &Server, world: &World, user_id: &str) -> Option<(u16, String)> {
    let bearer = format!("Bearer {}", world.token(user_id));
    let request = server.request_with("", "authorization", &bearer);
    let refused = server.handshake(request).await.err()?;
    Some((refused.status, refused.body["code"].as_str()?.to_owned()))
}

fn unauthorized() -> (u16, String) {
    (401, "unauthorized".to_owned())
}

/// Opens a socket of another session of the same user.
async fn of_another_session(server: &Server, world: &World) -> Client {
    let token = world.token_with(ALICE, json!({"sid": "sess_another"}));
    let request = server.request_with("", "authorization", &format!("Bearer {token}"));
    let mut client = server.handshake(request).await.unwrap().0;
    client.expect("hello").await;
    client.expect("live").await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_takes_its_sockets_along_on_every_replica() {
    let world = World::new().await;
    let other = world.replica();
    let servers = [Server::start(&world), Server::of(other)];
    let mut ended = Vec::new();
    let mut kept = Vec::new();
    for server in &servers {
        ended.push(server.live(&world, ALICE).await);
        kept.push(server.live(&world, BOB).await);
        kept.push(of_another_session(server, &world).await);
    }
    world.app.sessions.end_by("msg_1", SESSION).await.unwrap();
    for mut client in ended {
        assert_eq!(client.closed().await, 4401);
    }
    for server in &servers {
        assert_eq!(refused(server, &world, ALICE).await, Some(unauthorized()));
    }
    for client in &mut kept {
        assert!(client.is_quiet().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_misses_the_hint_reads_the_row() {
    let world = World::new().await;
    let other = world.replica();
    let servers = [Server::start(&world), Server::of(other)];
    let mut clients = Vec::new();
    for server in &servers {
        clients.push(server.live(&world, ALICE).await);
    }
    world
        .sql(&format!(
            "INSERT INTO tributary.ended_sessions (id) VALUES ('{SESSION}')"
        ))
        .await;
    for client in &mut clients {
        assert_eq!(client.closed().await, 4401);
    }
    // One that starts later knows it before anybody asks.
    let late = world.replica();
    late.sessions.refresh().await.unwrap();
    let verified = late.clerk.verify(&world.token(ALICE)).await;
    assert_eq!(verified, Err(Refusal::Unauthorized("session_ended")));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_a_user_end_with_the_user() {
    let world = World::new().await;
    let server = Server::start(&world);
    let mut clients = [
        server.live(&world, ALICE).await,
        of_another_session(&server, &world).await,
    ];
    let mut kept = server.live(&world, BOB).await;
    world.app.sessions.end_by("msg_1", ALICE).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.closed().await, 4401);
    }
    assert_eq!(refused(&server, &world, ALICE).await, Some(unauthorized()));
    assert!(kept.is_quiet().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_remembered_for_as_long_as_a_token_may_live() {
    let world = World::new().await;
    let ended = "INSERT INTO tributary.ended_sessions VALUES
                 ('sess_user_alice', now() - interval '610 seconds' + interval '30 seconds'),
                 ('sess_user_bob', now() - interval '611 seconds')";
    world.sql(ended).await;
    world.app.sessions.refresh().await.unwrap();
    let is_over = async |user| world.app.clerk.verify(&world.token(user)).await.is_err();
    assert!(is_over(ALICE).await);
    assert!(!is_over(BOB).await);
    // The next one that ends takes along what is too old.
    world
        .app
        .sessions
        .end_by("msg_1", "sess_new")
        .await
        .unwrap();
    assert_eq!(written(&world).await, [SESSION, "sess_new"]);
    world.sql("DELETE FROM tributary.ended_sessions").await;
    world.forward(611);
    world.app.sessions.refresh().await.unwrap();
    assert!(!is_over(ALICE).await);
}

async fn written(world: &World) -> Vec<String> {
    let conn = world.app.db.get().await.unwrap();
    let day = std::time::Duration::from_hours(24);
    let rows = ended_sessions::after(&conn, None, day).await.unwrap();
    let mut ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
    ids.sort_by_key(|id| id == "sess_new");
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_has_its_effect_once() {
    let world = World::new().await;
    world.app.sessions.end_by("msg_1", "sess_1").await.unwrap();
    world.app.sessions.end_by("msg_1", "sess_2").await.unwrap();
    assert_eq!(written(&world).await, ["sess_1"]);
}
