//! All of a user.

use serde_json::json;
use tributary::{
    accounts::{Delivery, Refused},
    auth::clerk::Ended,
    config::Clerk,
    sessions::Sessions,
};

use super::{DM, FRIEND, GROUP, finish, pending, receipt, sees};
use crate::accounts::{
    refusal,
    world::{ALICE, BOB, BOT, USER_A, USER_B, World},
};

const ALICES_OTHER: &str = "@alice2:lab.local";

/// Alice has two accounts and shares a group with Bob.
async fn world() -> World {
    let world = World::new().await;
    world.portal(GROUP, "", &[ALICE, BOB, BOT, FRIEND]).await;
    world.portal(DM, "77", &[ALICE, BOT, FRIEND]).await;
    world
        .portal("!other:lab.local", "78", &[ALICES_OTHER, BOT, FRIEND])
        .await;
    for (user, matrix_user) in [(USER_A, ALICE), (USER_A, ALICES_OTHER), (USER_B, BOB)] {
        world.linked(user, matrix_user).await;
    }
    let wrong = world.accounts.link(USER_A, "ZZZZZZZZ", None).await;
    assert!(wrong.is_err());
    for room in [GROUP, DM, "!other:lab.local"] {
        world.message(room, FRIEND, &format!("in {room}")).await;
    }
    world
}

fn sessions(world: &World) -> Sessions {
    let feed = world.ingest.feed.clone();
    let (db, clock) = (world.db.clone(), world.clock.clone());
    Sessions::new(&Clerk::default(), db, Ended::default(), feed, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_the_user_goes_and_nothing_of_others() {
    let world = world().await;
    let (before, seen) = (sees(&world, USER_B).await, world.position(USER_A).await);
    world.accounts.delete(USER_A, None).await.unwrap();
    assert_eq!(sees(&world, USER_A).await, json!([]));
    assert!(world.connections(USER_A).await.is_empty());
    assert_eq!(sees(&world, USER_B).await, before);
    assert_eq!(world.count("messages").await, 1);
    assert_eq!(receipt(&world).await, "account 3 2 0 0");
    // The audit says who did what until its time is over; the position sees to it that no
    // cursor that was given out leads into another stream.
    let left = world.tables_with(USER_A).await;
    let may = ["audit", "jobs", "outbox", "stream_positions"];
    assert!(
        left.iter().all(|table| may.contains(&table.as_str())),
        "{left:?}"
    );
    let active = "jobs WHERE share = 'user_a' AND state IN ('done', 'failed', 'cancelled')";
    assert_eq!(world.count(active).await, 0);
    let frames = world.frames(USER_A, seen).await;
    let removed = frames
        .iter()
        .filter(|kind| **kind == "conversation.removed");
    assert_eq!(removed.count(), 3);
    assert!(
        world.frames(USER_A, 0).await.len() == frames.len(),
        "earlier ones are gone"
    );

    // Again, and for somebody who never had anything.
    for user in [USER_A, "user_stranger"] {
        world.accounts.delete(user, None).await.unwrap();
        assert_eq!(receipt(&world).await, "account 0 0 0 0");
    }
    // They may begin anew.
    world.linked(USER_A, ALICE).await;
    assert_eq!(sees(&world, USER_A).await.as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_gone_at_clerk_does_not_come_back() {
    let world = world().await;
    let sessions = sessions(&world);
    let before = sees(&world, USER_B).await;
    let code = world.code("@alice3:lab.local").await;
    let delivery = Delivery {
        id: "msg_1",
        user_id: USER_A,
        origin: None,
    };
    for _ in 0..2 {
        world
            .accounts
            .user_deleted(&sessions, delivery)
            .await
            .unwrap();
        assert_eq!(sees(&world, USER_A).await, json!([]));
    }
    assert_eq!(world.count("erasures").await, 1, "it was the same delivery");
    finish(&world, 5000, pending(&world).await).await;
    assert_eq!(receipt(&world).await, "user_deleted 3 2 0 0");
    assert_eq!(sees(&world, USER_B).await, before);
    let left = world.tables_with(USER_A).await;
    let may = ["audit", "ended_sessions", "jobs"];
    assert!(
        left.iter().all(|table| may.contains(&table.as_str())),
        "{left:?}"
    );

    // A token that some replica has not heard of yet begins nothing.
    let linked = world.accounts.link(USER_A, &code, None).await;
    assert_eq!(refusal(linked), Refused::Deleted);
    assert_eq!(
        refusal(world.accounts.connect(USER_A, None).await),
        Refused::Deleted
    );
    let own = "messenger_connections WHERE user_id = 'user_a'";
    assert_eq!(world.count(own).await, 0);

    let stranger = Delivery {
        id: "msg_2",
        user_id: "user_stranger",
        origin: None,
    };
    world
        .accounts
        .user_deleted(&sessions, stranger)
        .await
        .unwrap();
    finish(&world, 5000, pending(&world).await).await;
    assert_eq!(receipt(&world).await, "user_deleted 0 0 0 0");
}
