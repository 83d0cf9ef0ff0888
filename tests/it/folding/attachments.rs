//! Files: named with the message, gone with it.

use super::*;

fn image(event_id: &str, mxc: &str) -> Value {
    event(
        "m.room.message",
        GHOST,
        event_id,
        &json!({
            "msgtype": "m.image", "body": "a caption", "filename": "a.jpg", "url": mxc,
            "info": {"mimetype": "image/jpeg", "size": 5, "w": 640, "h": 480},
        }),
    )
}

async fn media(app: &TestApp) -> i64 {
    count(&app.app.db, "SELECT count(*) FROM tributary.media").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_told_with_its_message() {
    let app = alice_and_bob().await;
    app.push_events(
        "1",
        &[
            image("$1", "mxc://lab.local/a"),
            image("$2", "mxc://lab.local/a"),
        ],
    )
    .await;
    let all = messages(&app, "user_alice").await;
    let attachment = &all[0]["attachments"][0];
    assert_eq!(attachment["mediaId"], all[1]["attachments"][0]["mediaId"]);
    let mut expected = json!({
        "kind": "image", "filename": "a.jpg", "mimeType": "image/jpeg", "size": 5, "width": 640,
        "height": 480, "durationMs": null, "state": "pending",
    });
    expected["mediaId"] = attachment["mediaId"].clone();
    assert_eq!(attachment, &expected);
    assert_eq!(all[0]["body"], "a caption");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsent_file_is_gone_unless_another_message_shows_it() {
    let app = alice_and_bob().await;
    app.push_events(
        "1",
        &[
            image("$1", "mxc://lab.local/a"),
            image("$2", "mxc://lab.local/a"),
        ],
    )
    .await;
    app.push_events("2", &[redaction(ROOM, GHOST, "$r1", "$1")])
        .await;
    let all = messages(&app, "user_alice").await;
    assert_eq!((&all[0]["attachments"], media(&app).await), (&json!([]), 1));
    assert_eq!(all[1]["attachments"][0]["state"], "pending");
    app.push_events("3", &[redaction(ROOM, GHOST, "$r2", "$2")])
        .await;
    assert_eq!(media(&app).await, 0);
    // It does not come back with a repetition.
    app.push_events("4", &[image("$1", "mxc://lab.local/a")])
        .await;
    assert_eq!(
        count(&app.app.db, "SELECT count(*) FROM tributary.attachments").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_brings_its_own_file() {
    let app = alice_and_bob().await;
    let new = image("$new", "mxc://lab.local/b")["content"].clone();
    let mut edit = edit(GHOST, "$e", "$1", "x");
    edit["content"]["m.new_content"] = new;
    app.push_events("1", &[image("$1", "mxc://lab.local/a")])
        .await;
    let before = messages(&app, "user_alice").await.remove(0);
    app.push_events("2", &[edit]).await;
    let after = messages(&app, "user_alice").await.remove(0);
    assert_ne!(
        before["attachments"][0]["mediaId"],
        after["attachments"][0]["mediaId"]
    );
    app.push_events("3", &[redaction(ROOM, GHOST, "$r", "$e")])
        .await;
    let back = messages(&app, "user_alice").await.remove(0);
    assert_eq!(
        (&back["attachments"], media(&app).await),
        (&before["attachments"], 1)
    );
    app.push_events("4", &[redaction(ROOM, GHOST, "$r2", "$1")])
        .await;
    assert_eq!(media(&app).await, 0);
}
