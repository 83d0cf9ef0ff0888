//! Discovery in a little world: a homeserver that knows the state of some rooms, and
//! the job that asks for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use serde_json::{Map, Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tributary::{
    config,
    db::{
        self,
        jobs::{NewJob, enqueue},
    },
    jobs::{Handlers, KindLimits, Runner, Timing, Waker, discover::Discover},
    matrix::client::{CallLimits, Homeserver},
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use super::{eventually, world::World};

pub(crate) const BOT: &str = "@facebookbot:lab.local";

/// A portal, as the bridge makes its room.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) id: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) channel: &'static str,
    pub(crate) receiver: &'static str,
    pub(crate) created_ts: i64,
    pub(crate) name: Option<&'static str>,
    pub(crate) members: Vec<(&'static str, &'static str)>,
    pub(crate) predecessor: Option<&'static str>,
    /// Who wrote the tombstone, and of which room it speaks.
    pub(crate) tombstone: Option<(&'static str, &'static str)>,
}

impl Room {
    /// Its `m.bridge`; another identity makes another event of it.
    pub(crate) fn bridge(&self) -> Value {
        let (channel, receiver) = (self.channel, self.receiver);
        let content = json!({
            "bridgebot": BOT, "protocol": {"id": self.protocol},
            "channel": {"id": channel, "fi.mau.receiver": receiver},
            "com.beeper.room_type.v2": "dm",
        });
        let id = format!("bridge-{channel}-{receiver}");
        self.event(&id, "m.bridge", BOT, "k", &content)
    }

    /// Its tombstone.
    pub(crate) fn tombstone(&self) -> Value {
        let (sender, replacement) = self.tombstone.unwrap();
        let content = json!({"body": "This room has been merged", "replacement_room": replacement});
        self.event("tombstone", "m.room.tombstone", sender, "", &content)
    }

    fn state(&self) -> Value {
        let mut create = json!({});
        if let Some(old) = self.predecessor {
            create["predecessor"] = json!({"room_id": old});
        }
        let mut state = vec![
            self.event("create", "m.room.create", BOT, "", &create),
            self.bridge(),
        ];
        state.extend(self.members.iter().map(|(user_id, name)| {
            let content = json!({"membership": "join", "displayname": name});
            self.event(user_id, "m.room.member", user_id, user_id, &content)
        }));
        if let Some(name) = self.name {
            state.push(self.event("name", "m.room.name", BOT, "", &json!({"name": name})));
        }
        state.extend(self.tombstone.map(|_| self.tombstone()));
        state.into()
    }

    fn event(&self, id: &str, kind: &str, sender: &str, key: &str, content: &Value) -> Value {
        json!({
            "type": kind, "room_id": self.id, "event_id": format!("${id}-{}", self.id),
            "sender": sender, "state_key": key, "origin_server_ts": self.created_ts,
            "content": content,
        })
    }
}

#[derive(Default)]
struct Answers {
    states: Mutex<BTreeMap<String, Value>>,
}

struct Answering(Arc<Answers>);

impl Respond for Answering {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().replace("%21", "!").replace("%3A", ":");
        let states = self.0.states.lock().unwrap().clone();
        let asked = states
            .iter()
            .find(|(id, _)| path.ends_with(&format!("/{id}/state")));
        let Some((_, state)) = asked else {
            return ResponseTemplate::new(403)
                .set_body_json(json!({"errcode": "M_FORBIDDEN", "error": "not in room"}));
        };
        ResponseTemplate::new(200).set_body_json(state)
    }
}

/// Runs `discover`, two at a time, against what the homeserver has been told of.
pub(crate) struct Discovery<'a> {
    world: &'a World,
    answers: Arc<Answers>,
    homeserver: MockServer,
    // It ends with this value.
    _running: DropGuard,
}

impl<'a> Discovery<'a> {
    pub(crate) async fn start(world: &'a World) -> Self {
        let answers = Arc::<Answers>::default();
        let homeserver = MockServer::start().await;
        Mock::given(any())
            .respond_with(Answering(Arc::clone(&answers)))
            .mount(&homeserver)
            .await;
        let discover = Discover {
            ingest: world.ingest.clone(),
            homeserver: client(&homeserver),
            backfill: config::Backfill::default(),
        };
        let limits = KindLimits {
            concurrency: 2,
            max_attempts: None,
        };
        let stop = CancellationToken::new();
        let runner = Runner::new(
            world.db.clone(),
            Handlers::default().with(discover, limits),
            Waker::new(Arc::clone(&world.ingest.jobs)),
            Timing::default(),
            stop.clone(),
        );
        tokio::spawn(runner.run());
        Self {
            world,
            answers,
            homeserver,
            _running: stop.drop_guard(),
        }
    }

    /// What `/state` of a room answers from now on.
    pub(crate) fn show(&self, room: &Room) {
        let mut states = self.answers.states.lock().unwrap();
        states.insert(room.id.to_owned(), room.state());
    }

    /// From now on nobody of the bridge can read a room.
    pub(crate) fn hide(&self, room: &Room) {
        self.answers.states.lock().unwrap().remove(room.id);
    }

    /// How often the state of a room was asked for.
    pub(crate) async fn asked(&self) -> usize {
        let requests = self.homeserver.received_requests().await.unwrap();
        let is_state = |request: &&Request| request.url.path().ends_with("/state");
        requests.iter().filter(is_state).count()
    }

    /// Discovers two rooms at once: neither goes on before both have looked at what
    /// there is.
    pub(crate) async fn discover_at_once(&self, room_ids: [&str; 2]) {
        const WAITING: &str = "SELECT count(*) FROM pg_locks l
            JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
            WHERE l.locktype = 'advisory' AND NOT l.granted";
        let rooms = room_ids.map(str::to_owned);
        let mut conn = self.world.db.get().await.unwrap();
        conn.transaction(async |conn| {
            db::rooms::lock(conn, &rooms).await?;
            self.enqueue(&room_ids).await;
            eventually("both wait for the rooms", async || {
                (self.world.count(WAITING).await == 2).then_some(())
            })
            .await;
            Ok::<_, db::QueryError>(())
        })
        .await
        .unwrap();
        drop(conn);
        self.settled().await;
    }

    /// Discovers rooms, and whatever that leads to.
    pub(crate) async fn discover(&self, room_ids: &[&str]) {
        self.enqueue(room_ids).await;
        self.settled().await;
    }

    async fn enqueue(&self, room_ids: &[&str]) {
        let job = |id: &&str| NewJob {
            kind: "discover",
            key: (*id).to_owned(),
            payload: Map::new(),
        };
        let jobs: Vec<_> = room_ids.iter().map(job).collect();
        let conn = self.world.db.get().await.unwrap();
        enqueue(&conn, &jobs).await.unwrap();
        self.world.ingest.jobs.notify_one();
    }

    /// Pushes an event, and waits for what follows from it.
    pub(crate) async fn push(&self, transaction_id: &str, event: Value) {
        self.world.push(transaction_id, &[event]).await;
        self.settled().await;
    }

    /// Waits until nothing is left to be discovered; what fails fails the test.
    pub(crate) async fn settled(&self) {
        #[derive(diesel::QueryableByName)]
        struct Job {
            #[diesel(sql_type = diesel::sql_types::Text)]
            state: String,
            #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
            error: Option<String>,
        }
        eventually("rooms are discovered", async || {
            self.world.ingest.jobs.notify_one();
            let mut conn = self.world.db.get().await.unwrap();
            let jobs: Vec<Job> = diesel::sql_query(
                "SELECT state, error FROM tributary.jobs WHERE kind = 'discover'",
            )
            .load(&mut conn)
            .await
            .unwrap();
            for job in &jobs {
                assert_eq!(job.error, None, "{}", job.state);
            }
            jobs.iter().all(|job| job.state == "done").then_some(())
        })
        .await;
    }
}

fn client(homeserver: &MockServer) -> Homeserver {
    let homeserver = config::Homeserver {
        url: homeserver.uri().parse().unwrap(),
        server_name: "lab.local".to_owned(),
    };
    Homeserver::new(&homeserver, "as".into(), &CallLimits::default()).unwrap()
}
