use std::sync::Arc;

use serde_json::{Value, json};
use tributary::{model::frame::FrameKind, stream::cursor::Cursor};
use uuid::Uuid;

use super::{
    ALICE, ALICE_MATRIX, BOB, BOB_MATRIX, FRIEND,
    client::{Server, cursor},
    world::World,
};

/// What identifies a frame: where it stands and what it says.
fn essence(frame: &Value) -> Value {
    json!([
        frame["cursor"],
        frame["type"],
        frame["data"]["message"]["matrixEventId"]
    ])
}

const WRITERS: usize = 6;
const PUSHES: usize = 17;

/// Writers in rooms of one user, of the other and of both, at once; every push
/// has two messages, so that positions are taken in transactions that overlap.
async fn write_concurrently(world: &Arc<World>) {
    let writers = (0..WRITERS).map(|writer| {
        let world = Arc::clone(world);
        tokio::spawn(async move {
            for push in 0..PUSHES {
                let other = (writer + push) % WRITERS;
                let events = [writer, other]
                    .map(|room| world.message(&format!("!room{room}:lab.local"), FRIEND, "hi"));
                world.push(&events).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_cursor_ever_received_yields_exactly_what_followed() {
    let world = Arc::new(World::new().await);
    world.connect(ALICE, ALICE_MATRIX).await;
    world.connect(BOB, BOB_MATRIX).await;
    for room in 0..WRITERS {
        let members: &[&str] = match room % 3 {
            0 => &[ALICE_MATRIX, FRIEND],
            1 => &[BOB_MATRIX, FRIEND],
            _ => &[ALICE_MATRIX, BOB_MATRIX, FRIEND],
        };
        world.room(&format!("!room{room}:lab.local"), members).await;
    }
    let server = Server::start(&world);
    let other = Server::of(world.replica());
    let mut start = server.open(&world, ALICE, None).await;
    let origin = cursor(&start.expect("hello").await);
    let writing = tokio::spawn({
        let world = Arc::clone(&world);
        async move { write_concurrently(&world).await }
    });

    // While they write, a client that is cut off again and again and goes on,
    // at one replica or the other.
    let expected = WRITERS * PUSHES * 2 * 2 / 3;
    let (mut broken, mut since, mut cut) = (Vec::new(), origin.clone(), 1);
    while broken.len() < expected {
        let replica = if cut % 2 == 0 { &server } else { &other };
        let mut client = replica.open(&world, ALICE, Some(&since)).await;
        client.expect("hello").await;
        // Any number will do, as long as they differ.
        cut = cut * 7 % 31;
        for _ in 0..=cut {
            if broken.len() == expected {
                break;
            }
            let frame = client.next().await.unwrap();
            since = cursor(&frame);
            if frame["type"] != "live" {
                broken.push(essence(&frame));
            }
        }
    }
    writing.await.unwrap();

    // The same stream at once is the truth to compare with.
    let whole = replay(&world, &server, &origin).await;
    assert_eq!(whole.len(), expected);
    assert_eq!(broken, whole);
    for (nth, frame) in whole.iter().enumerate() {
        let position = Cursor::parse(frame[0].as_str().unwrap()).unwrap().position;
        assert_eq!(position, i64::try_from(nth).unwrap() + 1);
    }
    let mut events: Vec<_> = whole.iter().map(|frame| frame[2].to_string()).collect();
    events.sort();
    events.dedup();
    assert_eq!(events.len(), expected, "a message came twice");

    // And from each cursor on.
    for (nth, frame) in whole.iter().enumerate() {
        let since = frame[0].as_str().unwrap();
        assert_eq!(replay(&world, &server, since).await, whole[nth + 1..]);
    }
}

/// Everything after a cursor, up to `live`.
async fn replay(world: &World, server: &Server, since: &str) -> Vec<Value> {
    let mut client = server.open(world, ALICE, Some(since)).await;
    let hello = client.expect("hello").await;
    assert_eq!(
        (&hello["cursor"], &hello["data"]["resumed"]),
        (&json!(since), &json!(true))
    );
    let mut frames = Vec::new();
    loop {
        let frame = client.next().await.unwrap();
        if frame["type"] == "live" {
            return frames;
        }
        frames.push(essence(&frame));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_cannot_be_resumed_is_answered_with_resync() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    let conversation_id = world.room("!room:lab.local", &[ALICE_MATRIX, FRIEND]).await;
    let removed = FrameKind::ConversationRemoved { conversation_id };
    world.append(ALICE, &[removed; 5]).await;
    let server = Server::start(&world);
    let mut client = server.open(&world, ALICE, None).await;
    let head = cursor(&client.expect("hello").await);
    let epoch = Cursor::parse(&head).unwrap().epoch;
    world
        .sql(
            "DELETE FROM tributary.outbox WHERE position <= 3;
              UPDATE tributary.stream_positions SET pruned_through = 3",
        )
        .await;
    let at = |epoch, user, position| Cursor::new(epoch, user, position).to_string();
    for (since, reason) in [
        (String::new(), "unknown"),
        ("nonsense".to_owned(), "unknown"),
        (at(epoch, ALICE, 6), "unknown"),
        (at(epoch, BOB, 4), "foreign"),
        (at(Uuid::nil(), ALICE, 4), "foreign"),
        (at(epoch, ALICE, 2), "expired"),
    ] {
        let mut client = server.open(&world, ALICE, Some(&since)).await;
        let hello = client.expect("hello").await;
        assert_eq!(
            (&hello["data"]["resumed"], &hello["cursor"]),
            (&json!(false), &Value::Null)
        );
        let resync = client.expect("resync").await;
        assert_eq!(resync["data"], json!({"reason": reason}), "{since}");
        assert_eq!(cursor(&resync), head);
        client.expect("live").await;
    }
    assert_eq!(replay(&world, &server, &at(epoch, ALICE, 3)).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_lags_behind_the_prune_is_told() {
    let world = World::with(json!({"websocket": {"heartbeat_seconds": 5}})).await;
    world.connect(ALICE, ALICE_MATRIX).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    let removed = FrameKind::ConversationRemoved {
        conversation_id: Uuid::nil(),
    };
    // Data waits for a token meanwhile.
    world.forward(70);
    assert!(client.is_quiet().await);
    // Only the frames of the last commit are at hand.
    world.append(ALICE, &[removed; 4]).await;
    world.append(ALICE, &[removed]).await;
    world
        .sql(
            "DELETE FROM tributary.outbox WHERE position <= 3;
              UPDATE tributary.stream_positions SET pruned_through = 3",
        )
        .await;
    let token = json!({"type": "auth", "token": world.token(ALICE)});
    client.say(token.to_string()).await;
    client.expect("authed").await;
    let resync = client.expect("resync").await;
    assert_eq!(resync["data"]["reason"], "expired");
    world.append(ALICE, &[removed]).await;
    client.expect("conversation.removed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_ends_every_socket() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    let conversation_id = world.room("!room:lab.local", &[ALICE_MATRIX, FRIEND]).await;
    let removed = FrameKind::ConversationRemoved { conversation_id };
    world.append(ALICE, &[removed; 5]).await;
    let server = Server::start(&world);
    let mut client = server.open(&world, ALICE, None).await;
    let since = cursor(&client.expect("hello").await);
    client.expect("live").await;
    // The backup is older than what this socket was sent.
    world
        .sql(
            "UPDATE tributary.installation SET epoch = gen_random_uuid();
              DELETE FROM tributary.outbox WHERE position > 2;
              UPDATE tributary.stream_positions SET position = 2",
        )
        .await;
    world.append(ALICE, &[removed]).await;
    assert_eq!(client.closed().await, 1012);
    let mut client = server.open(&world, ALICE, Some(&since)).await;
    client.expect("hello").await;
    let resync = client.expect("resync").await;
    assert_eq!(resync["data"]["reason"], "foreign");
    client.expect("live").await;
    world.append(ALICE, &[removed]).await;
    client.expect("conversation.removed").await;
}
