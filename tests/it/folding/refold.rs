//! Rooms that an older fold has filled are walked again.

use super::*;
use tributary::jobs::{backfill::Span, refold};

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_version_filled_is_walked_again_as_far_as_it_went() {
    let app = shared_room().await;
    portal(&app, "!filled", &[ALICE, GHOST]).await;
    portal(&app, "!being-filled", &[ALICE, GHOST]).await;
    portal(&app, "!for-the-operator", &[ALICE, GHOST]).await;
    portal(&app, "!nobodys", &[GHOST]).await;
    let version = tributary::fold::VERSION;
    let sql = format!(
        "UPDATE tributary.rooms SET fold_version = CASE room_id WHEN '!filled' THEN {version}
             WHEN '!being-filled' THEN 0 ELSE {version} - 1 END,
             backfill = room_id <> '!for-the-operator';
         INSERT INTO tributary.jobs (id, kind, key, state, payload) VALUES
             (tributary.uuid_v7(), 'backfill', '{ROOM}', 'done', '{{\"days\": 90, \"maxMessages\": 10}}')"
    );
    let mut conn = app.app.db.get().await.unwrap();
    diesel_async::SimpleAsyncConnection::batch_execute(&mut conn, &sql)
        .await
        .unwrap();
    let least = Span {
        days: 30,
        max_messages: 5000,
    };
    assert_eq!(refold::queue(&conn, least).await.unwrap(), 1);
    let queued = format!(
        "SELECT count(*) FROM tributary.jobs WHERE key = '{ROOM}' AND state = 'queued'
         AND payload = '{{\"days\": 90, \"maxMessages\": 5000}}'"
    );
    assert_eq!(count(&app.app.db, &queued).await, 1);
    let all = "SELECT count(*) FROM tributary.jobs WHERE state = 'queued'";
    assert_eq!(count(&app.app.db, all).await, 1);
}
