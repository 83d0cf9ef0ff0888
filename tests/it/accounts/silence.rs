//! Bridges of which nothing comes any more.

use std::time::Duration;

use serde_json::json;
use tributary::{
    accounts::Push,
    db::bridges::{self, Patience},
    model::connection::Status,
};
use uuid::Uuid;

use crate::accounts::world::{ALICE, BOB, USER_A, USER_B, World, askable};

const QUIET: Duration = Duration::from_mins(30);

async fn world() -> World {
    World::with(askable("http://127.0.0.1:9")).await
}

/// Lets everything that came of the bridge be so long ago.
async fn ago(world: &World, minutes: u32) {
    let past = format!("now() - interval '{minutes} minutes'");
    for sql in [
        "INSERT INTO tributary.bridges (id) VALUES ('meta') ON CONFLICT DO NOTHING",
        &format!("UPDATE tributary.bridges SET heard_at = {past}, asked_at = NULL"),
        &format!("UPDATE tributary.messenger_connections SET last_sync_at = {past}"),
    ] {
        world.execute(sql).await;
    }
}

async fn to_ask(world: &World, listening_for: Duration) -> Option<Uuid> {
    let patience = Patience {
        quiet: QUIET,
        pause: Duration::from_secs(10),
        listening_since: world.now() - listening_for,
    };
    let mut conn = world.db.get().await.unwrap();
    bridges::to_ask(&mut conn, "meta", patience).await.unwrap()
}

/// Says whether the bridge has become silent by this.
async fn miss(world: &World) -> bool {
    let mut conn = world.db.get().await.unwrap();
    let since = bridges::missed(&mut conn, "meta", 3, QUIET).await.unwrap();
    drop(conn);
    world.accounts.show_silence().await.unwrap();
    since.is_some()
}

async fn error(world: &World, user_id: &str) -> Option<String> {
    let connection = world.connections(user_id).await.pop().unwrap();
    assert_eq!(connection.status, Status::Connected);
    connection.error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_is_asked_when_nothing_has_come_for_long_and_by_one() {
    let world = world().await;
    let linked = world.linked(USER_A, ALICE).await.id;
    let hour = Duration::from_hours(1);
    ago(&world, 29).await;
    assert_eq!(to_ask(&world, hour).await, None, "not for so long");
    ago(&world, 31).await;
    assert_eq!(
        to_ask(&world, Duration::from_mins(1)).await,
        None,
        "nobody listened"
    );
    assert_eq!(to_ask(&world, hour).await, Some(linked));
    assert_eq!(to_ask(&world, hour).await, None, "somebody else just asked");
    ago(&world, 31).await;
    world
        .execute("UPDATE tributary.messenger_connections SET last_sync_at = now()")
        .await;
    assert_eq!(to_ask(&world, hour).await, None, "an event came");
    ago(&world, 31).await;
    world.accounts.bridge_heard("meta").await.unwrap();
    assert_eq!(to_ask(&world, hour).await, None, "a status came");
    ago(&world, 31).await;
    let ended = world.accounts.disconnect(USER_A, linked, false, None);
    ended.await.unwrap();
    assert_eq!(to_ask(&world, hour).await, None, "nobody would be told");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_questions_without_an_answer_are_shown_once_and_until_the_bridge_speaks() {
    let world = world().await;
    world.linked(USER_A, ALICE).await;
    world.linked(USER_B, BOB).await;
    ago(&world, 31).await;
    let seen = world.position(USER_A).await;
    assert!(!miss(&world).await && !miss(&world).await);
    assert_eq!(error(&world, USER_A).await, None);
    assert!(miss(&world).await);
    let shown = error(&world, USER_A).await.unwrap();
    assert!(shown.starts_with("bridge_silent: "), "{shown}");
    assert_eq!(error(&world, USER_B).await.as_ref(), Some(&shown));
    assert!(!miss(&world).await, "it is no news again");
    assert_eq!(error(&world, USER_A).await, Some(shown));
    assert_eq!(world.frames(USER_A, seen).await, ["connection.status"]);
    // It is asked also by whoever has only just started.
    world
        .execute("UPDATE tributary.bridges SET asked_at = NULL")
        .await;
    assert!(to_ask(&world, Duration::ZERO).await.is_some());

    let body = json!({"state_event": "CONNECTED", "user_id": ALICE, "remote_id": "77"});
    let push = Push::read(&body, world.now()).unwrap();
    world
        .accounts
        .bridge_state("meta", &push, None)
        .await
        .unwrap();
    assert_eq!(error(&world, USER_A).await, None);
    world.accounts.show_silence().await.unwrap();
    assert_eq!(error(&world, USER_B).await, None);
    assert_eq!(world.frames(USER_A, seen).await, ["connection.status"; 2]);
    // It has to miss three times again, after as long a silence.
    assert!(!miss(&world).await && !miss(&world).await && !miss(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_whose_events_come_is_not_silent() {
    let world = world().await;
    world.linked(USER_A, ALICE).await;
    ago(&world, 10).await;
    for _ in 0..5 {
        assert!(!miss(&world).await, "it spoke ten minutes ago");
    }
    ago(&world, 31).await;
    assert!(miss(&world).await);
    let stirred = async || {
        let mut conn = world.db.get().await.unwrap();
        bridges::stirred(&mut conn, "meta").await.unwrap().is_some()
    };
    assert!(!stirred().await);
    world
        .execute("UPDATE tributary.messenger_connections SET last_sync_at = now()")
        .await;
    assert!(stirred().await && !stirred().await);
    world.accounts.show_silence().await.unwrap();
    assert_eq!(error(&world, USER_A).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bridge_said_last_counts_for_more_than_its_silence() {
    let world = world().await;
    world.linked(USER_A, ALICE).await;
    let body = json!({"state_event": "BAD_CREDENTIALS", "user_id": ALICE, "message": "cookie"});
    let push = Push::read(&body, world.now()).unwrap();
    world
        .accounts
        .bridge_state("meta", &push, None)
        .await
        .unwrap();
    ago(&world, 31).await;
    while !miss(&world).await {}
    let connection = world.connections(USER_A).await.pop().unwrap();
    assert_eq!(
        (connection.status, connection.error.as_deref()),
        (Status::Error, Some("cookie"))
    );
    // Whoever is linked meanwhile is told as well.
    let linked = world.linked(USER_B, BOB).await;
    assert!(linked.error.unwrap().starts_with("bridge_silent"));
}
