//! Conversations by their names, and people's.

use serde_json::json;

use super::{marked, search};
use crate::api::{
    conversations::{ALICE, BOB, GHOST, alice_and_bob, only},
    world::{member, portal},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_found_by_its_title_and_by_who_is_in_it() {
    let app = alice_and_bob().await;
    let room = "!group";
    portal(
        &app,
        room,
        &[
            ALICE,
            GHOST,
            "@facebook_2:lab.local",
            "@facebook_3:lab.local",
        ],
    )
    .await;
    let title = json!({
        "event_id": "$title", "room_id": room, "sender": GHOST, "type": "m.room.name", "state_key": "",
        "origin_server_ts": 1, "content": {"name": "Fußball am Samstag"}, "unsigned": {"age": 1},
    });
    let names = [
        title,
        member(room, "@facebook_2:lab.local", "$zoe", "Zoë Çelik"),
    ];
    app.push_events("group", &names).await;
    for (q, name) in [
        ("fussb", "[Fußb]all am Samstag"),
        ("celik", "Zoë [Çelik]"),
        ("zoe ", "[Zoë] Çelik"),
    ] {
        let page = search(&app, "user_alice", &[("q", q)]).await.json();
        let found = page["conversations"].as_array().unwrap();
        assert_eq!(found.len(), 1, "{q}: {found:?}");
        assert_eq!(found[0]["conversation"]["title"], "Fußball am Samstag");
        let names = found[0]["names"].as_array().unwrap();
        assert_eq!(names.len(), 1);
        assert_eq!(marked(&names[0]["name"], &names[0]["inName"]), name);
    }
    // Not those of others, nor within one conversation.
    let page = search(&app, "user_bob", &[("q", "zoe")]).await.json();
    assert_eq!(page["conversations"], json!([]));
    let first = search(&app, "user_alice", &[("q", "grace")]).await.json();
    let id = first["conversations"][0]["conversation"]["id"]
        .as_str()
        .unwrap();
    let query = [("q", "grace"), ("conversationId", id)];
    assert_eq!(
        search(&app, "user_alice", &query).await.json()["conversations"],
        json!([])
    );
}

/// Somebody who came when they had left is not theirs to see, by no name.
#[tokio::test(flavor = "multi_thread")]
async fn who_came_after_one_has_left_is_not_found() {
    let app = alice_and_bob().await;
    let room = crate::api::conversations::ROOM;
    let mut leave = member(room, ALICE, "$leave", "Alice");
    leave["content"]["membership"] = json!("leave");
    let mut bob = member(room, BOB, "$bob", "Bob");
    bob["unsigned"]["age"] = json!(0);
    app.push_events("1", &[bob]).await;
    app.push_events("2", &[leave]).await;
    let newcomer = member(room, "@facebook_9:lab.local", "$new", "Quentin");
    app.push_events("3", &[newcomer]).await;
    assert_eq!(
        only(&app, "user_bob").await["id"],
        only(&app, "user_alice").await["id"]
    );
    let of = async |user| {
        let page = search(&app, user, &[("q", "quentin")]).await.json();
        page["conversations"].as_array().unwrap().len()
    };
    assert_eq!((of("user_alice").await, of("user_bob").await), (0, 1));
}
