//! All that the API says to a customer, apart from what may differ between what was
//! pushed and what is found again.

use std::collections::HashMap;

use diesel_async::SimpleAsyncConnection as _;
use serde_json::{Value, json};

use super::chat;
use crate::{
    people::{Customer, conversations},
    stack::Stack,
};

/// Forgets what was ever said, and where; who is linked stays.
pub(super) async fn forget(stack: &Stack) {
    let mut conn = stack.database().await;
    conn.batch_execute(
        "DELETE FROM tributary.conversations;
         DELETE FROM tributary.rooms;
         DELETE FROM tributary.media;
         DELETE FROM tributary.transactions;
         DELETE FROM tributary.dead_letters;
         DELETE FROM tributary.jobs;
         DELETE FROM tributary.outbox;",
    )
    .await
    .unwrap();
}

/// Waits until discovery has found the rooms again, and their history is there.
pub(super) async fn eventually_filled(stack: &Stack, customer: &Customer) {
    stack
        .eventually("the rooms are found", async || {
            let all = conversations(stack, customer).await;
            (!all.is_empty()).then_some(())
        })
        .await;
    chat::filled(stack, customer).await;
}

/// The conversations, each followed by its messages with their contents and versions.
pub(super) async fn of(stack: &Stack, customer: &Customer) -> Vec<Value> {
    let mut mirror = Vec::new();
    let mut names = HashMap::new();
    for listed in conversations(stack, customer).await {
        let id = listed["id"].as_str().unwrap();
        let path = format!("/api/conversations/{id}");
        let mut conversation = stack.get(&customer.clerk, &path).await;
        let people = conversation["participants"].as_array_mut().unwrap();
        people.sort_by_key(|person| person["matrixUserId"].to_string());
        for person in people {
            name(&mut names, person, "matrixUserId");
        }
        name(&mut names, &conversation, "matrixRoomId");
        mirror.push(conversation);
        let path = format!("/api/conversations/{id}/messages");
        for message in stack.get_all(&customer.clerk, &path).await {
            let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
            let message = stack.get(&customer.clerk, &path).await;
            name(&mut names, &message, "matrixEventId");
            for file in message["attachments"].as_array().unwrap() {
                let address = message["content"]["url"].as_str().unwrap();
                names.insert(
                    file["mediaId"].as_str().unwrap().to_owned(),
                    address.to_owned(),
                );
            }
            mirror.push(message);
        }
    }
    for value in &mut mirror {
        comparable(value, &names);
    }
    mirror
}

fn name(names: &mut HashMap<String, String>, value: &Value, key: &str) {
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    names.insert(text("id"), text(key));
}

fn comparable(value: &mut Value, names: &HashMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = names.get(text.as_str()) {
                *value = json!(name);
            }
        }
        Value::Array(items) => {
            for item in items {
                comparable(item, names);
            }
        }
        Value::Object(map) => {
            for key in ["historical", "unreadCount", "createdAt", "updatedAt"] {
                map.remove(key);
            }
            for item in map.values_mut() {
                comparable(item, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
