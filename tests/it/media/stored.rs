//! What is sent comes into the store.

use tributary::db::read;

use super::*;
use crate::support::world::{member, state};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_in_the_store_and_its_viewers_are_told() {
    for house in House::of_each_kind().await {
        let _running = house.start();
        let mxc = house.homeserver.has("a", [png()]);
        house.sends("$1", &mxc).await;
        assert_eq!(house.content(&mxc).await, PNG);
        assert_eq!(house.column(&mxc, "mime_type").await.unwrap(), "image/png");
        assert_eq!(house.homeserver.asked("a"), 1);
        let frames = house.frames(0).await;
        assert_eq!(frames.last().unwrap(), "message.updated", "{frames:?}");
        let rows = "SELECT count(*) FROM tributary.media_uploads";
        assert_eq!(house.world.count(rows).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_larger_than_memory_may_be_comes_in_parts() {
    for mut house in House::of_each_kind().await {
        house.config.max_bytes = 11 * MIB as u64;
        let _running = house.start();
        for (id, size) in [("a", 11 * MIB), ("b", 5 * MIB), ("c", 5 * MIB + 1)] {
            let content = bytes(size, 1);
            let answer = Answer::Unsized("application/x-data", content.clone());
            let mxc = house.homeserver.has(id, [answer]);
            house
                .push(&[file(id, &mxc, "m.file", "application/x-data")])
                .await;
            assert!(house.content(&mxc).await == content, "{size}");
        }
        let names = house.files();
        assert!(
            !names.iter().any(|name| name.contains("upload")),
            "{names:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_content_is_one_object_however_often_it_is_sent() {
    for house in House::of_each_kind().await {
        let mxcs = ["a", "b", "c", "d"].map(|id| house.homeserver.has(id, [png()]));
        for (nth, mxc) in mxcs.iter().enumerate() {
            house.sends(&format!("${nth}"), mxc).await;
        }
        let _running = house.start();
        for mxc in &mxcs {
            assert_eq!(house.content(mxc).await, PNG);
        }
        let hash = house
            .column(&mxcs[0], "encode(sha256, 'hex')")
            .await
            .unwrap();
        let objects: Vec<_> = house
            .files()
            .into_iter()
            .filter(|name| *name == hash)
            .collect();
        assert_eq!(objects.len(), 1);
        assert_eq!(
            house
                .world
                .count("SELECT count(*) FROM tributary.media_objects")
                .await,
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_people_and_rooms_are_shown_when_they_are_stored() {
    let house = House::new().await;
    let own = house.homeserver.has("person", [png()]);
    let of_room = house.homeserver.has("room", [png()]);
    let mut person = member(ROOM, "$member", GHOST, "join", "Carol");
    person["content"]["avatar_url"] = json!(own);
    let avatar = state(ROOM, "$avatar", "m.room.avatar", &json!({"url": of_room}));
    house.push(&[person, avatar]).await;
    let before = house.position().await;
    let shown = async || {
        let mut conn = house.world.db.get().await.unwrap();
        let user = &house.alice.user_id;
        let page = read::conversations::page(&mut conn, user, None, 10)
            .await
            .unwrap();
        let conversation = &page.items[0];
        let people = read::participants::of(&mut conn, user, &[conversation.id])
            .await
            .unwrap();
        let people = people.into_values().flatten();
        let pictures: Vec<_> = people.filter_map(|person| person.avatar_url).collect();
        (conversation.avatar_url.clone(), pictures)
    };
    assert_eq!(shown().await, (None, Vec::new()));

    let _running = house.start();
    for mxc in [&own, &of_room] {
        assert_eq!(house.settled(mxc).await, "stored");
    }
    let url = async |mxc: &str| {
        let id = house.column(mxc, "id").await.unwrap();
        format!("/api/media/{id}")
    };
    let expected = (Some(url(&of_room).await), vec![url(&own).await]);
    assert_eq!(shown().await, expected);
    assert_eq!(house.frames(before).await, ["conversation.updated"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_fetched_at_the_start_and_the_newest_first() {
    let mut house = House::new().await;
    house.config.concurrent = 1;
    for id in ["old", "new"] {
        let mxc = house.homeserver.has(id, [png()]);
        house.sends(&format!("${id}"), &mxc).await;
    }
    let _running = house.start();
    house.settled(&mxc("old")).await;
    let order = house
        .words("SELECT mxc AS word FROM tributary.media ORDER BY settled_at")
        .await;
    assert_eq!(order, [mxc("new"), mxc("old")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_copied_at_once_than_is_said() {
    let mut house = House::new().await;
    house.config.concurrent = 2;
    let may = Arc::new(tokio::sync::Semaphore::new(0));
    for id in ["a", "b", "c"] {
        let waiting = Answer::Waiting(PNG.to_vec(), Arc::clone(&may));
        let mxc = house.homeserver.has(id, [waiting]);
        house.sends(&format!("${id}"), &mxc).await;
    }
    let _running = house.start();
    let asked = || ["a", "b", "c"].map(|id| house.homeserver.asked(id));
    eventually("two are asked for", async || {
        (asked() == [0, 1, 1]).then_some(())
    })
    .await;
    may.add_permits(1);
    eventually("the third has no place", async || {
        (asked() == [1, 1, 1]).then_some(())
    })
    .await;
    let stored = "SELECT count(*) FROM tributary.media WHERE state = 'stored'";
    assert_eq!(house.world.count(stored).await, 1);
    may.add_permits(2);
    for id in ["a", "b", "c"] {
        assert_eq!(house.content(&mxc(id)).await, PNG);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_off_fetches_nothing() {
    let mut house = House::new().await;
    house.config.on = false;
    let mxc = house.homeserver.has("a", [png()]);
    house.sends("$1", &mxc).await;
    let watch = MediaWatch::new(house.world.ingest.clone(), false);
    watch.look().await.unwrap();
    let jobs = "SELECT count(*) FROM tributary.jobs WHERE kind = 'archive'";
    assert_eq!(house.world.count(jobs).await, 0);
    MediaWatch::new(house.world.ingest.clone(), true)
        .look()
        .await
        .unwrap();
    assert_eq!(house.world.count(jobs).await, 1);
}

/// Whoever has a place in the room sees it come, also one who is there since a moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_room_begins_to_show_meanwhile_is_told_there_as_well() {
    let house = House::new().await;
    let other = "!other:lab.local";
    house
        .world
        .direct(other, &house.alice, "1001", "2002")
        .await;
    let may = Arc::new(tokio::sync::Semaphore::new(0));
    let waiting = Answer::Waiting(PNG.to_vec(), Arc::clone(&may));
    let mxc = house.homeserver.has("a", [waiting]);
    house.sends("$1", &mxc).await;
    let _running = house.start();
    eventually("it is not asked for", async || {
        (house.homeserver.asked("a") == 1).then_some(())
    })
    .await;
    let mut elsewhere = image("$2", &mxc);
    elsewhere["room_id"] = json!(other);
    house.push(&[elsewhere]).await;
    may.add_permits(1);
    assert_eq!(house.content(&mxc).await, PNG);
    let frames = house.frames(0).await;
    let updates = frames.iter().filter(|kind| *kind == "message.updated");
    assert_eq!(updates.count(), 2, "{frames:?}");
}
