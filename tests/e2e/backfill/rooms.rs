//! Rooms with hardly any history, and with much in little.

use serde_json::{Value, json};

use super::{history::PATIENCE, note, shown, synapse, tables::Tables};
use crate::{
    people::{Customer, stranger},
    stack::Stack,
};

/// As much as fits into an event.
const BIG: usize = 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn rooms_of_any_kind_are_brought_to_an_end() {
    let stack = Stack::start_anew(&[("BACKFILL__PAGE_SIZE", "1000")]).await;
    let tables = Tables::of(&stack).await;
    let nora = stranger(&stack, "nora", "18", true).await;
    let empty = room(&stack, &nora, "19").await;
    let single = room(&stack, &nora, "20").await;
    synapse::say(&stack, &ghost(&nora, "20"), &single, "the only one").await;
    let big = room(&stack, &nora, "21").await;
    for letter in 'a'..='z' {
        let body = letter.to_string().repeat(BIG);
        synapse::say(&stack, &ghost(&nora, "21"), &big, &body).await;
    }
    let left = room(&stack, &nora, "22").await;
    synapse::say(&stack, &ghost(&nora, "22"), &left, "good-bye").await;
    for room_id in [&empty, &single, &big, &left] {
        stack
            .eventually("the room is known", async || {
                tables.is_done("discover", room_id).await.then_some(())
            })
            .await;
    }
    // Tributary is not told that there is nobody left to read with.
    let refuse = json!({"mode": "refuse", "classes": ["transactions"]});
    stack.switch(refuse).await;
    everybody_leaves(&stack, &nora, &left).await;
    stack.link(&nora.clerk, &nora.user, &nora.remote_id).await;

    let ended = async |room_id: &String| {
        stack
            .within(PATIENCE, "the room's backfill has ended", async || {
                let jobs = tables.backfills().await.into_iter();
                let mut ended = jobs.filter(|job| {
                    job.room_id == *room_id && matches!(job.state.as_str(), "done" | "failed")
                });
                ended.next()
            })
            .await
    };
    for room_id in [&empty, &single, &big] {
        assert_eq!(ended(room_id).await.reason.as_deref(), Some("start"));
    }
    let nobody = ended(&left).await;
    note(&format!("a room that everybody left: {nobody:?}"));
    assert!(nobody.reason.is_some() || nobody.error.is_some());
    let shown = shown::all(&stack, &nora).await;
    let bodies = |room_id: &String| {
        let lines = shown[room_id].iter();
        lines.map(|line| line.body.clone()).collect::<Vec<_>>()
    };
    assert!(bodies(&empty).is_empty());
    assert_eq!(bodies(&single), ["the only one"]);
    let letters: Vec<_> = ('a'..='z').map(|c| c.to_string().repeat(BIG)).collect();
    assert!(bodies(&big) == letters, "{} big ones", bodies(&big).len());
}

fn remote_id(customer: &Customer, prefix: &str) -> String {
    format!("{prefix}{}", customer.remote_id)
}

fn ghost(customer: &Customer, prefix: &str) -> String {
    format!("@facebook_{}:lab.local", remote_id(customer, prefix))
}

/// A direct chat without any message.
async fn room(stack: &Stack, customer: &Customer, prefix: &str) -> String {
    let friend = remote_id(customer, prefix);
    let chat = json!({
        "remoteId": customer.remote_id, "chatId": friend, "type": "dm",
        "members": [{"id": friend, "name": "Friend"}],
    });
    let made = stack.remote("/chat", chat).await;
    made["roomId"].as_str().unwrap().to_owned()
}

/// Only the customer stays.
async fn everybody_leaves(stack: &Stack, customer: &Customer, room_id: &str) {
    let bot = stack.fact("/bridge/bot");
    let members = synapse::joined_members(stack, room_id).await;
    let others = members
        .into_iter()
        .filter(|id| *id != customer.user.user_id && id != bot);
    for user_id in others.chain([bot.to_owned()]) {
        synapse::act(stack, &user_id, &["rooms", room_id, "leave"], &Value::Null).await;
    }
}
