//! Frames that are older than anybody may resume at go, and no others.

use std::sync::Arc;

use serde_json::json;
use tributary::{jobs::retention::prune, model::frame::FrameKind, stream::cursor::Cursor};
use uuid::Uuid;

use super::{
    ALICE, ALICE_MATRIX, BOB, BOB_MATRIX, FRIEND,
    client::{Server, cursor},
    world::World,
};
use crate::support::world::count;

const REMOVED: FrameKind = FrameKind::ConversationRemoved {
    conversation_id: Uuid::nil(),
};

/// Makes a user's frames up to a position older than they are kept.
async fn age(world: &World, user_id: &str, through: i64) {
    world
        .sql(&format!(
            "UPDATE tributary.outbox SET created_at = created_at - interval '8 days'
             WHERE user_id = '{user_id}' AND position <= {through}"
        ))
        .await;
}

async fn positions(world: &World, user_id: &str) -> (i64, i64, i64) {
    let one = async |column: &str, table: &str| {
        let sql =
            format!("SELECT {column} AS count FROM tributary.{table} WHERE user_id = '{user_id}'");
        count(&world.app.db, &sql).await
    };
    (
        one("count(*)", "outbox").await,
        one("max(pruned_through)", "stream_positions").await,
        one("max(position)", "stream_positions").await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_resumed_as_long_as_what_follows_it_is_kept() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.append(ALICE, &[REMOVED; 10]).await;
    world.append(BOB, &[REMOVED; 3]).await;
    age(&world, ALICE, 6).await;
    age(&world, BOB, 3).await;
    assert_eq!(prune(&world.app).await.unwrap(), 9);
    assert_eq!(prune(&world.app).await.unwrap(), 0);
    assert_eq!(positions(&world, ALICE).await, (4, 6, 10));
    assert_eq!(positions(&world, BOB).await, (0, 3, 3));

    let server = Server::start(&world);
    let mut client = server.open(&world, ALICE, None).await;
    let head = cursor(&client.expect("hello").await);
    let epoch = Cursor::parse(&head).unwrap().epoch;
    let at = |user, position| Cursor::new(epoch, user, position).to_string();
    // The last frame that went is one that this client has had.
    let mut client = server.open(&world, ALICE, Some(&at(ALICE, 6))).await;
    assert_eq!(client.expect("hello").await["data"]["resumed"], json!(true));
    for position in 7..=10 {
        let frame = client.expect("conversation.removed").await;
        assert_eq!(cursor(&frame), at(ALICE, position));
    }
    client.expect("live").await;
    let mut client = server.open(&world, ALICE, Some(&at(ALICE, 5))).await;
    client.expect("hello").await;
    let resync = client.expect("resync").await;
    assert_eq!(resync["data"]["reason"], "expired");
    // Whoever has had everything loses nothing, however long ago that was.
    let mut client = server.open(&world, BOB, Some(&at(BOB, 3))).await;
    assert_eq!(client.expect("hello").await["data"]["resumed"], json!(true));
    client.expect("live").await;
}

/// A frame is as old as its transaction's begin: what began later may have committed first.
#[tokio::test(flavor = "multi_thread")]
async fn no_frame_goes_before_its_time_and_none_leaves_a_hole() {
    let world = World::new().await;
    world.append(ALICE, &[REMOVED; 5]).await;
    age(&world, ALICE, 5).await;
    world
        .sql("UPDATE tributary.outbox SET created_at = now() WHERE position = 3")
        .await;
    assert_eq!(prune(&world.app).await.unwrap(), 2);
    assert_eq!(positions(&world, ALICE).await, (3, 2, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_a_position_is_passed_over() {
    let world = World::new().await;
    for user_id in [ALICE, BOB] {
        world.append(user_id, &[REMOVED; 2]).await;
        age(&world, user_id, 2).await;
    }
    let mut conn = world.app.db.get().await.unwrap();
    let hold = format!(
        "BEGIN; SELECT FROM tributary.stream_positions WHERE user_id = '{ALICE}' FOR UPDATE"
    );
    diesel_async::SimpleAsyncConnection::batch_execute(&mut *conn, &hold)
        .await
        .unwrap();
    assert_eq!(prune(&world.app).await.unwrap(), 2);
    assert_eq!(positions(&world, ALICE).await, (2, 0, 2));
    diesel_async::SimpleAsyncConnection::batch_execute(&mut *conn, "COMMIT")
        .await
        .unwrap();
    assert_eq!(prune(&world.app).await.unwrap(), 2);
}

/// Pushes of two users, frames that grow old as they are written, and two replicas that
/// prune: what is left of each stream is its end, without a hole, and the rest is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pruning_beside_writers_leaves_no_hole() {
    let world = Arc::new(World::new().await);
    world.connect(ALICE, ALICE_MATRIX).await;
    world.connect(BOB, BOB_MATRIX).await;
    world
        .room("!both:lab.local", &[ALICE_MATRIX, BOB_MATRIX, FRIEND])
        .await;
    let writers = (0..4).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            for _ in 0..25 {
                let message = world.message("!both:lab.local", FRIEND, "hi");
                world.push(&[message]).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let other = world.replica();
    let mut gone = 0;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        // Whatever is there by now, and not the newest, which a writer may hold.
        world
            .sql(
                "UPDATE tributary.outbox SET created_at = now() - interval '8 days' WHERE (user_id, position) IN (
                     SELECT user_id, position FROM tributary.outbox FOR UPDATE SKIP LOCKED)",
            )
            .await;
        let (one, two) = tokio::join!(prune(&world.app), prune(&other));
        gone += one.unwrap() + two.unwrap();
        let holes = "SELECT count(*) FROM tributary.stream_positions p
             WHERE p.position - p.pruned_through <> (SELECT count(*) FROM tributary.outbox o
                 WHERE o.user_id = p.user_id AND o.position > p.pruned_through)
                OR EXISTS (SELECT 1 FROM tributary.outbox o
                           WHERE o.user_id = p.user_id AND o.position <= p.pruned_through)";
        assert_eq!(count(&world.app.db, holes).await, 0);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(gone > 0, "nothing was pruned meanwhile");
    for user_id in [ALICE, BOB] {
        let (kept, pruned, position) = positions(&world, user_id).await;
        assert_eq!((kept + pruned, position), (100, 100), "{user_id}");
    }
}
