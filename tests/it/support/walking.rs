//! A runner of the jobs that read a room's history, and a homeserver that has one.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tributary::{
    config,
    db::jobs::{self, Job, JobState, NewJob},
    jobs::{
        Handlers, KindLimits, Runner, Timing, Waker,
        backfill::{Backfill, Span},
        reconcile::Reconcile,
    },
    matrix::client::{CallLimits, Homeserver},
};
use uuid::Uuid;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::path_regex};

use super::{eventually, world::World};

/// The page size of the backfills.
pub(crate) const PAGE: u32 = 5;

/// Starts the jobs `backfill` and `reconcile` of a world; they end with the guard.
pub(crate) fn start(world: &World, homeserver: &MockServer) -> DropGuard {
    let homeserver = config::Homeserver {
        url: homeserver.uri().parse().unwrap(),
        server_name: "lab.local".to_owned(),
    };
    let homeserver = Homeserver::new(&homeserver, "as".into(), &CallLimits::default()).unwrap();
    let limits = || KindLimits {
        concurrency: 1,
        max_attempts: None,
    };
    let backfill = Backfill {
        ingest: world.ingest.clone(),
        homeserver: homeserver.clone(),
        page_size: PAGE,
    };
    let reconcile = Reconcile {
        ingest: world.ingest.clone(),
        homeserver,
    };
    let stop = CancellationToken::new();
    let runner = Runner::new(
        world.db.clone(),
        Handlers::default()
            .with(backfill, limits())
            .with(reconcile, limits()),
        Waker::new(Arc::clone(&world.ingest.jobs)),
        Timing::default(),
        stop.clone(),
    );
    tokio::spawn(runner.run());
    stop.drop_guard()
}

/// Queues a job and waits until it is done.
pub(crate) async fn done(
    world: &World,
    kind: &'static str,
    room_id: &str,
    payload: Map<String, Value>,
) -> Job {
    let id = ask(world, kind, room_id, payload).await;
    ended(world, id).await
}

/// Queues a job, or widens the one that is active.
pub(crate) async fn ask(
    world: &World,
    kind: &'static str,
    room_id: &str,
    payload: Map<String, Value>,
) -> Uuid {
    let job = NewJob {
        kind,
        key: room_id.to_owned(),
        payload,
    };
    let conn = world.db.get().await.unwrap();
    let id = jobs::enqueue(&conn, &[job]).await.unwrap()[0].id;
    world.ingest.jobs.notify_one();
    id
}

/// A job as it is now.
pub(crate) async fn job(world: &World, id: Uuid) -> Job {
    let conn = world.db.get().await.unwrap();
    jobs::get(&conn, id).await.unwrap().unwrap()
}

/// Waits until a job is done.
pub(crate) async fn ended(world: &World, id: Uuid) -> Job {
    eventually("the job is not done", async || {
        let job = job(world, id).await;
        (job.state == JobState::Done).then_some(job)
    })
    .await
}

/// How far back a walk goes.
pub(crate) fn span(days: u32, max_messages: u32) -> Map<String, Value> {
    Span { days, max_messages }.payload()
}

/// The history of a room, the oldest event first, as `/messages` turns its pages.
#[derive(Clone, Default)]
pub(crate) struct History(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    events: Vec<Value>,
    asked: Vec<String>,
    forgotten: bool,
    hidden: Vec<Value>,
    failures: usize,
}

impl History {
    pub(crate) async fn serve(&self) -> MockServer {
        let homeserver = MockServer::start().await;
        Mock::given(path_regex("/messages$"))
            .respond_with(self.clone())
            .mount(&homeserver)
            .await;
        homeserver
    }

    pub(crate) fn add(&self, events: impl IntoIterator<Item = Value>) {
        self.0.lock().unwrap().events.extend(events);
    }

    /// What was asked for since this was asked last: the direction and the token.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }

    /// From now on all tokens that it has given are none.
    pub(crate) fn forget_tokens(&self) {
        self.0.lock().unwrap().forgotten = true;
    }
}

impl History {
    /// What nobody of ours may see: it is left out of the pages that it is on.
    pub(crate) fn hide(&self, events: &[Value]) {
        self.0.lock().unwrap().hidden.extend_from_slice(events);
    }

    /// It answers 502 so many times.
    pub(crate) fn fail(&self, times: usize) {
        self.0.lock().unwrap().failures = times;
    }
}

impl Respond for History {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut inner = self.0.lock().unwrap();
        let field = |name: &str| {
            let mut pairs = request.url.query_pairs();
            pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
        };
        let (dir, from) = (field("dir").unwrap(), field("from"));
        // 10 is the specification's default, and left out.
        let limit = field("limit").map_or(10, |limit| limit.parse().unwrap());
        inner
            .asked
            .push(format!("{dir} {}", from.as_deref().unwrap_or("-")));
        if inner.failures > 0 {
            inner.failures -= 1;
            return ResponseTemplate::new(502);
        }
        let token = from.as_deref().map(|from| from.split_once('.').unwrap());
        let age = if inner.forgotten { "new" } else { "old" };
        if token.is_some_and(|(of, _)| of != age) {
            return ResponseTemplate::new(400)
                .set_body_json(json!({"errcode": "M_UNKNOWN", "error": "no such token"}));
        }
        let at = token.map_or(inner.events.len(), |(_, at)| at.parse().unwrap());
        let (chunk, end) = if dir == "b" {
            let end = at.saturating_sub(limit);
            let chunk: Vec<_> = inner.events[end..at].iter().rev().cloned().collect();
            (chunk, Some(end).filter(|end| *end > 0))
        } else {
            let end = inner.events.len().min(at + limit);
            (
                inner.events[at..end].to_vec(),
                Some(end).filter(|end| *end > at),
            )
        };
        let seen = chunk
            .into_iter()
            .filter(|event| !inner.hidden.contains(event));
        let chunk: Vec<_> = seen.collect();
        let mut page = json!({"start": format!("{age}.{at}"), "chunk": chunk});
        if let Some(end) = end {
            page["end"] = json!(format!("{age}.{end}"));
        }
        ResponseTemplate::new(200).set_body_json(page)
    }
}
