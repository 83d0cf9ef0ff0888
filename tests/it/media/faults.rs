//! What can go wrong on the way, and what becomes of the file then.

use super::{homeserver::refused, *};

/// Sends a file that is handed out so, and says what became of it.
async fn becomes(house: &House, answers: impl IntoIterator<Item = Answer>) -> String {
    let mxc = house.homeserver.has("file", answers);
    house.sends("$1", &mxc).await;
    let _running = house.start();
    let state = house.settled(&mxc).await;
    let uploads = "SELECT count(*) FROM tributary.media_uploads";
    assert_eq!(house.world.count(uploads).await, 0, "{state}");
    if state != "stored" {
        assert!(house.files().is_empty(), "{state}");
    }
    state
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_homeserver_will_never_hand_out_is_settled_at_once() {
    for (answer, state) in [
        (refused(404, "M_NOT_FOUND"), "missing"),
        (refused(403, "M_FORBIDDEN"), "forbidden"),
        (refused(413, "M_TOO_LARGE"), "too_large"),
    ] {
        let house = House::new().await;
        assert_eq!(becomes(&house, [answer]).await, state);
        assert_eq!(house.homeserver.asked("file"), 1);
        let frames = house.frames(0).await;
        assert_eq!(frames.last().unwrap(), "message.updated", "{state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_once_is_tried_again() {
    let other = |status| refused(status, "M_UNKNOWN");
    for failure in [
        Answer::Truncated(PNG.to_vec()),
        Answer::Truncated(bytes(6 * MIB, 3)),
        Answer::HangUp,
        Answer::Encoded(PNG.to_vec()),
        other(500),
        refused(504, "M_NOT_YET_UPLOADED"),
    ] {
        for house in House::of_each_kind().await {
            assert_eq!(becomes(&house, [failure.clone(), png()]).await, "stored");
            assert_eq!(house.homeserver.asked("file"), 2);
            assert_eq!(house.column(&mxc("file"), "attempts").await.unwrap(), "1");
            assert_eq!(house.content(&mxc("file")).await, PNG);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_each_time_is_given_up() {
    for failure in [Answer::Truncated(PNG.to_vec()), Answer::HangUp] {
        let house = House::new().await;
        assert_eq!(becomes(&house, [failure]).await, "failed");
        assert_eq!(house.homeserver.asked("file"), 3);
    }
}

/// It would have one of few places for half an hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_drips_gives_its_place_to_another() {
    let mut house = House::new().await;
    house.config.concurrent = 1;
    // The good one has to be faster than that.
    house.limits.pace.window = Duration::from_secs(3);
    house.rhythm.first_pause = Duration::from_mins(1);
    let bad = house.homeserver.has("bad", [Answer::Dripping]);
    house.sends("$1", &bad).await;
    let _running = house.start();
    eventually("it is not asked for", async || {
        (house.homeserver.asked("bad") > 0).then_some(())
    })
    .await;
    let good = house.homeserver.has("good", [png()]);
    house.sends("$2", &good).await;
    assert_eq!(house.content(&good).await, PNG);
    assert_eq!(house.column(&bad, "attempts").await.unwrap(), "1");
    let error = house.column(&bad, "error").await.unwrap();
    assert!(error.ends_with("it comes too slowly"), "{error}");
    assert_eq!(house.files().len(), 1);
}

/// What takes too long as a whole leaves nothing behind either.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_in_the_middle_is_taken_back() {
    let mut house = House::new().await;
    // Long enough for the second try.
    house.rhythm.patience = Duration::from_secs(5);
    assert_eq!(becomes(&house, [Answer::Dripping, png()]).await, "stored");
    assert_eq!(house.column(&mxc("file"), "attempts").await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_asks_to_wait_is_left_alone_and_no_file_suffers_for_it() {
    let house = House::new().await;
    let body = json!({"errcode": "M_LIMIT_EXCEEDED", "error": "slow down", "retry_after_ms": 300});
    let limited = Answer::Refused(429, body);
    let begin = std::time::Instant::now();
    let answers = [limited.clone(), limited.clone(), limited, png()];
    assert_eq!(becomes(&house, answers).await, "stored");
    assert!(begin.elapsed() >= Duration::from_millis(900));
    assert_eq!(house.column(&mxc("file"), "attempts").await.unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_is_away_costs_no_file_a_try() {
    let house = House::new().await;
    house.homeserver.is_away(true);
    let mxc = house.homeserver.has("a", [png()]);
    house.sends("$1", &mxc).await;
    let _running = house.start();
    let waiting = "SELECT count(*) FROM tributary.jobs WHERE kind = 'archive' AND attempts >= 1";
    eventually("the job does not wait", async || {
        (house.world.count(waiting).await == 1).then_some(())
    })
    .await;
    assert_eq!(house.column(&mxc, "attempts").await.unwrap(), "0");
    house.homeserver.is_away(false);
    let conn = house.world.db.get().await.unwrap();
    tributary::db::jobs::hurry(&conn).await.unwrap();
    assert_eq!(house.content(&mxc).await, PNG);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_costs_no_file_a_try() {
    let mut house = House::new().await;
    let Place::Folder(folder) = &house.place else {
        panic!("a folder");
    };
    // A file where the folder should be.
    let path = folder.path().join("media");
    std::fs::write(&path, "in the way").unwrap();
    house.config.store = format!("file:{}", path.display());
    let mxc = house.homeserver.has("a", [png()]);
    house.sends("$1", &mxc).await;
    let _running = house.start();
    let waiting = "SELECT count(*) FROM tributary.jobs
                   WHERE kind = 'archive' AND attempts >= 1 AND error LIKE 'the media store%'";
    eventually("the job does not wait", async || {
        (house.world.count(waiting).await == 1).then_some(())
    })
    .await;
    assert_eq!(house.column(&mxc, "attempts").await.unwrap(), "0");
    std::fs::remove_file(&path).unwrap();
    let conn = house.world.db.get().await.unwrap();
    tributary::db::jobs::hurry(&conn).await.unwrap();
    assert_eq!(house.content(&mxc).await, PNG);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_not_kept_whether_it_says_so_or_not() {
    for answer in [
        Answer::File("image/png", bytes(7 * MIB, 1)),
        Answer::Unsized("image/png", bytes(7 * MIB, 1)),
    ] {
        for mut house in House::of_each_kind().await {
            house.config.max_bytes = 6 * MIB as u64;
            assert_eq!(becomes(&house, [answer.clone()]).await, "too_large");
        }
    }
    let mut house = House::new().await;
    house.config.max_bytes = PNG.len() as u64;
    assert_eq!(becomes(&house, [png()]).await, "stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_types_that_are_allowed_are_kept() {
    let html = || b"<html><script>alert(1)</script>".to_vec();
    for (declared, answer, state, asked) in [
        ("image/png", png(), "stored", 1),
        // What is said is enough to refuse it.
        ("text/html", png(), "forbidden", 0),
        // What it is, is as well.
        (
            "image/png",
            Answer::File("image/png", html()),
            "forbidden",
            1,
        ),
        (
            "image/png",
            Answer::Unsized("image/png", html()),
            "forbidden",
            1,
        ),
        (
            "image/png",
            Answer::File("image/png", b"MZ\x90\0\x03".to_vec()),
            "forbidden",
            1,
        ),
    ] {
        let mut house = House::new().await;
        house.config.allowed_types = vec!["image/*".to_owned()];
        let mxc = house.homeserver.has("file", [answer]);
        house.push(&[file("$1", &mxc, "m.file", declared)]).await;
        let _running = house.start();
        assert_eq!(house.settled(&mxc).await, state, "{declared}");
        assert_eq!(house.homeserver.asked("file"), asked, "{declared}");
        assert_eq!(house.files().is_empty(), state != "stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_about_its_type_is_kept_as_what_it_is() {
    let house = House::new().await;
    let answer = Answer::File("image/png", b"<html>".to_vec());
    assert_eq!(becomes(&house, [answer]).await, "stored");
    let mime_type = house.column(&mxc("file"), "mime_type").await;
    assert_eq!(mime_type.unwrap(), "text/html");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_does_not_hold_up_the_others() {
    let mut house = House::new().await;
    house.config.concurrent = 1;
    let good = house.homeserver.has("good", [png()]);
    let bad = house.homeserver.has("bad", [Answer::HangUp]);
    house.push(&[image("$1", &good), image("$2", &bad)]).await;
    house.rhythm.first_pause = Duration::from_mins(1);
    let _running = house.start();
    assert_eq!(house.content(&good).await, PNG);
    assert_eq!(house.column(&bad, "state").await.unwrap(), "pending");
}
