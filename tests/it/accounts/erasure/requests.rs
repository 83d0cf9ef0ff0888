//! What a request waits for.

use std::time::Duration;

use diesel::sql_query;
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use serde_json::json;

use super::{DM, FRIEND, finish, pending, sees};
use crate::accounts::world::{ALICE, BOT, USER_A, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_is_out_of_sight_and_goes_on_without_the_request() {
    let world = World::new().await;
    world.portal(DM, "77", &[ALICE, BOT, FRIEND]).await;
    let a = world.linked(USER_A, ALICE).await;
    world.message(DM, FRIEND, "old").await;
    let accounts = world.accounts.clone();
    let accounts = accounts.with_patience(Duration::from_millis(300));
    let mut busy = world.db.get().await.unwrap();
    // Somebody reads the message for update: deleting it has to wait, unlinking has not.
    busy.transaction(async |busy| {
        sql_query("SELECT FROM tributary.messages FOR UPDATE")
            .execute(busy)
            .await?;
        accounts.disconnect(USER_A, a.id, true, None).await.unwrap();
        assert_eq!(world.count("messages").await, 1);
        assert_eq!(sees(&world, USER_A).await, json!([]));
        Ok::<_, diesel::result::Error>(())
    })
    .await
    .unwrap();
    let queued = "jobs WHERE kind = 'erase' AND state = 'queued'";
    assert_eq!(world.count(queued).await, 1);
    finish(&world, 5000, pending(&world).await).await;
    assert_eq!(world.count("messages").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_says_what_was_asked_for_and_what_came_of_it() {
    let world = World::new().await;
    world.portal(DM, "77", &[ALICE, BOT, FRIEND]).await;
    let a = world.linked(USER_A, ALICE).await;
    world.message(DM, FRIEND, "old").await;
    world
        .accounts
        .disconnect(USER_A, a.id, true, None)
        .await
        .unwrap();
    let rows = "SELECT concat_ws(' ', actor, action, outcome, details ->> 'conversations',
                                 details ->> 'messages') AS t
                FROM tributary.audit WHERE action LIKE '%purge' OR action LIKE 'erasure%' ORDER BY at, id";
    let expected = [
        "user_a connection.purge ok 1",
        "tributary erasure.end ok 1 1",
    ];
    assert_eq!(world.texts(rows).await, expected);
    let same = "SELECT count(DISTINCT coalesce(details ->> 'erasure', target))::text AS t
                FROM tributary.audit WHERE action LIKE '%purge' OR action LIKE 'erasure%'";
    assert_eq!(world.texts(same).await, ["1"]);
}
