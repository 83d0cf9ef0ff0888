//! Letting a connection go.

use tributary::{
    accounts::Refused,
    db::read,
    model::{connection::Status, new_id},
};

use crate::accounts::{
    refusal,
    world::{ALICE, BOB, BOT, USER_A, USER_B, World},
};

const FRIEND: &str = "@facebook_5:lab.local";
const GROUP: &str = "!group:lab.local";

#[tokio::test(flavor = "multi_thread")]
async fn delivery_stops_and_what_was_seen_stays() {
    let world = World::new().await;
    world
        .portal("!dm:lab.local", "77", &[ALICE, BOT, FRIEND])
        .await;
    let linked = world.linked(USER_A, ALICE).await;
    world.message("!dm:lab.local", FRIEND, "before").await;
    let seen = world.position(USER_A).await;
    world
        .accounts
        .disconnect(USER_A, linked.id, false, None)
        .await
        .unwrap();
    world.message("!dm:lab.local", FRIEND, "after").await;
    assert_eq!(world.frames(USER_A, seen).await, ["connection.status"]);
    assert_eq!(
        world.connections(USER_A).await[0].status,
        Status::Disconnected
    );
    assert_eq!(
        world
            .texts("SELECT body AS t FROM tributary.messages")
            .await,
        ["before"]
    );
    assert_eq!(world.count("conversation_access").await, 1);

    world
        .accounts
        .disconnect(USER_A, linked.id, false, None)
        .await
        .unwrap();
    assert_eq!(
        world.position(USER_A).await,
        seen + 1,
        "the second time nothing happens"
    );
}

/// What the connection alone has seen stays as it was, as if they had left.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_are_called_later_is_not_seen() {
    let world = World::new().await;
    world.portal(GROUP, "9", &[ALICE, BOB, BOT, FRIEND]).await;
    let linked = world.linked(USER_A, ALICE).await;
    world.linked(USER_B, BOB).await;
    let face = "mxc://lab.local/face";
    world.join(GROUP, FRIEND, "a friend", face).await;
    let letting_go = world.accounts.disconnect(USER_A, linked.id, false, None);
    letting_go.await.unwrap();
    world.join(GROUP, FRIEND, "a stranger", face).await;
    for (user, name) in [(USER_A, "a friend"), (USER_B, "a stranger")] {
        let mut conn = world.db.get().await.unwrap();
        let list = read::conversations::page(&mut conn, user, None, 50).await;
        let id = list.unwrap().items[0].id;
        let people = read::participants::list(&mut conn, user, id).await.unwrap();
        let friend = people.iter().find(|person| person.matrix_user_id == FRIEND);
        assert_eq!(
            friend.unwrap().display_name.as_deref(),
            Some(name),
            "{user}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_lets_go() {
    let world = World::new().await;
    let linked = world.linked(USER_A, ALICE).await;
    let provisional = world
        .accounts
        .report(&World::report_of(BOB, serde_json::json!({})), None)
        .await
        .unwrap();
    for id in [linked.id, provisional.connection_id, new_id()] {
        let refused = refusal(world.accounts.disconnect(USER_B, id, true, None).await);
        assert_eq!(refused, Refused::NotFound("connection"));
    }
    assert_eq!(world.connections(USER_A).await[0].status, Status::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_ends_with_the_last_who_wants_it() {
    let world = World::new().await;
    world.portal(GROUP, "", &[ALICE, BOB, BOT]).await;
    let (a, b) = (
        world.linked(USER_A, ALICE).await,
        world.linked(USER_B, BOB).await,
    );
    world
        .execute("UPDATE tributary.jobs SET state = 'running' WHERE kind = 'backfill'")
        .await;
    let states = "SELECT state AS t FROM tributary.jobs WHERE kind = 'backfill'";
    world
        .accounts
        .disconnect(USER_A, a.id, false, None)
        .await
        .unwrap();
    assert_eq!(world.texts(states).await, ["running"]);
    world
        .accounts
        .disconnect(USER_B, b.id, false, None)
        .await
        .unwrap();
    assert_eq!(world.texts(states).await, ["cancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_connection_can_be_let_go() {
    let world = World::new().await;
    let waiting = world.accounts.connect(USER_A, None).await.unwrap();
    world
        .accounts
        .disconnect(USER_A, waiting.id, true, None)
        .await
        .unwrap();
    let next = world.accounts.connect(USER_A, None).await.unwrap();
    assert_ne!(next.id, waiting.id);
}
