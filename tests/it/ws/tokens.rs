use serde_json::json;

use super::{
    ALICE, ALICE_MATRIX, BOB, FRIEND,
    client::{Client, Server},
    world::World,
};

const ROOM: &str = "!room:lab.local";

/// The clocks are looked at each heartbeat; whoever is not heard of for two and a half is gone,
/// which no client here must be that is only late.
fn quick() -> serde_json::Value {
    json!({"websocket": {"heartbeat_seconds": 5}})
}

async fn auth(client: &mut Client, token: &str) {
    client
        .say(json!({"type": "auth", "token": token}).to_string())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_same_session_renews() {
    let world = World::with(quick()).await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    world.forward(50);
    auth(&mut client, &world.token(ALICE)).await;
    let authed = client.expect("authed").await;
    let expires_at = authed["data"]["expiresAt"].as_str().unwrap();
    let left = chrono::DateTime::parse_from_rfc3339(expires_at)
        .unwrap()
        .to_utc()
        - world.now();
    // The first token's end is in ten seconds.
    assert!((20..=60).contains(&left.num_seconds()), "{left}");
    // Beyond the first token's end and grace.
    world.forward(55);
    world
        .push(&[world.message(ROOM, FRIEND, "still here")])
        .await;
    client.expect("message.created").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_stops_with_the_token_and_goes_on_with_the_next() {
    let world = World::with(quick()).await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    world.forward(70);
    // One with a fresh token shows when the other would have had it, too.
    let mut witness = server.live(&world, ALICE).await;
    for body in ["wait", "still wait"] {
        world.push(&[world.message(ROOM, FRIEND, body)]).await;
        witness.expect("message.created").await;
        assert!(client.is_quiet().await);
    }
    auth(&mut client, &world.token(ALICE)).await;
    client.expect("authed").await;
    for body in ["wait", "still wait"] {
        let frame = client.expect("message.created").await;
        assert_eq!(frame["data"]["message"]["body"], body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_grace_the_socket_closes() {
    let world = World::with(quick()).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    // 60 of life, 5 of skew, 30 of grace.
    world.forward(75);
    assert!(client.is_quiet().await);
    world.forward(25);
    assert_eq!(client.closed().await, 4401);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elses_token_renews() {
    let world = World::new().await;
    let server = Server::start(&world);
    for token in [
        world.token(BOB),
        world.token_with(ALICE, json!({"sid": "sess_another"})),
        world.token_with(ALICE, json!({"sts": "pending"})),
        "nonsense".to_owned(),
    ] {
        let mut client = server.live(&world, ALICE).await;
        auth(&mut client, &token).await;
        assert_eq!(client.closed().await, 4401);
    }
}
