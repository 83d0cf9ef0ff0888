//! Files: named with the message, gone with it.

use diesel::{QueryableByName, sql_query, sql_types::Uuid as SqlUuid};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use tributary::db::{Connection, media};
use uuid::Uuid;

use super::*;
use crate::support::{eventually, world::World};

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

const SHOW: &str = "UPDATE tributary.conversations
    SET avatar_media_id = (SELECT id FROM tributary.media WHERE mxc = 'mxc://lab.local/file')";
const SHOWN: &str =
    "SELECT count(*) FROM tributary.conversations WHERE avatar_media_id IS NOT NULL";
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()";

/// Somebody forgets a file, and somebody else begins to show it, either one first.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_forgotten_and_shown_at_once_is_there() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct("!dm", &alice, "1001", "2001").await;
    let file = ["mxc://lab.local/file".to_owned()];
    let (mut shows, mut forgets) = (world.db.get().await.unwrap(), world.db.get().await.unwrap());
    media::hold(&forgets, &file).await.unwrap();
    let waits = async || {
        eventually("nobody waits", async || {
            (world.count(WAITING).await == 1).then_some(())
        })
        .await;
    };

    shows.batch_execute("BEGIN").await.unwrap();
    media::hold(&shows, &file).await.unwrap();
    let ids = ids(&mut forgets).await;
    let ((), forgotten) = tokio::join!(
        async {
            waits().await;
            shows.batch_execute(SHOW).await.unwrap();
            shows.batch_execute("COMMIT").await.unwrap();
        },
        media::forget_unused(&forgets, &ids)
    );
    forgotten.unwrap();
    assert_eq!(world.count(SHOWN).await, 1);

    shows
        .batch_execute("UPDATE tributary.conversations SET avatar_media_id = NULL")
        .await
        .unwrap();
    forgets.batch_execute("BEGIN").await.unwrap();
    media::forget_unused(&forgets, &ids).await.unwrap();
    shows.batch_execute("BEGIN").await.unwrap();
    let ((), held) = tokio::join!(
        async {
            waits().await;
            forgets.batch_execute("COMMIT").await.unwrap();
        },
        media::hold(&shows, &file)
    );
    held.unwrap();
    shows.batch_execute(SHOW).await.unwrap();
    shows.batch_execute("COMMIT").await.unwrap();
    assert_eq!(world.count(SHOWN).await, 1);
}

async fn ids(conn: &mut Connection) -> Vec<Uuid> {
    #[derive(QueryableByName)]
    struct Media {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let all: Vec<Media> = sql_query("SELECT id FROM tributary.media")
        .load(conn)
        .await
        .unwrap();
    all.into_iter().map(|media| media.id).collect()
}
