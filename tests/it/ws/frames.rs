use serde_json::{Value, json};
use tributary::model::{frame::FrameKind, new_id};
use uuid::Uuid;

use super::{
    ALICE, ALICE_MATRIX, BOB, BOB_MATRIX, FRIEND,
    client::{Server, cursor},
    world::World,
};

const ROOM: &str = "!room:lab.local";

/// A frame that needs no row to be shown: a mark in a stream.
fn removed() -> FrameKind {
    FrameKind::ConversationRemoved {
        conversation_id: Uuid::nil(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_comes_as_it_is_committed() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    let conversation = world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    world.push(&[world.message(ROOM, FRIEND, "hi")]).await;
    let frame = client.expect("message.created").await;
    let data = &frame["data"];
    assert_eq!(data["conversationId"], json!(conversation));
    assert_eq!(data["message"]["body"], "hi");
    assert_eq!(data["unreadCount"], 1);
    let at = frame["at"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.len() == 24, "{at}");
    assert!(frame["cursor"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_is_another_users() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.connect(BOB, BOB_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    world
        .room("!both:lab.local", &[ALICE_MATRIX, BOB_MATRIX, FRIEND])
        .await;
    let server = Server::start(&world);
    let mut bob = server.live(&world, BOB).await;
    world
        .push(&[
            world.message(ROOM, FRIEND, "for alice"),
            world.message("!both:lab.local", FRIEND, "for both"),
        ])
        .await;
    let frame = bob.expect("message.created").await;
    assert_eq!(frame["data"]["message"]["body"], "for both");
    world.append(BOB, &[removed()]).await;
    bob.expect("conversation.removed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_frame_carries_what_is_there_now() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.open(&world, ALICE, None).await;
    let since = cursor(&client.expect("hello").await);
    let message = world.message(ROOM, FRIEND, "a secret");
    let redaction = json!({"redacts": message["event_id"]});
    world.push(&[message]).await;
    let mut redaction = world.event(ROOM, FRIEND, "m.room.redaction", &redaction);
    redaction["redacts"] = redaction["content"]["redacts"].clone();
    world.push(&[redaction]).await;

    let mut client = server.open(&world, ALICE, Some(&since)).await;
    assert_eq!(client.expect("hello").await["data"]["resumed"], true);
    for kind in ["message.created", "message.updated"] {
        let frame = client.expect(kind).await;
        assert_eq!(frame["data"]["message"]["body"], "", "{frame}");
        assert!(frame["data"]["message"]["deletedAt"].is_string(), "{frame}");
    }
    // It was unread.
    let frame = client.expect("conversation.updated").await;
    assert_eq!(frame["data"]["conversation"]["unreadCount"], 0);
    client.expect("live").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_frame_has_its_shape() {
    let world = World::new().await;
    let connection_id = world.connect(ALICE, ALICE_MATRIX).await;
    let conversation_id = world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    world
        .sql(&format!(
            "INSERT INTO tributary.jobs (id, kind, key, state, progress)
             VALUES ('{}', 'backfill', '{ROOM}', 'running',
                     '{{\"stored\": 7, \"oldestAt\": \"2026-01-02T03:04:05.678Z\"}}')",
            new_id()
        ))
        .await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    world
        .append(
            ALICE,
            &[
                FrameKind::ConversationUpdated { conversation_id },
                FrameKind::ConnectionStatus { connection_id },
                FrameKind::BackfillProgress { conversation_id },
                FrameKind::ConversationRemoved { conversation_id },
            ],
        )
        .await;
    let frame = client.expect("conversation.updated").await;
    let conversation = &frame["data"]["conversation"];
    assert_eq!(conversation["id"], json!(conversation_id));
    assert!(conversation["participants"].is_array(), "{frame}");
    assert_eq!(
        client.expect("connection.status").await["data"],
        json!({"status": "CONNECTED", "connectionId": connection_id})
    );
    assert_eq!(
        client.expect("backfill.progress").await["data"],
        json!({"connectionId": connection_id, "conversationId": conversation_id,
               "state": "running", "stored": 7, "oldestAt": "2026-01-02T03:04:05.678Z"})
    );
    assert_eq!(
        client.expect("conversation.removed").await["data"],
        json!({"conversationId": conversation_id})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_is_passed() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    let (hidden, conversation_id) = (new_id(), world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await);
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    let gone = FrameKind::ConversationUpdated {
        conversation_id: hidden,
    };
    world.append(ALICE, &[gone]).await;
    world
        .sql("UPDATE tributary.outbox SET kind = 'of.a.later.version'")
        .await;
    let removed = FrameKind::ConversationRemoved { conversation_id };
    world.append(ALICE, &[gone, gone, removed]).await;
    client.expect("conversation.removed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sees_what_another_one_ends() {
    let world = World::new().await;
    let kept = world.connect(ALICE, ALICE_MATRIX).await;
    let conversation = world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    let ended = json!({"status": "DISCONNECTED", "connectionId": kept});
    let accounts = &world.app.accounts;
    accounts.disconnect(ALICE, kept, false, None).await.unwrap();
    assert_eq!(client.expect("connection.status").await["data"], ended);
    accounts.disconnect(ALICE, kept, true, None).await.unwrap();
    assert_eq!(
        client.expect("conversation.removed").await["data"],
        json!({"conversationId": conversation})
    );

    let erased = world.connect(ALICE, ALICE_MATRIX).await;
    let conversation = world
        .room("!other:lab.local", &[ALICE_MATRIX, FRIEND])
        .await;
    let mut client = server.live(&world, ALICE).await;
    accounts.delete(ALICE, None).await.unwrap();
    assert_eq!(
        client.expect("connection.status").await["data"],
        json!({"status": "DISCONNECTED", "connectionId": erased})
    );
    assert_eq!(
        client.expect("conversation.removed").await["data"],
        json!({"conversationId": conversation})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_gets_nothing_more() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    let mut leave = world.event(
        ROOM,
        ALICE_MATRIX,
        "m.room.member",
        &json!({"membership": "leave"}),
    );
    leave["state_key"] = json!(ALICE_MATRIX);
    world.push(&[leave]).await;
    client.expect("conversation.updated").await;
    world.push(&[world.message(ROOM, FRIEND, "too late")]).await;
    // Had there been a frame for it, it would come first.
    world.append(ALICE, &[removed()]).await;
    client.expect("conversation.removed").await;
}

/// Both are of one push, and ready at about the same time.
#[tokio::test(flavor = "multi_thread")]
async fn what_passes_comes_beside_what_was_stored_with_it() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    let typing = json!({"type": "m.typing", "room_id": ROOM, "content": {"user_ids": [FRIEND]}});
    for _ in 0..100 {
        let message = world.message(ROOM, FRIEND, "hi");
        world
            .transaction(&json!({"events": [message], "ephemeral": [typing]}))
            .await;
        let mut wanted = vec!["message.created", "typing"];
        while !wanted.is_empty() {
            let frame = client.next().await.unwrap();
            wanted.retain(|kind| frame["type"] != *kind);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_passes_without_a_cursor() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    let conversation = world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    world.push(&[world.message(ROOM, FRIEND, "hi")]).await;
    let message = client.expect("message.created").await;
    let typing = json!({"type": "m.typing", "room_id": ROOM, "content": {"user_ids": [FRIEND]}});
    world
        .transaction(&json!({"events": [], "ephemeral": [typing]}))
        .await;
    let frame = client.expect("typing").await;
    assert_eq!(frame["cursor"], Value::Null);
    let friend = &message["data"]["message"]["sender"]["id"];
    assert_eq!(
        frame["data"],
        json!({"conversationId": conversation, "participantIds": [friend]})
    );
}
