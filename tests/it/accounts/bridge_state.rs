//! What bridges push.

use serde_json::{Value, json};
use tributary::{accounts::Push, model::connection::Status};

use crate::accounts::world::{ALICE, BOT, USER_A, World};

const OWN_GHOST: &str = "@facebook_77:lab.local";
const FRIEND: &str = "@facebook_5:lab.local";
const DM: &str = "!dm:lab.local";

async fn push(world: &World, state: &str, seconds: i64, more: Value) {
    let mut body = json!({
        "state_event": state, "timestamp": world.now().timestamp() + seconds, "ttl": 3600,
        "source": "bridge", "user_id": ALICE, "remote_id": "77", "remote_name": "Alice",
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let push = Push::read(&body, world.now()).unwrap();
    world
        .accounts
        .bridge_state("meta", &push, None)
        .await
        .unwrap();
}

async fn status(world: &World) -> (Status, Option<String>) {
    let mut connections = world.connections(USER_A).await;
    let connection = connections.pop().unwrap();
    (connection.status, connection.error)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_sees_what_the_bridge_says() {
    let world = World::new().await;
    world.linked(USER_A, ALICE).await;
    let seen = world.position(USER_A).await;
    push(
        &world,
        "BAD_CREDENTIALS",
        0,
        json!({"error": "fb-cookie", "message": "Log in again"}),
    )
    .await;
    assert_eq!(
        status(&world).await,
        (Status::Error, Some("Log in again".into()))
    );
    push(
        &world,
        "BAD_CREDENTIALS",
        1,
        json!({"error": "fb-cookie", "message": "Log in again"}),
    )
    .await;
    assert_eq!(
        world.frames(USER_A, seen).await,
        ["connection.status"],
        "once for what is once new"
    );
    push(&world, "CONNECTED", 2, json!({})).await;
    assert_eq!(status(&world).await, (Status::Connected, None));
    push(
        &world,
        "TRANSIENT_DISCONNECT",
        3,
        json!({"error": "fb-away"}),
    )
    .await;
    assert_eq!(
        status(&world).await,
        (Status::Connected, Some("fb-away".into()))
    );
    // By more than the second that may begin between two pushes.
    push(&world, "BAD_CREDENTIALS", -60, json!({})).await;
    assert_eq!(status(&world).await.0, Status::Connected, "it is older");
    push(&world, "LOGGED_OUT", 3, json!({})).await;
    assert_eq!(status(&world).await, (Status::Disconnected, None));
    let connections = world.connections(USER_A).await;
    assert_eq!(connections[0].bridge_user_id.as_deref(), Some("77"));
    assert_eq!(connections[0].remote_name.as_deref(), Some("Alice"));
    // It is displayed, and the link stays.
    assert_eq!(
        world
            .count("messenger_connections WHERE disconnected_at IS NULL")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_of_several_logins_counts() {
    let world = World::new().await;
    world.linked(USER_A, ALICE).await;
    push(&world, "CONNECTED", 0, json!({})).await;
    push(
        &world,
        "BAD_CREDENTIALS",
        1,
        json!({"remote_id": "78", "remote_name": "Work"}),
    )
    .await;
    assert_eq!(status(&world).await, (Status::Connected, None));
    push(&world, "LOGGED_OUT", 2, json!({})).await;
    assert_eq!(status(&world).await.0, Status::Error);
    assert_eq!(
        world.connections(USER_A).await[0].remote_name.as_deref(),
        Some("Alice")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_created_or_linked() {
    let world = World::new().await;
    push(&world, "CONNECTED", 0, json!({})).await;
    assert_eq!(world.count("messenger_connections").await, 0);
    assert_eq!(world.count("bridge_logins").await, 0);

    let report = World::report_of(ALICE, json!({"status": "pending"}));
    let reported = world.accounts.report(&report, None).await.unwrap();
    push(&world, "CONNECTED", 0, json!({})).await;
    assert_eq!(
        world
            .count("messenger_connections WHERE linked_at IS NOT NULL")
            .await,
        0
    );
    let code = reported.link_code.unwrap();
    let waiting = world.accounts.connect(USER_A, None).await.unwrap();
    let linked = world.accounts.link(USER_A, &code, None).await.unwrap();
    assert_eq!(
        (linked.id, linked.status),
        (waiting.id, Status::Connected),
        "the bridge had said so"
    );
    push(&world, "BAD_CREDENTIALS", 0, json!({})).await;
    assert_eq!(
        status(&world).await.0,
        Status::Error,
        "its logins came along"
    );

    world
        .accounts
        .disconnect(USER_A, linked.id, false, None)
        .await
        .unwrap();
    push(&world, "CONNECTED", 5, json!({})).await;
    assert_eq!(status(&world).await.0, Status::Disconnected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_ghost_that_becomes_known_is_oneself() {
    let world = World::new().await;
    world.portal(DM, "", &[ALICE, BOT, FRIEND, OWN_GHOST]).await;
    world
        .execute("UPDATE tributary.rooms SET room_type_v2 = 'dm'")
        .await;
    world.linked(USER_A, ALICE).await;
    world.join(DM, FRIEND, "Zoe", "").await;
    world.join(DM, OWN_GHOST, "Alice on Facebook", "").await;
    world.message(DM, OWN_GHOST, "sent from the phone").await;
    let unread =
        "SELECT coalesce(title, '') || ' ' || unread_count AS t FROM tributary.conversation_access";
    let before = world.texts(unread).await;
    assert!(before[0].ends_with(" 1"), "{before:?}");
    let seen = world.position(USER_A).await;
    push(&world, "CONNECTED", 0, json!({})).await;
    assert_eq!(world.texts(unread).await, ["Zoe 0"]);
    assert_eq!(
        world.frames(USER_A, seen).await,
        ["connection.status", "conversation.updated"]
    );
}
