use std::{io::ErrorKind, time::Duration};

use diesel_async::SimpleAsyncConnection as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{
    ALICE, ALICE_MATRIX, BOB, FRIEND,
    client::{Server, cursor},
    support::{eventually, world::somebody_waits_for},
    world::World,
};

const ROOM: &str = "!room:lab.local";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_protocol_is_malformed() {
    let world = World::new().await;
    let server = Server::start(&world);
    for message in [
        Message::text("{"),
        Message::text(r#"{"type":"other"}"#),
        Message::text(r#"{"type":"auth"}"#),
        Message::binary(r#"{"type":"ping"}"#.as_bytes().to_vec()),
    ] {
        let mut client = server.live(&world, ALICE).await;
        client.socket.send(message).await.unwrap();
        assert_eq!(client.closed().await, 1008);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_too_much_is_closed() {
    let world = World::new().await;
    let server = Server::start(&world);
    let auth = json!({"type": "auth", "token": world.token(ALICE)}).to_string();
    for message in [
        Message::text(r#"{"type":"ping"}"#),
        Message::text(auth),
        Message::Ping(bytes::Bytes::new()),
        Message::Pong(bytes::Bytes::new()),
    ] {
        let client = server.live(&world, ALICE).await;
        let (mut write, mut read) = client.socket.split();
        let flood = async {
            // It is closed under this one's hands.
            while write.send(message.clone()).await.is_ok() {}
        };
        let (mut answers, mut closed) = (0, None);
        let reading = async {
            while let Some(Ok(message)) = read.next().await {
                match message {
                    Message::Close(frame) => closed = frame,
                    _ => answers += 1,
                }
            }
        };
        let both = async { tokio::join!(flood, reading) };
        let _ = tokio::time::timeout(Duration::from_secs(20), both).await;
        let closed = closed.unwrap();
        assert_eq!(
            (u16::from(closed.code), closed.reason.as_str()),
            (1008, "too many frames")
        );
        assert!((0..400).contains(&answers), "{answers} for {message:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_what_clients_say_stays() {
    let world = World::new().await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    for _ in 0..30 {
        assert!(client.is_quiet().await);
        let auth = json!({"type": "auth", "token": world.token(ALICE)});
        client.say(auth.to_string()).await;
        client.expect("authed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_over_64_kib_is_too_long() {
    let world = World::new().await;
    let server = Server::start(&world);
    let padded = |length: usize| {
        let ping = r#"{"type":"ping"}"#;
        format!("{ping}{}", " ".repeat(length - ping.len()))
    };
    let mut client = server.live(&world, ALICE).await;
    client.say(padded(64 * 1024)).await;
    client.expect("pong").await;
    client.say(padded(64 * 1024 + 1)).await;
    assert_eq!(client.closed().await, 1009);
    // One that is not even read: the client may find the connection reset while it writes.
    let client = server.live(&world, ALICE).await;
    let (mut write, mut read) = client.socket.split();
    let written = tokio::spawn(async move { write.send(Message::text(padded(4 << 20))).await });
    let close = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match read.next().await {
                Some(Ok(Message::Close(Some(frame)))) => break frame.code.into(),
                Some(Ok(_)) => {}
                _ => break 1006,
            }
        }
    });
    assert_eq!(close.await.unwrap(), 1009_u16);
    written.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_socket_too_many_closes_the_oldest() {
    let world = World::with(json!({"limits": {"sockets_per_user": 2}})).await;
    let server = Server::start(&world);
    let mut oldest = server.live(&world, ALICE).await;
    let mut second = server.live(&world, ALICE).await;
    let mut other = server.live(&world, BOB).await;
    let mut third = server.live(&world, ALICE).await;
    assert_eq!(oldest.closed().await, 4429);
    for kept in [&mut second, &mut third, &mut other] {
        assert!(kept.is_quiet().await);
    }
    assert_eq!(server.hub.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_answer_a_close_keeps_no_connection_to_the_database() {
    let world = World::new().await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.open(&world, ALICE, None).await;
    let since = cursor(&client.expect("hello").await);
    drop(client);
    eventually("nobody leaves", async || {
        server.hub.is_empty().then_some(())
    })
    .await;
    // With nobody there nothing of it is at hand.
    world.push(&[world.message(ROOM, FRIEND, "Hello")]).await;
    let others = world.database.pool();
    let mut holder = others.get().await.unwrap();
    let hold = "BEGIN; LOCK TABLE tributary.outbox IN ACCESS EXCLUSIVE MODE";
    holder.batch_execute(hold).await.unwrap();
    let mut client = server.open(&world, ALICE, Some(&since)).await;
    client.expect("hello").await;
    somebody_waits_for(&others, "outbox").await;
    client.socket.send(Message::text("{")).await.unwrap();
    assert_eq!(client.closed().await, 1008);
    eventually("the connection is kept", async || {
        (world.app.db.pool().used == 0).then_some(())
    })
    .await;
    let stream = client.socket.into_inner().into_std().unwrap();
    let unread = stream.peek(&mut [0]).unwrap_err();
    assert_eq!(
        unread.kind(),
        ErrorKind::WouldBlock,
        "the peer is waited for no longer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_stop_every_socket_is_told_and_waited_for() {
    let world = World::new().await;
    let server = Server::start(&world);
    let mut clients = Vec::new();
    for user in [ALICE, BOB] {
        clients.push(server.live(&world, user).await);
    }
    world.app.stop.cancel();
    for client in &mut clients {
        assert_eq!(client.closed().await, 1012);
    }
    let query = format!("?token={}", world.token(ALICE));
    let refused = server.handshake(server.request(&query)).await;
    assert_eq!(refused.err().unwrap().status, 503);
    // The answers to the closes.
    drop(clients);
    tokio::time::timeout(Duration::from_secs(20), server.hub.drained())
        .await
        .unwrap();
    assert!(server.hub.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_is_too_slow_and_can_resume() {
    let world = World::with(json!({"websocket": {"max_queue": 20}})).await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    let body = "x".repeat(8 * 1024);
    let bodies: Vec<_> = (0..100).map(|nth| format!("{nth} {body}")).collect();
    for body in &bodies {
        world.push(&[world.message(ROOM, FRIEND, body)]).await;
    }
    eventually("the socket leaves", async || {
        server.hub.is_empty().then_some(())
    })
    .await;
    let (mut got, mut last) = (Vec::new(), None);
    let close = loop {
        match client.next().await {
            Ok(frame) => {
                last = Some(cursor(&frame));
                got.push(
                    frame["data"]["message"]["body"]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                );
            }
            Err(close) => break close.unwrap(),
        }
    };
    assert_eq!(u16::from(close.code), 4408);
    assert!(got.len() < bodies.len());
    let mut client = server.open(&world, ALICE, last.as_deref()).await;
    client.expect("hello").await;
    while let Ok(frame) = client.next().await {
        if frame["type"] == "live" {
            break;
        }
        got.push(
            frame["data"]["message"]["body"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert!(got == bodies, "{} frames of {}", got.len(), bodies.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_a_burst_is_not_too_slow() {
    let world = World::with(json!({"websocket": {"max_queue": 5}})).await;
    world.connect(ALICE, ALICE_MATRIX).await;
    world.room(ROOM, &[ALICE_MATRIX, FRIEND]).await;
    let server = Server::start(&world);
    let mut client = server.live(&world, ALICE).await;
    let events: Vec<_> = (0..300)
        .map(|_| world.message(ROOM, FRIEND, &"x".repeat(1000)))
        .collect();
    world.push(&events).await;
    for event in events {
        let frame = client.expect("message.created").await;
        assert_eq!(frame["data"]["message"]["matrixEventId"], event["event_id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_no_ping_is_gone() {
    // Gone is who is silent for two and a half of them: so long the lively one may be late.
    let world = World::with(json!({"websocket": {"heartbeat_seconds": 4}})).await;
    let server = Server::start(&world);
    // A client that reads answers pings by itself; one that is not polled does not.
    let silent = server.live(&world, ALICE).await;
    let mut lively = server.live(&world, BOB).await;
    let reading = tokio::spawn(async move { lively.closed().await });
    eventually("the silent one leaves", async || {
        (server.hub.len() == 1).then_some(())
    })
    .await;
    assert!(!reading.is_finished());
    reading.abort();
    drop(silent);
}
