//! Objects go with the last that holds them, and not before.

use tokio::sync::Semaphore;
use tributary::{
    accounts::Accounts,
    auth::openid::OpenId,
    db::{media::objects, read},
    erasure::{Erasure, Step},
    model::new_id,
};

use super::*;
use crate::support::{ownership, world::member};

/// A file whose second half waits, and what lets it go on.
fn waiting(house: &House, id: &str, content: Vec<u8>) -> (String, Arc<Semaphore>) {
    let may = Arc::new(Semaphore::new(0));
    let answer = Answer::Waiting(content, Arc::clone(&may));
    (house.homeserver.has(id, [answer]), may)
}

async fn is_asked_for(house: &House, id: &str) {
    eventually("it is not asked for", async || {
        (house.homeserver.asked(id) > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsent_picture_is_gone_with_what_was_made_of_it() {
    for house in House::of_each_kind().await {
        let mxc = house.homeserver.has("a", [png()]);
        house.sends("$1", &mxc).await;
        let _running = house.start();
        assert_eq!(house.content(&mxc).await, PNG);
        let hash = house.column(&mxc, "encode(sha256, 'hex')").await.unwrap();
        let made = b"smaller".as_slice().into();
        assert!(
            house
                .store()
                .put_derived(&from_hex(&hash), "64x64", made)
                .await
                .unwrap()
        );
        house.push(&[redaction("$2", "$1")]).await;
        house.is_empty().await;
        assert_eq!(house.column(&mxc, "state").await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_holds_stays() {
    let house = House::new().await;
    let _running = house.start();
    let mxcs = ["a", "b"].map(|id| house.homeserver.has(id, [png()]));
    house
        .push(&[image("$a", &mxcs[0]), image("$b", &mxcs[1])])
        .await;
    for mxc in &mxcs {
        house.content(mxc).await;
    }
    house.push(&[redaction("$1", "$a")]).await;
    let looked_at = "SELECT count(*) FROM tributary.media_objects WHERE released_at IS NULL";
    eventually("nobody looked", async || {
        (house.world.count(looked_at).await == 1).then_some(())
    })
    .await;
    assert_eq!(house.content(&mxcs[1]).await, PNG);
    house.push(&[redaction("$2", "$b")]).await;
    house.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_replaced_is_gone() {
    let house = House::new().await;
    let _running = house.start();
    let person = |event_id: &str, mxc: &str, replaces: Option<&str>| {
        let mut person = member(ROOM, event_id, GHOST, "join", "Carol");
        person["content"]["avatar_url"] = json!(mxc);
        person["unsigned"]["replaces_state"] = json!(replaces);
        person
    };
    let old = house.homeserver.has("old", [png()]);
    let new = house.homeserver.has(
        "new",
        [Answer::File("image/png", b"\x89PNG\r\n\x1a\nnew".into())],
    );
    house.push(&[person("$1", &old, None)]).await;
    let hash = from_hex(&{
        house.content(&old).await;
        house.column(&old, "encode(sha256, 'hex')").await.unwrap()
    });
    house.push(&[person("$2", &new, Some("$1"))]).await;
    house.content(&new).await;
    eventually("the old one is there", async || {
        (!house.store().has(&hash).await.unwrap()).then_some(())
    })
    .await;
    assert_eq!(
        house
            .world
            .count("SELECT count(*) FROM tributary.media_objects")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_when_its_message_goes_does_not_stay() {
    for house in House::of_each_kind().await {
        let _running = house.start();
        for (id, size) in [("small", 1000), ("large", 6 * MIB)] {
            let mut content = PNG.to_vec();
            content.extend(bytes(size, 9));
            let (mxc, may) = waiting(&house, id, content);
            house.sends(id, &mxc).await;
            is_asked_for(&house, id).await;
            house.push(&[redaction(&format!("${id}"), id)]).await;
            let rows = "SELECT count(*) FROM tributary.media";
            assert_eq!(house.world.count(rows).await, 0);
            may.add_permits(1);
            house.is_empty().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_while_it_is_on_its_way_out_is_there() {
    let house = House::new().await;
    let mxc = house.homeserver.has("a", [png()]);
    let again = house.homeserver.has("again", [png()]);
    house.sends("$1", &mxc).await;
    let running = house.start();
    house.content(&mxc).await;
    drop(running);
    house.push(&[redaction("$2", "$1")]).await;
    // Somebody has begun to delete it, and died.
    let conn = house.world.db.get().await.unwrap();
    let leaving = objects::begin_leaving(&conn, 10).await.unwrap();
    assert_eq!(leaving.len(), 1);
    house.sends("$3", &again).await;
    let _running = house.start();
    assert_eq!(house.content(&again).await, PNG);
    assert_eq!(house.column(&again, "attempts").await.unwrap(), "0");
    assert!(house.store().has(&leaving[0]).await.unwrap());
}

/// Whoever deletes and whoever comes to hold meet at the object's row.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_deletion_and_a_new_holder_the_later_one_sees_the_other() {
    let house = House::new().await;
    let hash = ContentHash([7; 32]);
    let (holder, deleter) = (
        house.world.db.get().await.unwrap(),
        house.world.db.get().await.unwrap(),
    );
    house
        .sql(
            "INSERT INTO tributary.media_objects (sha256, stored_at, released_at)
              VALUES (decode(repeat('07', 32), 'hex'), now(), now())",
        )
        .await;
    let upload = new_id();
    objects::begin_upload(&holder, upload).await.unwrap();
    let mut begin = &*holder;
    sql_query("BEGIN").execute(&mut begin).await.unwrap();
    let place = objects::expect(&holder, upload, &hash).await.unwrap();
    assert_eq!(place, Some(objects::Place::Present));
    let waits = "SELECT count(*) FROM pg_stat_activity
                 WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let (leaving, ()) = tokio::join!(objects::begin_leaving(&deleter, 10), async {
        eventually("it does not wait", async || {
            (house.world.count(waits).await == 1).then_some(())
        })
        .await;
        sql_query("COMMIT").execute(&mut begin).await.unwrap();
    });
    assert_eq!(leaving.unwrap(), []);

    // The upload comes to nothing, so it is let go once more; now it leaves.
    objects::end_upload(&holder, upload).await.unwrap();
    assert_eq!(objects::begin_leaving(&deleter, 10).await.unwrap(), [hash]);
    objects::begin_upload(&holder, upload).await.unwrap();
    let place = objects::expect(&holder, upload, &hash).await.unwrap();
    assert_eq!(place, Some(objects::Place::Leaving));
    objects::left(&deleter, &[hash]).await.unwrap();
    let place = objects::expect(&holder, upload, &hash).await.unwrap();
    assert_eq!(place, Some(objects::Place::Absent));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_through_when_the_objects_are_gone() {
    let house = House::new().await;
    let mxc = house.homeserver.has("a", [png()]);
    house.sends("$1", &mxc).await;
    let running = house.start();
    house.content(&mxc).await;
    drop(running);

    let config = ownership::config(json!({}));
    let openid = OpenId::new(&config.homeserver).unwrap();
    let accounts = Accounts::new(&config, house.world.ingest.clone(), openid);
    let mut conn = house.world.db.get().await.unwrap();
    let own = read::connections::list(&mut conn, &house.alice.user_id, None).await;
    let id = own.unwrap()[0].id;
    accounts
        .disconnect(&house.alice.user_id, id, true, None)
        .await
        .unwrap();

    let pending = "SELECT id::text AS word FROM tributary.erasures WHERE finished_at IS NULL";
    let erasure = house.words(pending).await.remove(0).parse().unwrap();
    let steps = Erasure::new(house.world.ingest.clone());
    // The request has taken all steps but the last.
    assert_eq!(steps.step(&mut conn, erasure).await.unwrap(), Step::Wait);
    assert_eq!(house.files().len(), 1);
    let _running = house.start();
    house.is_empty().await;
    assert_eq!(steps.step(&mut conn, erasure).await.unwrap(), Step::Done);
    let media = "SELECT media AS count FROM tributary.erasures";
    assert_eq!(house.world.count(media).await, 1);
}
