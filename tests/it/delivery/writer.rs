//! A homeserver that pushes to whichever replica is there, as often as it takes.

use std::{sync::Arc, time::Duration};

use rand::{Rng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    ROOMS,
    fleet::{Fleet, HS_TOKEN, REPLICAS},
};
use crate::support::world::{redaction, state, text};

pub(super) const CAROL: &str = "@facebook_2001:lab.local";
pub(super) const DAVE: &str = "@facebook_2002:lab.local";

pub(super) struct Writer {
    fleet: Arc<Fleet>,
    nth: usize,
    random: StdRng,
    stopped: watch::Receiver<bool>,
    events: usize,
    /// What was said: the room, who, and the event's id.
    said: Vec<(String, &'static str, String)>,
}

/// The id of the nth room.
pub(super) fn room(nth: usize) -> String {
    format!("!room{nth}:lab.local")
}

impl Writer {
    pub(super) fn new(
        fleet: Arc<Fleet>,
        nth: usize,
        random: StdRng,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            fleet,
            nth,
            random,
            stopped,
            events: 0,
            said: Vec::new(),
        }
    }

    /// Writes until it is stopped; how many events were taken.
    pub(super) async fn write(mut self) -> usize {
        let mut transaction = 0;
        while !*self.stopped.borrow() {
            let events: Vec<_> = (0..self.random.random_range(1..8))
                .map(|_| self.event())
                .collect();
            let id = format!("{}-{transaction}", self.nth);
            let body = json!({ "events": events });
            self.push(&id, &body).await;
            transaction += 1;
        }
        self.events
    }

    fn event(&mut self) -> Value {
        let id = format!("$w{}-{}", self.nth, self.events);
        self.events += 1;
        let about = self.said.len().checked_sub(1).map(|last| {
            // Mostly something recent: that is where two changes meet.
            let back = self.random.random_range(0..=last.min(20));
            self.said[last - back].clone()
        });
        match (self.random.random_range(0..100), about) {
            (0..12, Some((room, sender, target))) => {
                let body = format!("edited by {id}");
                let mut event = text(&room, &id, sender, &format!("* {body}"));
                event["content"]["m.new_content"] = json!({"msgtype": "m.text", "body": body});
                event["content"]["m.relates_to"] =
                    json!({"rel_type": "m.replace", "event_id": target});
                event
            }
            (12..20, Some((room, _, target))) => {
                let relation = json!({"rel_type": "m.annotation", "event_id": target, "key": id});
                let mut event = text(&room, &id, DAVE, "");
                event["type"] = json!("m.reaction");
                event["content"] = json!({"m.relates_to": relation});
                event
            }
            (20..26, Some((room, sender, target))) => redaction(&room, &id, sender, &target),
            (26..28, _) => {
                let room = room(self.random.random_range(0..ROOMS.len()));
                state(&room, &id, "m.room.name", &json!({"name": id}))
            }
            _ => {
                let room = room(self.random.random_range(0..ROOMS.len()));
                let sender = if self.random.random() { CAROL } else { DAVE };
                self.said.push((room.clone(), sender, id.clone()));
                text(&room, &id, sender, &format!("said by {id}"))
            }
        }
    }

    /// Until it is taken; now and then at both replicas at once.
    async fn push(&mut self, id: &str, body: &Value) {
        loop {
            let first = self.random.random_range(0..REPLICAS);
            let taken = if self.random.random_range(0..20) == 0 {
                let other = (first + 1) % REPLICAS;
                let (one, other) =
                    tokio::join!(self.put(first, id, body), self.put(other, id, body));
                one || other
            } else {
                self.put(first, id, body).await
            };
            if taken {
                return;
            }
        }
    }

    async fn put(&self, replica: usize, id: &str, body: &Value) -> bool {
        let address = self.fleet.address(replica);
        let url = format!("http://{address}/_matrix/app/v1/transactions/{id}");
        let put = self.fleet.http.put(url).bearer_auth(HS_TOKEN).json(body);
        let answer = put.timeout(Duration::from_secs(30)).send().await;
        answer.is_ok_and(|answer| answer.status().as_u16() == 200)
    }
}
