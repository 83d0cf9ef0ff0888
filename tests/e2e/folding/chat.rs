//! A group chat of a customer, and the frames about it, one by one.

use std::{collections::HashMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use super::words::{self, SELF, Words};
use crate::{
    people::{Customer, conversations},
    socket::{Client, Socket},
    stack::Stack,
};

/// As long as [`Stack::eventually`] waits.
const PATIENCE: Duration = Duration::from_mins(1);
/// A session outlives its tokens, which are good for a minute.
const RENEWED_AFTER: Duration = Duration::from_secs(20);

pub(super) struct Chat<'a> {
    stack: &'a Stack,
    customer: &'a Customer,
    socket: Socket,
    renewed_at: Instant,
    id: String,
    room_id: String,
    remote_id: String,
    /// Remote ids by name.
    people: HashMap<&'static str, String>,
    pub(super) words: Words,
    /// What the conversation was last told to be.
    shown: String,
}

/// A message, for the bridge and for Matrix.
pub(super) struct Said {
    pub(super) message_id: String,
    pub(super) event_id: String,
}

impl<'a> Chat<'a> {
    /// The group of the customer, Carol and Dave, with a first message that tells
    /// that it is mapped and filled.
    pub(super) async fn new(stack: &'a Stack, customer: &'a Customer) -> Self {
        let people = HashMap::from([
            (SELF, customer.remote_id.clone()),
            ("carol", format!("14{}", customer.remote_id)),
            ("dave", format!("15{}", customer.remote_id)),
        ]);
        let remote_id = format!("16{}", customer.remote_id);
        let room = json!({
            "remoteId": customer.remote_id, "chatId": remote_id, "type": "group", "name": "Team",
            "members": [{"id": people["carol"], "name": "Carol"}, {"id": people["dave"], "name": "Dave"}],
        });
        let room = stack.remote("/chat", room).await;
        let hello = json!({
            "remoteId": customer.remote_id, "chatId": remote_id, "senderId": people["carol"],
            "text": "hello",
        });
        stack.remote("/message", hello).await;
        let id = stack
            .eventually("the chat is there", async || {
                let all = conversations(stack, customer).await;
                let chat = all.first().filter(|c| c["lastMessage"].is_object())?;
                Some(chat["id"].as_str().unwrap().to_owned())
            })
            .await;
        filled(stack, customer).await;
        let mut chat = Self {
            stack,
            customer,
            socket: Client::new(&customer.clerk).open(stack).await,
            renewed_at: Instant::now(),
            id,
            room_id: room["roomId"].as_str().unwrap().to_owned(),
            remote_id,
            people,
            words: Words::default(),
            shown: String::new(),
        };
        chat.learn_names().await;
        chat.shown = words::conversation(&chat.conversation().await);
        chat
    }

    async fn learn_names(&mut self) {
        for participant in self.conversation().await["participants"]
            .as_array()
            .unwrap()
        {
            let external = participant["externalId"].as_str();
            let known = self
                .people
                .iter()
                .find(|(_, id)| Some(id.as_str()) == external);
            let name = if participant["isSelf"] == true {
                SELF
            } else {
                *known.expect("a stranger").0
            };
            let id = participant["id"].as_str().unwrap().to_owned();
            self.words.names.insert(id, name);
        }
        assert_eq!(self.words.names.len(), 3, "{:?}", self.words.names);
    }

    pub(super) async fn conversation(&self) -> Value {
        let path = format!("/api/conversations/{}", self.id);
        self.stack.get(&self.customer.clerk, &path).await
    }

    pub(super) async fn unread(&self) -> i64 {
        self.conversation().await["unreadCount"].as_i64().unwrap()
    }

    /// Something on Messenger, by one of its people.
    pub(super) async fn remote(&self, path: &str, person: &str, more: Value) -> Value {
        let mut body = json!({
            "remoteId": self.customer.remote_id, "chatId": self.remote_id,
            "senderId": self.people[person],
        });
        let Value::Object(more) = more else {
            panic!("no object")
        };
        body.as_object_mut().unwrap().extend(more);
        self.stack.remote(path, body).await
    }

    /// The chat under a name, with these people.
    pub(super) async fn renamed(&self, name: &str, carol: &str) {
        let chat = json!({
            "remoteId": self.customer.remote_id, "chatId": self.remote_id, "type": "group", "name": name,
            "members": [{"id": self.people["carol"], "name": carol},
                        {"id": self.people["dave"], "name": "Dave"}],
        });
        self.stack.remote("/chat", chat).await;
    }

    pub(super) async fn says(&self, person: &str, text: &str) -> Said {
        self.sends(person, json!({"text": text})).await
    }

    pub(super) async fn sends(&self, person: &str, message: Value) -> Said {
        let sent = self.remote("/message", person, message).await;
        Said {
            message_id: sent["messageId"].as_str().unwrap().to_owned(),
            event_id: sent["eventId"].as_str().unwrap().to_owned(),
        }
    }

    /// A request of the customer's own Matrix client about this room.
    pub(super) async fn matrix(&self, method: &str, path: &[&str], content: Value) -> String {
        let mut url: Url = self.stack.fact("/synapse_url").parse().unwrap();
        url.path_segments_mut()
            .unwrap()
            .extend(["_matrix", "client", "v3", "rooms", &self.room_id])
            .extend(path);
        let answer = self
            .stack
            .http
            .request(method.parse().unwrap(), url)
            .bearer_auth(&self.customer.user.access_token)
            .json(&content)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path:?}: {status} {body}");
        body["event_id"].as_str().unwrap_or_default().to_owned()
    }

    /// An event of the customer's own Matrix client.
    pub(super) async fn event(&self, kind: &str, content: Value) -> String {
        let transaction = tributary::model::new_id().to_string();
        self.matrix("PUT", &["send", kind, &transaction], content)
            .await
    }

    pub(super) async fn redact(&self, event_id: &str) {
        let transaction = tributary::model::new_id().to_string();
        self.matrix("PUT", &["redact", event_id, &transaction], json!({}))
            .await;
    }

    /// All that the socket says next.
    pub(super) async fn told(&mut self, expected: &str) {
        let told = self.next_news().await;
        assert_eq!(told, expected);
    }

    /// All that the socket says next; frames without a cursor have no order.
    pub(super) async fn told_both(&mut self, mut expected: [&str; 2]) {
        let mut told = [self.next_news().await, self.next_news().await];
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected);
    }

    async fn renew(&mut self) {
        if self.renewed_at.elapsed() < RENEWED_AFTER {
            return;
        }
        self.renewed_at = Instant::now();
        let token = self.stack.session_token(&self.customer.clerk);
        let auth = json!({"type": "auth", "token": token}).to_string();
        self.socket.send(Message::text(auth)).await.unwrap();
    }

    /// The next frame that says something new.
    async fn next_news(&mut self) -> String {
        self.renew().await;
        loop {
            let frame = self.next_frame().await;
            let described = self.words.frame(&frame);
            // A rename is several state events, of which each may say what the last one did.
            if described == self.shown {
                continue;
            }
            if frame["type"] == "conversation.updated" {
                self.shown.clone_from(&described);
            }
            return described;
        }
    }

    async fn next_frame(&mut self) -> Value {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await;
            let message = message.expect("a frame in time").unwrap().unwrap();
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] != "authed" {
                    return frame;
                }
            }
        }
    }

    /// Every message, the oldest first.
    pub(super) async fn messages(&self) -> Vec<Value> {
        let path = format!("/api/conversations/{}/messages", self.id);
        let mut all = self.stack.get_all(&self.customer.clerk, &path).await;
        all.reverse();
        all
    }

    /// A message with its versions.
    pub(super) async fn full(&self, message: &Value) -> Value {
        let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
        self.stack.get(&self.customer.clerk, &path).await
    }
}

/// Waits until the history of all rooms of a customer is there.
pub(super) async fn filled(stack: &Stack, customer: &Customer) {
    stack
        .eventually("the history is there", async || {
            let status = stack.get(&customer.clerk, "/api/messenger/status").await;
            let backfill = &status["connections"][0]["backfill"];
            let done = backfill["roomsDone"] == backfill["roomsTotal"];
            (done && backfill["roomsTotal"] != 0).then_some(())
        })
        .await;
}

/// A file for the bridge to upload.
pub(super) fn file(name: &str, mime_type: &str, more: &Value) -> Value {
    let mut media = json!({
        "filename": name, "mimeType": mime_type, "data": STANDARD.encode(name),
    });
    media
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    media
}
