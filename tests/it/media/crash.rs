//! What a program leaves that dies in the middle.

use tributary::{
    db::{
        jobs::{self, NewJob},
        media::objects,
    },
    media::{StoreError, Upload},
    model::new_id,
};

use super::*;

/// An upload in parts, written down as the archive does.
async fn begun(house: &House) -> (uuid::Uuid, Upload) {
    let id = new_id();
    let conn = house.world.db.get().await.unwrap();
    objects::begin_upload(&conn, id).await.unwrap();
    let mut upload = house.store().upload(id);
    for seed in 0..3 {
        let opened = upload.write(&bytes(4 * MIB, seed)).await.unwrap();
        if let Some(multipart_id) = opened {
            assert!(objects::in_parts(&conn, id, &multipart_id).await.unwrap());
        }
    }
    (id, upload)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_died_leaves_nothing_for_ever() {
    for mut house in House::of_each_kind().await {
        // In its parts, whole without a name, and with its name but without a row of its own.
        let (_, in_parts) = begun(&house).await;
        std::mem::forget(in_parts);
        let (_, whole) = begun(&house).await;
        std::mem::forget(whole.finish().await.unwrap());
        let (id, named) = begun(&house).await;
        let named = named.finish().await.unwrap();
        let conn = house.world.db.get().await.unwrap();
        objects::expect(&conn, id, &named.hash).await.unwrap();
        house.store().keep(named).await.unwrap();
        assert!(house.files().len() >= 3, "{:?}", house.files());

        // Not while it may still live.
        let running = house.start();
        eventually("the watch looks", async || {
            let looked = MediaWatch::new(house.world.ingest.clone(), true)
                .look()
                .await;
            looked.is_ok().then_some(())
        })
        .await;
        assert_eq!(
            house
                .world
                .count("SELECT count(*) FROM tributary.media_uploads")
                .await,
            3
        );
        drop(running);
        house.stale = Duration::ZERO;
        let _running = house.start();
        house.is_empty().await;
    }
}

/// Whoever has the job next knows that its uploads are nobody's, long before they are stale.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_before_a_kill_is_gone_soon_after_the_next_start() {
    for mut house in House::of_each_kind().await {
        let (_, in_parts) = begun(&house).await;
        std::mem::forget(in_parts);
        house.rhythm.after_a_kill = Duration::ZERO;
        // The job that was killed is taken up again.
        let job = NewJob {
            kind: "archive",
            key: String::new(),
            payload: serde_json::Map::new(),
        };
        let conn = house.world.db.get().await.unwrap();
        jobs::enqueue(&conn, &[job]).await.unwrap();
        let _running = house.start();
        house.is_empty().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_taken_for_dead_does_not_come_to_hold_anything() {
    let house = House::new().await;
    let (id, upload) = begun(&house).await;
    let finished = upload.finish().await.unwrap();
    let hash = finished.hash;
    let conn = house.world.db.get().await.unwrap();
    house.store().abandon(id, None).await.unwrap();
    objects::end_upload(&conn, id).await.unwrap();
    assert_eq!(objects::expect(&conn, id, &hash).await.unwrap(), None);
    assert!(!objects::arrived(&conn, id, &hash).await.unwrap());
    let kept = house.store().keep(finished).await;
    assert!(matches!(kept, Err(StoreError::NotFound)), "{kept:?}");
}
