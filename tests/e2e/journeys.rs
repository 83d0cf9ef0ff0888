//! What people go through.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    people::{Customer, conversations, customer, digits},
    socket::{Client, bodies},
    stack::Stack,
};

async fn bodies_of(stack: &Stack, customer: &Customer, conversation: &Value) -> Vec<String> {
    let path = format!(
        "/api/conversations/{}/messages",
        conversation["id"].as_str().unwrap()
    );
    let mut items = stack.get_all(&customer.clerk, &path).await;
    items.reverse();
    items
        .iter()
        .map(|item| item["body"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_customers_see_exactly_theirs_and_lose_nothing_to_crashes() {
    let mut stack = Stack::start().await;
    let alice = customer(&stack, "alice", "1", true).await;
    let bob = customer(&stack, "bob", "2", false).await;
    let (carol, dave) = (
        format!("3{}", alice.remote_id),
        format!("4{}", alice.remote_id),
    );
    for (customer, friend) in [(&alice, &carol), (&bob, &dave)] {
        stack
            .remote(
                "/chat",
                json!({
                    "remoteId": customer.remote_id, "chatId": friend, "type": "dm",
                    "members": [{"id": friend, "name": format!("Friend {friend}")}],
                }),
            )
            .await;
        stack
            .remote(
                "/message",
                json!({
                    "remoteId": customer.remote_id, "chatId": friend, "senderId": friend,
                    "text": format!("for {}", customer.clerk),
                }),
            )
            .await;
    }
    let group = format!("5{}", alice.remote_id);
    stack
        .remote(
            "/chat",
            json!({
                "remoteId": alice.remote_id, "chatId": group, "type": "group", "name": "Team",
                "members": [{"id": carol, "name": format!("Friend {carol}")}, {"id": bob.remote_id, "name": "Bob"}],
            }),
        )
        .await;
    stack.remote("/chat", json!({
        "remoteId": bob.remote_id, "chatId": group, "type": "group", "name": "Team",
        "members": [{"id": carol, "name": format!("Friend {carol}")}, {"id": alice.remote_id, "name": "Alice"}],
    })).await;
    stack
        .remote(
            "/message",
            json!({
                "remoteId": alice.remote_id, "chatId": group, "senderId": carol, "text": "for both",
            }),
        )
        .await;

    for customer in [&alice, &bob] {
        stack
            .eventually("both conversations are complete", async || {
                let items = conversations(&stack, customer).await;
                let all = items.len() == 2 && items.iter().all(|c| c["lastMessage"].is_object());
                all.then_some(())
            })
            .await;
        let mut seen = Vec::new();
        for conversation in conversations(&stack, customer).await {
            seen.push((
                conversation["title"].as_str().unwrap().to_owned(),
                conversation["isGroup"].as_bool().unwrap(),
                bodies_of(&stack, customer, &conversation).await,
            ));
        }
        seen.sort();
        let friend = if customer.clerk == alice.clerk {
            &carol
        } else {
            &dave
        };
        assert_eq!(
            seen,
            [
                (
                    format!("Friend {friend}"),
                    false,
                    vec![format!("for {}", customer.clerk)]
                ),
                ("Team".to_owned(), true, vec!["for both".to_owned()]),
            ]
        );
    }

    let theirs = conversations(&stack, &bob).await;
    let direct = theirs.iter().find(|c| c["isGroup"] == false).unwrap()["id"]
        .as_str()
        .unwrap();
    let foreign = stack
        .http
        .get(stack.url(&format!("/api/conversations/{direct}")))
        .bearer_auth(stack.session_token(&alice.clerk))
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 404);

    crash_amid_500_messages(&mut stack, &alice, &bob, &group, &carol).await;
}

/// Kills Tributary twice in the middle of a stream and follows it over the socket.
async fn crash_amid_500_messages(
    stack: &mut Stack,
    alice: &Customer,
    bob: &Customer,
    group: &str,
    carol: &str,
) {
    const COUNT: usize = 500;
    let expected: Vec<_> = (1..=COUNT).map(|i| format!("burst {i}")).collect();
    let mut clients = [Client::new(&alice.clerk), Client::new(&bob.clerk)];
    for client in &mut clients {
        // A first frame to have a cursor to resume from.
        assert!(client.read_until(stack, |frames| !frames.is_empty()).await);
    }
    let http = stack.http.clone();
    let url = format!("{}/messages", stack.fact("/bridge/control_url"));
    let burst = json!({
        "remoteId": alice.remote_id, "chatId": group, "senderId": carol,
        "count": COUNT, "prefix": "burst",
    });
    let sending = tokio::spawn(async move {
        let request = http.post(url).timeout(Duration::from_mins(5)).json(&burst);
        request.send().await.unwrap().error_for_status().unwrap();
    });
    for crash_at in [100, 300] {
        let seen = |frames: &[Value]| {
            bodies(frames)
                .iter()
                .filter(|body| body.starts_with("burst"))
                .count()
                >= crash_at
        };
        while !clients[0].read_until(stack, seen).await {}
        stack.kill_tributary();
        stack.start_tributary().await;
    }
    sending.await.unwrap();
    for client in &mut clients {
        // The homeserver delivers out of order after a failure: the last message may
        // well come before one that has to be tried again.
        let all = |frames: &[Value]| {
            let bodies = bodies(frames);
            expected.iter().all(|body| bodies.contains(&body.as_str()))
        };
        let received = async { while !client.read_until(stack, all).await {} };
        let in_time = timeout(Duration::from_mins(2), received).await;
        assert!(in_time.is_ok(), "a message did not come over the socket");
        let received: Vec<_> = client
            .bodies()
            .into_iter()
            .filter(|body| body.starts_with("burst"))
            .collect();
        let mut sorted = received.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(
            sorted.len(),
            received.len(),
            "a message came twice over the socket"
        );
        assert_eq!(received.len(), COUNT);
    }
    for customer in [alice, bob] {
        let team = conversations(stack, customer).await;
        let team = team.iter().find(|c| c["isGroup"] == true).unwrap();
        let stored: Vec<_> = bodies_of(stack, customer, team).await;
        let stored: Vec<_> = stored
            .into_iter()
            .filter(|body| body.starts_with("burst"))
            .collect();
        assert_eq!(stored, expected);
    }
}

/// The one conversation of a customer whose messages are exactly these.
async fn eventually_reads(stack: &Stack, customer: &Customer, expected: &[&str]) -> Value {
    stack
        .eventually("the conversation is complete", async || {
            for conversation in conversations(stack, customer).await {
                if bodies_of(stack, customer, &conversation).await == expected {
                    // Read again: the list may be from before the last message.
                    let id = conversation["id"].as_str().unwrap();
                    let path = format!("/api/conversations/{id}");
                    return Some(stack.get(&customer.clerk, &path).await);
                }
            }
            None
        })
        .await
}

async fn say(stack: &Stack, customer: &Customer, chat: &str, text: &str) -> Value {
    let message = json!({
        "remoteId": customer.remote_id, "chatId": chat, "senderId": chat, "text": text,
    });
    stack.remote("/message", message).await
}

fn direct(customer: &Customer, chat: &str) -> Value {
    json!({
        "remoteId": customer.remote_id, "chatId": chat, "type": "dm",
        "members": [{"id": chat, "name": "Friend"}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_brings_what_was_before_it_and_an_unsend_takes_it_away() {
    let stack = Stack::start().await;
    let suffix = tributary::model::new_id().simple().to_string();
    let user = stack.matrix_user(&format!("erin-{suffix}"));
    let erin = Customer {
        clerk: format!("user_erin{suffix}"),
        remote_id: format!("6{}", digits(&suffix)),
        user,
    };
    let login =
        json!({"userId": erin.user.user_id, "remoteId": erin.remote_id, "remoteName": "Erin"});
    stack.remote("/login", login).await;
    let friend = format!("7{}", erin.remote_id);
    stack.remote("/chat", direct(&erin, &friend)).await;
    for text in ["one", "two", "three"] {
        say(&stack, &erin, &friend, text).await;
    }
    stack.link(&erin.clerk, &erin.user, &erin.remote_id).await;
    let chat = eventually_reads(&stack, &erin, &["one", "two", "three"]).await;
    assert_eq!(
        (&chat["title"], &chat["unreadCount"]),
        (&json!("Friend"), &json!(0))
    );

    let fourth = say(&stack, &erin, &friend, "four").await;
    let chat = eventually_reads(&stack, &erin, &["one", "two", "three", "four"]).await;
    assert_eq!(chat["unreadCount"], 1);
    let unsend = json!({
        "remoteId": erin.remote_id, "chatId": friend, "senderId": friend,
        "messageId": fourth["messageId"],
    });
    stack.remote("/unsend", unsend).await;
    let chat = eventually_reads(&stack, &erin, &["one", "two", "three", ""]).await;
    assert!(chat["lastMessage"]["deletedAt"].is_string(), "{chat}");
    assert_eq!(chat["unreadCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_made_anew_goes_on_as_the_same_conversation() {
    let stack = Stack::start().await;
    let frank = customer(&stack, "frank", "8", true).await;
    let friend = format!("9{}", frank.remote_id);
    let room = |answer: Value| answer["roomId"].as_str().unwrap().to_owned();
    let first = room(stack.remote("/chat", direct(&frank, &friend)).await);
    say(&stack, &frank, &friend, "in the first room").await;
    let before = eventually_reads(&stack, &frank, &["in the first room"]).await;
    assert_eq!(before["matrixRoomId"], first);

    let chat = json!({"remoteId": frank.remote_id, "chatId": friend});
    stack.remote("/delete-chat", chat).await;
    let second = room(stack.remote("/chat", direct(&frank, &friend)).await);
    assert_ne!(first, second);
    say(&stack, &frank, &friend, "in the second room").await;
    let after =
        eventually_reads(&stack, &frank, &["in the first room", "in the second room"]).await;
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["matrixRoomId"], second);
    assert_eq!(conversations(&stack, &frank).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_says_how_a_connection_is_doing() {
    let stack = Stack::start().await;
    let grace = customer(&stack, "grace", "10", true).await;
    let status = async |expected: &str| {
        stack
            .eventually(expected, async || {
                let status = stack.get(&grace.clerk, "/api/messenger/status").await;
                (status["status"] == expected).then_some(status)
            })
            .await
    };
    status("CONNECTED").await;
    let state = json!({
        "remoteId": grace.remote_id, "stateEvent": "BAD_CREDENTIALS",
        "error": "logged-out-elsewhere", "message": "Please log in again",
    });
    stack.remote("/state", state).await;
    assert_eq!(status("ERROR").await["error"], "Please log in again");
    let state = json!({"remoteId": grace.remote_id, "stateEvent": "CONNECTED"});
    stack.remote("/state", state).await;
    assert!(status("CONNECTED").await["error"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_drains_and_an_answer_that_was_lost_is_repeated_without_effect() {
    let mut stack = Stack::start().await;
    let heidi = customer(&stack, "heidi", "11", true).await;
    let friend = format!("12{}", heidi.remote_id);
    stack.remote("/chat", direct(&heidi, &friend)).await;
    say(&stack, &heidi, &friend, "hello").await;
    eventually_reads(&stack, &heidi, &["hello"]).await;

    let mode = |mode: &str| json!({"mode": mode, "classes": ["transactions"]});
    stack.switch(mode("drop-response")).await;
    say(&stack, &heidi, &friend, "committed, not answered").await;
    eventually_reads(&stack, &heidi, &["hello", "committed, not answered"]).await;
    stack.switch(mode("pass")).await;

    let code = {
        let mut client = Client::new(&heidi.clerk);
        let socket = client.open(&stack).await;
        let code = stack.stop_tributary();
        assert_eq!(Client::closed_with(socket).await, Some(1012));
        code
    };
    assert_eq!(code, Some(0));
    stack.start_tributary().await;
    say(&stack, &heidi, &friend, "after").await;
    eventually_reads(
        &stack,
        &heidi,
        &["hello", "committed, not answered", "after"],
    )
    .await;
}
