//! Whoever links while an erasure is on its way.

use std::time::Duration;

use diesel_async::AsyncConnection as _;
use serde_json::json;
use tributary::{db, ingest};

use super::{DM, FRIEND, GROUP, finish, pending, sees, step, steps_of};
use crate::{
    accounts::world::{ALICE, BOB, BOT, USER_A, USER_B, World},
    support::eventually,
};

/// What `discover` does for a room once `/state` has said nothing new.
async fn discovered(world: &World, room_id: &str) {
    let queued = format!("jobs WHERE kind = 'discover' AND key = '{room_id}' AND state = 'queued'");
    assert_eq!(
        world.count(&queued).await,
        1,
        "{room_id} is looked at again"
    );
    let rooms = [room_id.to_owned()];
    let mut conn = world.db.get().await.unwrap();
    db::rooms::lock(&conn, &rooms).await.unwrap();
    ingest::map_rooms(&mut conn, &world.ingest.bridges, &rooms)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_user_gets_the_new_ones_and_none_of_the_old() {
    let world = World::new().await;
    world.portal(DM, "77", &[ALICE, BOT, FRIEND]).await;
    let first = world.linked(USER_A, ALICE).await;
    for n in 0..5 {
        world.message(DM, FRIEND, &format!("old {n}")).await;
    }
    let alone = world.accounts.clone().with_patience(Duration::ZERO);
    alone
        .disconnect(USER_A, first.id, true, None)
        .await
        .unwrap();
    let id = pending(&world).await;
    step(&world, &steps_of(&world, 1), id, false).await;
    world
        .execute("UPDATE tributary.jobs SET state = 'done' WHERE kind <> 'erase'")
        .await;

    let again = world.linked(USER_A, ALICE).await;
    assert_ne!(again.id, first.id);
    // What is about to go is not shown again, and nothing is kept beside it.
    assert_eq!(sees(&world, USER_A).await, json!([]));
    world.message(DM, FRIEND, "meanwhile").await;
    world
        .execute("UPDATE tributary.jobs SET state = 'done' WHERE kind <> 'erase'")
        .await;
    finish(&world, 1, id).await;
    assert_eq!(world.count("messages").await, 0);
    assert_eq!(
        world.count("walks").await,
        0,
        "its history is walked afresh"
    );

    discovered(&world, DM).await;
    world.message(DM, FRIEND, "new").await;
    let seen = sees(&world, USER_A).await;
    assert_eq!(seen[0]["messages"].as_array().unwrap().len(), 1);
    assert_eq!(seen[0]["messages"][0][0]["body"], "new");
    // The old one has nothing more to say here.
    finish(&world, 1, id).await;
    assert_eq!(sees(&world, USER_A).await, seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_customer_of_the_group_waits_for_it() {
    let world = World::new().await;
    world.portal(GROUP, "", &[ALICE, BOB, BOT, FRIEND]).await;
    let a = world.linked(USER_A, ALICE).await;
    for n in 0..5 {
        world.message(GROUP, FRIEND, &format!("old {n}")).await;
    }
    let alone = world.accounts.clone().with_patience(Duration::ZERO);
    alone.disconnect(USER_A, a.id, true, None).await.unwrap();
    let id = pending(&world).await;
    let erasure = steps_of(&world, 2);
    step(&world, &erasure, id, false).await;
    world.linked(USER_B, BOB).await;
    assert_eq!(sees(&world, USER_B).await, json!([]));
    world
        .execute("UPDATE tributary.jobs SET state = 'done' WHERE kind <> 'erase'")
        .await;
    finish(&world, 2, id).await;
    discovered(&world, GROUP).await;
    world.message(GROUP, FRIEND, "new").await;
    assert_eq!(
        sees(&world, USER_B).await[0]["messages"][0][0]["body"],
        "new"
    );
    assert_eq!(world.count("messages").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_mapped_meanwhile_is_let_go_as_well() {
    let world = World::new().await;
    world.portal(DM, "77", &[ALICE, BOT, FRIEND]).await;
    let a = world.linked(USER_A, ALICE).await;
    world.portal(GROUP, "", &[ALICE, BOT, FRIEND]).await;
    let mut mapping = world.db.get().await.unwrap();
    let rooms = [GROUP.to_owned()];
    let accounts = world.accounts.clone();
    let purge = mapping
        .transaction(async |conn| {
            db::rooms::lock(conn, &rooms).await?;
            ingest::map_rooms(conn, &world.ingest.bridges, &rooms).await?;
            let purge = tokio::spawn(async move {
                accounts.disconnect(USER_A, a.id, true, None).await.unwrap();
            });
            eventually("it waits for who maps", async || {
                let waiting = "SELECT count(*)::text AS t FROM pg_stat_activity
                               WHERE datname = current_database() AND wait_event_type = 'Lock'";
                (world.texts(waiting).await != ["0"]).then_some(())
            })
            .await;
            Ok::<_, db::QueryError>(purge)
        })
        .await
        .unwrap();
    purge.await.unwrap();
    assert_eq!(world.count("room_grants").await, 0);
    assert_eq!(world.count("conversations").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_somebody_else_holds_whole_waits_for_nothing() {
    let world = World::new().await;
    world.portal(GROUP, "", &[ALICE, BOB, BOT, FRIEND]).await;
    let a = world.linked(USER_A, ALICE).await;
    world.linked(USER_B, BOB).await;
    world.message(GROUP, FRIEND, "to both").await;
    let alone = world.accounts.clone().with_patience(Duration::ZERO);
    alone.disconnect(USER_A, a.id, true, None).await.unwrap();
    assert_eq!(world.count("erasure_rooms").await, 0);
    // It is Bob's as well, and a new link of Alice's sees it as any first one would.
    world.linked(USER_A, ALICE).await;
    assert_eq!(
        sees(&world, USER_A).await[0]["messages"][0][0]["body"],
        "to both"
    );
    finish(&world, 1, pending(&world).await).await;
    assert_eq!(world.count("messages").await, 1);
}
