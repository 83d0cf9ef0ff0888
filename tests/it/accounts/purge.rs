//! Purging: nothing of the purged is left, everything of the others is.

use serde_json::json;

use crate::accounts::world::{ALICE, BOB, BOT, USER_A, USER_B, World};

const FRIEND: &str = "@facebook_5:lab.local";
const DM: &str = "!dm:lab.local";
const GROUP: &str = "!group:lab.local";

async fn bodies(world: &World) -> Vec<String> {
    world
        .texts("SELECT body AS t FROM tributary.messages ORDER BY body")
        .await
}

async fn broken(world: &World, room_id: &str, marker: &str) {
    // A message without a body cannot be folded: it becomes a dead letter.
    world
        .event(
            room_id,
            FRIEND,
            "m.room.message",
            None,
            json!({"msgtype": marker, "body": 5}),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_chat_goes_without_a_trace() {
    let world = World::new().await;
    world.portal(DM, "77", &[ALICE, BOT, FRIEND]).await;
    let report = World::report_of(
        ALICE,
        json!({"bridgeUserId": "traceghost", "remoteName": "trace name"}),
    );
    let code = world
        .accounts
        .report(&report, None)
        .await
        .unwrap()
        .link_code
        .unwrap();
    let linked = world.accounts.link(USER_A, &code, None).await.unwrap();
    let push = json!({"state_event": "CONNECTED", "user_id": ALICE, "remote_id": "tracelogin"});
    let push = tributary::accounts::Push::read(&push, world.now()).unwrap();
    world
        .accounts
        .bridge_state("meta", &push, None)
        .await
        .unwrap();
    world
        .join(DM, FRIEND, "trace friend", "mxc://lab.local/trace1")
        .await;
    world
        .event(
            DM,
            BOT,
            "m.room.name",
            Some(""),
            json!({"name": "trace room"}),
        )
        .await;
    world
        .event(
            DM,
            BOT,
            "m.room.avatar",
            Some(""),
            json!({"url": "mxc://lab.local/trace2"}),
        )
        .await;
    let event_id = world.message(DM, FRIEND, "trace body").await;
    broken(&world, DM, "trace letter").await;
    let redaction = json!({"redacts": "$gone", "reason": "trace"});
    world
        .event(DM, FRIEND, "m.room.redaction", None, redaction)
        .await;
    let receipt =
        format!("INSERT INTO tributary.receipts VALUES ('{DM}', '{ALICE}', '{event_id}', 1)");
    world.execute(&receipt).await;
    assert!(
        world.tables_with("trace").await.len() >= 6,
        "{:?}",
        world.tables_with("trace").await
    );

    let seen = world.position(USER_A).await;
    world
        .accounts
        .disconnect(USER_A, linked.id, true, None)
        .await
        .unwrap();
    assert_eq!(world.tables_with("trace").await, [""; 0]);
    for table in [
        "messages",
        "conversations",
        "conversation_access",
        "participants",
        "state_events",
        "redactions",
        "receipts",
        "dead_letters",
        "media",
        "room_grants",
        "bridge_logins",
    ] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
    assert_eq!(
        world.frames(USER_A, seen).await,
        ["connection.status", "conversation.removed"]
    );
    // What mapping needs stays, so that a later link maps at once.
    assert_eq!(world.count("rooms WHERE kind = 'portal'").await, 1);
    assert_eq!(world.count("room_members").await, 3);
    world.linked(USER_A, ALICE).await;
    assert_eq!(world.count("conversations").await, 1);
    assert_eq!(world.count("messages").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_customers_data_stays_whole() {
    let world = World::new().await;
    world.portal(GROUP, "", &[ALICE, BOB, BOT, FRIEND]).await;
    world.portal(DM, "77", &[ALICE, BOT, FRIEND]).await;
    world
        .portal("!bobs:lab.local", "88", &[BOB, BOT, FRIEND])
        .await;
    let a = world.linked(USER_A, ALICE).await;
    world.linked(USER_B, BOB).await;
    for room_id in [GROUP, DM, "!bobs:lab.local"] {
        world
            .join(room_id, FRIEND, "Friend", "mxc://lab.local/friend")
            .await;
        world
            .message(room_id, FRIEND, &format!("in {room_id}"))
            .await;
        broken(&world, room_id, "m.broken").await;
    }
    world
        .join(DM, ALICE, "Alice", "mxc://lab.local/alice")
        .await;
    let of_bob = "SELECT (conversation_id, title, unread_count, last_event_at)::text AS t
                  FROM tributary.conversation_access WHERE user_id = 'user_b' ORDER BY 1";
    let (before, seen) = (world.texts(of_bob).await, world.position(USER_B).await);

    world
        .accounts
        .disconnect(USER_A, a.id, true, None)
        .await
        .unwrap();
    assert_eq!(
        bodies(&world).await,
        ["in !bobs:lab.local", "in !group:lab.local"]
    );
    assert_eq!(world.count("dead_letters").await, 2);
    assert_eq!(world.texts(of_bob).await, before);
    assert_eq!(before.len(), 2);
    assert_eq!(
        world.position(USER_B).await,
        seen,
        "it is none of their business"
    );
    assert_eq!(
        world
            .count("conversation_access WHERE user_id = 'user_a'")
            .await,
        0
    );
    assert_eq!(
        world.texts("SELECT mxc AS t FROM tributary.media").await,
        ["mxc://lab.local/friend"]
    );
    world.message(GROUP, FRIEND, "later").await;
    assert_eq!(world.frames(USER_B, seen).await, ["message.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_shared_room_what_nobody_else_may_see_goes() {
    let world = World::new().await;
    world.portal(GROUP, "", &[ALICE, BOB, BOT, FRIEND]).await;
    let a = world.linked(USER_A, ALICE).await;
    let b = world.linked(USER_B, BOB).await;
    world.message(GROUP, FRIEND, "to both").await;
    world
        .accounts
        .disconnect(USER_B, b.id, false, None)
        .await
        .unwrap();
    world.message(GROUP, FRIEND, "to alice").await;
    world
        .accounts
        .disconnect(USER_A, a.id, false, None)
        .await
        .unwrap();
    // Purging may come later than letting go.
    world
        .accounts
        .disconnect(USER_A, a.id, true, None)
        .await
        .unwrap();
    assert_eq!(bodies(&world).await, ["to both"]);
    world
        .accounts
        .disconnect(USER_B, b.id, true, None)
        .await
        .unwrap();
    assert_eq!(world.count("conversations").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_connection_of_the_same_user_sees_stays_theirs() {
    let world = World::new().await;
    world.portal(GROUP, "", &[ALICE, BOB, BOT, FRIEND]).await;
    world.portal(DM, "77", &[ALICE, BOT, FRIEND]).await;
    let first = world.linked(USER_A, ALICE).await;
    world.linked(USER_A, BOB).await;
    world.message(GROUP, FRIEND, "in the group").await;
    world.message(DM, FRIEND, "in the chat").await;
    let seen = world.position(USER_A).await;
    world
        .accounts
        .disconnect(USER_A, first.id, true, None)
        .await
        .unwrap();
    assert_eq!(bodies(&world).await, ["in the group"]);
    assert_eq!(
        world
            .count("conversation_access WHERE user_id = 'user_a'")
            .await,
        1
    );
    assert_eq!(
        world.frames(USER_A, seen).await,
        [
            "connection.status",
            "conversation.removed",
            "conversation.updated"
        ]
    );
    // The same account linked anew holds what the first link saw.
    let again = world.linked(USER_A, ALICE).await;
    world.message(DM, FRIEND, "again").await;
    world
        .accounts
        .disconnect(USER_A, again.id, false, None)
        .await
        .unwrap();
    let third = world.linked(USER_A, ALICE).await;
    world
        .accounts
        .disconnect(USER_A, again.id, true, None)
        .await
        .unwrap();
    assert_eq!(bodies(&world).await, ["again", "in the group"]);
    world
        .accounts
        .disconnect(USER_A, third.id, true, None)
        .await
        .unwrap();
    assert_eq!(bodies(&world).await, ["in the group"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_of_a_message_goes_with_it() {
    let world = World::new().await;
    world.portal(GROUP, "", &[ALICE, BOB, BOT, FRIEND]).await;
    let a = world.linked(USER_A, ALICE).await;
    let b = world.linked(USER_B, BOB).await;
    let edit = |of: &str, body: &str| {
        json!({
            "msgtype": "m.image", "body": body,
            "m.new_content": {"msgtype": "m.image", "body": body, "url": format!("mxc://lab.local/{body}")},
            "m.relates_to": {"rel_type": "m.replace", "event_id": of},
        })
    };
    let reaction = |of: &str, key: &str| json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": of, "key": key}});
    let message = world.message(GROUP, FRIEND, "one").await;
    let say = async |kind: &str, content| world.event(GROUP, FRIEND, kind, None, content).await;
    say("m.room.message", edit(&message, "two")).await;
    say("m.reaction", reaction(&message, "k1")).await;
    say("m.room.message", edit("$never-came", "waiting")).await;
    world
        .accounts
        .disconnect(USER_B, b.id, false, None)
        .await
        .unwrap();
    say("m.room.message", edit(&message, "three")).await;
    say("m.reaction", reaction(&message, "k2")).await;
    say("m.room.message", edit("$never-came", "later")).await;
    assert_eq!(bodies(&world).await, ["three"]);

    // What only Alice could see goes with her: Bob's message is what he saw.
    world
        .accounts
        .disconnect(USER_A, a.id, true, None)
        .await
        .unwrap();
    assert_eq!(bodies(&world).await, ["two"]);
    let keys = "SELECT metadata #>> '{reactions,0,key}' AS t FROM tributary.messages";
    assert_eq!(world.texts(keys).await, ["k1"]);
    for gone in ["three", "later", "k2"] {
        assert_eq!(world.tables_with(gone).await, [""; 0], "{gone}");
    }
    assert_eq!(world.tables_with("waiting").await.len(), 3);
    world
        .accounts
        .disconnect(USER_B, b.id, true, None)
        .await
        .unwrap();
    for table in [
        "messages",
        "message_versions",
        "reactions",
        "attachments",
        "media",
    ] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
}
