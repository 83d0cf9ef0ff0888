//! What the homeserver has queued for a push and forgets when it restarts.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, routing::put};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{note, shown, synapse, tables::Tables};
use crate::{
    people::{Customer, customer},
    stack::Stack,
};

const QUEUED: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restarted_homeserver_never_pushes_is_found() {
    let mut stack = Stack::start_anew(&[]).await;
    let olga = customer(&stack, "olga", "23", true).await;
    let mut chat = Chat::new(&stack, &olga).await;
    chat.says(&stack, "before", 1).await;
    // It is quiet, and known to be complete: there is no other reason to look at it again.
    let tables = Tables::of(&stack).await;
    stack
        .eventually("the room was compared", async || {
            let compared = tables.is_done("reconcile", &chat.room_id).await;
            compared.then_some(())
        })
        .await;

    assert_eq!(stack.stop_tributary(), Some(0));
    let recorder = Recorder::start().await;
    stack.point_switch_at(&recorder.url).await;
    let queued = chat.queued_when_the_homeserver_stops(&stack).await;
    stack.run_script(&["up", "synapse"]);
    let after = chat.says(&stack, "after", 1).await;
    stack
        .eventually("what comes later is pushed", async || {
            recorder.has(&after[0]).then_some(())
        })
        .await;
    let lost = queued.iter().filter(|id| !recorder.has(id)).count();
    note(&format!("{lost} of {QUEUED} queued events were lost"));
    assert!(lost > 0, "the homeserver has lost nothing");
    let history = synapse::walk(&stack, &chat.room_id, 1000, usize::MAX).await;
    for id in &queued {
        let known = history.events.iter().any(|event| event["event_id"] == **id);
        assert!(known, "{id} is not in the history");
    }
    stack.point_switch_at(stack.fact("/switch/target")).await;
    stack.start_tributary().await;
    chat.is_whole(&stack, "everything is found after a start")
        .await;

    // The same while Tributary runs, with nothing that comes later.
    chat.queued_when_the_homeserver_stops(&stack).await;
    stack
        .eventually("Tributary misses the homeserver", async || {
            let health = stack.http.get(stack.url("/healthz")).send().await.ok()?;
            let health: Value = health.json().await.ok()?;
            (health["homeserver"] == "down").then_some(())
        })
        .await;
    stack.run_script(&["up", "synapse"]);
    chat.is_whole(&stack, "everything is found after an outage")
        .await;
}

/// A direct chat, and all that was said in it.
struct Chat<'a> {
    customer: &'a Customer,
    friend: String,
    room_id: String,
    said: Vec<String>,
}

impl<'a> Chat<'a> {
    async fn new(stack: &Stack, customer: &'a Customer) -> Self {
        let friend = format!("24{}", customer.remote_id);
        let chat = json!({
            "remoteId": customer.remote_id, "chatId": friend, "type": "dm",
            "members": [{"id": friend, "name": "Friend"}],
        });
        let room = stack.remote("/chat", chat).await;
        Self {
            customer,
            friend,
            room_id: room["roomId"].as_str().unwrap().to_owned(),
            said: Vec::new(),
        }
    }

    /// Says something several times; returns the events' ids.
    async fn says(&mut self, stack: &Stack, prefix: &str, count: usize) -> Vec<String> {
        let messages = json!({
            "remoteId": self.customer.remote_id, "chatId": self.friend, "senderId": self.friend,
            "count": count, "prefix": prefix,
        });
        let sent = stack.remote("/messages", messages).await;
        let sent = sent["messages"].as_array().unwrap().iter();
        let ids: Vec<_> = sent
            .map(|message| message["eventId"].as_str().unwrap().to_owned())
            .collect();
        self.said.extend(ids.iter().cloned());
        ids
    }

    /// Stops the homeserver while a push hangs and more waits behind it; returns what
    /// waited.
    async fn queued_when_the_homeserver_stops(&mut self, stack: &Stack) -> Vec<String> {
        let transactions = |mode: &str| json!({"mode": mode, "classes": ["transactions"]});
        stack.switch(transactions("hang")).await;
        stack.count_anew().await;
        self.says(stack, "hanging", 1).await;
        stack
            .eventually("a push hangs", async || {
                let seen = stack.seen_by_switch().await;
                (seen["transactions"]["requests"] != 0).then_some(())
            })
            .await;
        let queued = self.says(stack, "queued", QUEUED).await;
        stack.run_script(&["down", "synapse"]);
        stack.switch(transactions("pass")).await;
        queued
    }

    async fn is_whole(&self, stack: &Stack, what: &str) {
        stack
            .eventually(what, async || {
                let shown = shown::all(stack, self.customer).await;
                let lines = shown.get(&self.room_id)?.iter();
                let ids: Vec<_> = lines.map(|line| line.event_id.clone()).collect();
                (ids == self.said).then_some(())
            })
            .await;
    }
}

/// Takes transactions in Tributary's place, and remembers what was in them.
struct Recorder {
    url: String,
    pushed: Pushed,
}

type Pushed = Arc<Mutex<HashSet<String>>>;

impl Recorder {
    async fn start() -> Self {
        let pushed = Pushed::default();
        let app = Router::new()
            .route("/_matrix/app/v1/transactions/{id}", put(record))
            .fallback(async || Json(json!({})))
            .with_state(Arc::clone(&pushed));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, pushed }
    }

    fn has(&self, event_id: &str) -> bool {
        self.pushed.lock().unwrap().contains(event_id)
    }
}

async fn record(State(pushed): State<Pushed>, Json(transaction): Json<Value>) -> Json<Value> {
    let events = transaction["events"].as_array().into_iter().flatten();
    let ids = events.filter_map(|event| event["event_id"].as_str());
    pushed.lock().unwrap().extend(ids.map(str::to_owned));
    Json(json!({}))
}
