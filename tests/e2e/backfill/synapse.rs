//! What the homeserver itself says, asked with the bridge's token.

use std::collections::HashMap;

use serde_json::{Value, json};
use url::Url;

use crate::stack::Stack;

/// The history of a room.
pub(super) struct Walk {
    /// The newest first, as the homeserver orders them.
    pub(super) events: Vec<Value>,
    pub(super) pages: usize,
}

/// Walks back through a room's history as Tributary does, until it has that many
/// events, and stores nothing.
pub(super) async fn walk(stack: &Stack, room_id: &str, page_size: u32, enough: usize) -> Walk {
    let mut walk = Walk {
        events: Vec::new(),
        pages: 0,
    };
    let mut from: Option<String> = None;
    loop {
        let mut url = endpoint(stack, &["rooms", room_id, "messages"]);
        url.query_pairs_mut()
            .append_pair("dir", "b")
            .append_pair("limit", &page_size.to_string())
            .append_pair("filter", r#"{"lazy_load_members":true}"#)
            .append_pair("user_id", stack.fact("/bridge/bot"));
        if let Some(from) = &from {
            url.query_pairs_mut().append_pair("from", from);
        }
        let page = stack
            .http
            .get(url)
            .bearer_auth(stack.fact("/bridge/as_token"));
        let page: Value = page.send().await.unwrap().json().await.unwrap();
        let chunk = page["chunk"].as_array().expect("a page");
        walk.events.extend(chunk.iter().cloned());
        walk.pages += 1;
        match page["end"].as_str() {
            Some(end) if walk.events.len() < enough => from = Some(end.to_owned()),
            _ => return walk,
        }
    }
}

/// Does something in the name of the bridge's bot or of one of its ghosts.
pub(super) async fn act(stack: &Stack, user_id: &str, path: &[&str], content: &Value) -> Value {
    let mut url = endpoint(stack, path);
    url.query_pairs_mut().append_pair("user_id", user_id);
    let method = if path.contains(&"send") {
        reqwest::Method::PUT
    } else {
        reqwest::Method::POST
    };
    let answer = stack
        .http
        .request(method, url)
        .bearer_auth(stack.fact("/bridge/as_token"))
        .json(content)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let told: Value = answer.json().await.unwrap();
    assert!(status.is_success(), "{path:?}: {status} {told}");
    told
}

/// Who is in a room.
pub(super) async fn joined_members(stack: &Stack, room_id: &str) -> Vec<String> {
    let mut url = endpoint(stack, &["rooms", room_id, "joined_members"]);
    url.query_pairs_mut()
        .append_pair("user_id", stack.fact("/bridge/bot"));
    let members = stack
        .http
        .get(url)
        .bearer_auth(stack.fact("/bridge/as_token"));
    let members: Value = members.send().await.unwrap().json().await.unwrap();
    let joined = members["joined"].as_object().expect("members");
    joined.keys().cloned().collect()
}

/// Sends a message in the name of one of the bridge's ghosts; returns its event's id.
pub(super) async fn say(stack: &Stack, ghost: &str, room_id: &str, body: &str) -> String {
    let content = json!({"msgtype": "m.text", "body": body});
    let transaction = tributary::model::new_id().to_string();
    let path = ["rooms", room_id, "send", "m.room.message", &transaction];
    let sent = act(stack, ghost, &path, &content).await;
    sent["event_id"].as_str().unwrap().to_owned()
}

fn endpoint(stack: &Stack, path: &[&str]) -> Url {
    let mut url = Url::parse(stack.fact("/synapse_url")).unwrap();
    url.path_segments_mut()
        .unwrap()
        .extend(["_matrix", "client", "v3"])
        .extend(path);
    url
}

/// Synapse's log from a moment on.
pub(super) struct Log {
    path: std::path::PathBuf,
    begin: usize,
}

impl Log {
    pub(super) fn from_now(stack: &Stack) -> Self {
        let path = stack.log("synapse");
        let begin = std::fs::read(&path).unwrap().len();
        Self { path, begin }
    }

    /// How often each page of this size was handed out, by room and token. Who died
    /// before it was there has not got it.
    pub(super) fn pages(&self, page_size: u32) -> HashMap<(String, String), usize> {
        let log = std::fs::read(&self.path).unwrap();
        let log = String::from_utf8_lossy(&log[self.begin..]);
        let mut pages = HashMap::new();
        for line in log
            .lines()
            .filter(|line| line.contains("Processed request") && line.contains("B 200 "))
        {
            let request = line.split('"').find_map(|part| part.strip_prefix("GET "));
            let path = request.and_then(|request| request.split(' ').next());
            let Some(url) = path.and_then(|path| Url::parse(&format!("http://hs{path}")).ok())
            else {
                continue;
            };
            let path: Vec<_> = url.path_segments().unwrap().collect();
            let [.., room_id, "messages"] = path[..] else {
                continue;
            };
            let value = |key: &str| {
                let found = url.query_pairs().find(|(name, _)| name == key);
                found.map_or_else(String::new, |(_, value)| value.into_owned())
            };
            // Whoever died asks for two pages at once first.
            if [page_size, 2 * page_size]
                .map(|size| size.to_string())
                .contains(&value("limit"))
            {
                let room_id = room_id.replace("%21", "!");
                *pages.entry((room_id, value("from"))).or_default() += 1;
            }
        }
        pages
    }
}
