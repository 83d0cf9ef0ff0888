//! The archive holds what somebody is still shown.

use serde_json::json;

use super::{BEFORE, GROUP, LATER, USER_A, group, ids, leave, left, named, person, view};
use crate::{
    api::{conversations::GHOST, media::Archive},
    support::pushes::redaction,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_is_shown_any_more_goes() {
    let archive = left().await;
    let newest = ["mxc://lab.local/newest-room", "mxc://lab.local/newest-face"];
    let events = named(GROUP, "3", "Rita", newest);
    archive.app.push_events("newest", &events).await;
    let kept = async |mxc: &str| {
        let sql = format!("SELECT count(*) FROM tributary.media WHERE mxc = '{mxc}'");
        crate::support::world::count(&archive.app.app.db, &sql).await == 1
    };
    for mxc in BEFORE.iter().chain(&newest) {
        assert!(kept(mxc).await, "{mxc}");
    }
    for mxc in LATER {
        assert!(!kept(mxc).await, "{mxc}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_redacted_is_redacted_for_whoever_has_left_as_well() {
    let archive = left().await;
    for id in ["$grace-1", "$picture-1", "$name-1"] {
        let event = redaction(GROUP, GHOST, &format!("{id}-r"), id);
        archive.app.push_events(id, &[event]).await;
    }
    let conversation = view(&archive.app, USER_A).await;
    assert!(conversation["avatarUrl"].is_null() && conversation["title"].is_null());
    let grace = person(&conversation, GHOST).unwrap();
    assert!(grace["displayName"].is_null() && grace["avatarUrl"].is_null());
    let media = "SELECT count(*) FROM tributary.media";
    assert_eq!(
        crate::support::world::count(&archive.app.app.db, media).await,
        2
    );
}

/// A picture of then that comes in late is held like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_comes_to_be_known_later_is_fetched() {
    let archive = left().await;
    let late = ["mxc://lab.local/late-room", "mxc://lab.local/late-face"];
    // History from before the leave, and newer than the first ones.
    let sql =
        "SELECT origin_server_ts AS count FROM tributary.state_events WHERE event_id = '$leave'";
    let sent_at = crate::support::world::count(&archive.app.app.db, sql).await;
    let events = named(GROUP, "late", "Gracie", late).map(|event| {
        let mut event = super::aged(event, 3_600_000);
        event["origin_server_ts"] = json!(sent_at);
        event
    });
    archive.app.push_events("late", &events).await;
    let conversation = view(&archive.app, USER_A).await;
    assert_eq!(
        person(&conversation, GHOST).unwrap()["displayName"],
        "Gracie"
    );
    let pending = "SELECT count(*) FROM tributary.media WHERE state = 'pending'";
    assert_eq!(
        crate::support::world::count(&archive.app.app.db, pending).await,
        2
    );
    let [room, _] = ids(&archive, late).await;
    archive.store(late[0], "image/png", b"late").await;
    assert_eq!(archive.get(USER_A, room).await.status, 200);
}

/// Also when all of it comes at once: what was archived is not fetched again, since the
/// homeserver may not have it any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_replaced_together_with_the_leave_stays_what_it_is() {
    let archive = Archive::new().await;
    archive.sql("DELETE FROM tributary.conversations").await;
    let app = &archive.app;
    group(app, GROUP).await;
    app.push_events("before", &named(GROUP, "1", "Grace", BEFORE))
        .await;
    for mxc in BEFORE {
        archive.store(mxc, "image/png", mxc.as_bytes()).await;
    }
    let before = ids(&archive, BEFORE).await;
    let mut events = vec![leave(GROUP)];
    events.extend(named(GROUP, "2", "Quentin", LATER));
    app.push_events("all at once", &events).await;
    assert_eq!(ids(&archive, BEFORE).await, before);
    for id in before {
        assert_eq!(archive.get(USER_A, id).await.status, 200);
    }
    let conversation = view(app, USER_A).await;
    let grace = person(&conversation, GHOST).unwrap();
    assert_eq!(grace["displayName"], "Grace");
    let released = "SELECT count(*) FROM tributary.media_objects WHERE released_at IS NOT NULL";
    assert_eq!(crate::support::world::count(&app.app.db, released).await, 0);
}
