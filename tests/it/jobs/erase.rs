//! Erasing while a page of history is on its way.

use std::{
    sync::{Mutex, mpsc},
    time::Duration,
};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use tributary::{
    accounts::Accounts,
    auth::openid::OpenId,
    config,
    db::{
        jobs::{self, Held, NewJob, Wanted},
        read,
    },
    jobs::{Handler, Lease, Outcome, backfill::Backfill, reconcile::Reconcile},
    matrix::client::{CallLimits, Homeserver},
    model::new_id,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::path_regex};

use crate::support::{
    ownership,
    walking::span,
    world::{World, text},
};

const ROOM: &str = "!dm:lab.local";
const CAROL: &str = "@facebook_2001:lab.local";

/// Says that it was asked for a page, and answers when it may.
struct Slow {
    asked: Mutex<mpsc::Sender<()>>,
    may: Mutex<mpsc::Receiver<()>>,
}

impl Respond for Slow {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        // Whoever has let one page go waits for no other.
        let _ = self.asked.lock().unwrap().send(());
        let may = self.may.lock().unwrap();
        let _ = may.recv_timeout(Duration::from_mins(1));
        let page = json!({"start": "new", "chunk": [text(ROOM, "$private", CAROL, "private")]});
        ResponseTemplate::new(200).set_body_json(page)
    }
}

/// A homeserver that waits with its page, who hears that it was asked, and who lets it go on.
async fn slow() -> (MockServer, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (asked, hears) = mpsc::channel();
    let (lets, may) = mpsc::channel();
    let homeserver = MockServer::start().await;
    let slow = Slow {
        asked: Mutex::new(asked),
        may: Mutex::new(may),
    };
    Mock::given(path_regex("/messages$"))
        .respond_with(slow)
        .mount(&homeserver)
        .await;
    (homeserver, hears, lets)
}

fn client(homeserver: &MockServer) -> Homeserver {
    let homeserver = config::Homeserver {
        url: homeserver.uri().parse().unwrap(),
        server_name: "lab.local".to_owned(),
    };
    Homeserver::new(&homeserver, "as".into(), &CallLimits::default()).unwrap()
}

/// Runs a job of Alice's room, who has everything erased while its page is on its way.
async fn run_while_erasing<H: Handler>(
    handler: impl FnOnce(&World, Homeserver) -> H,
) -> (World, Outcome) {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct(ROOM, &alice, "1001", "2001").await;
    world.push("1", &[text(ROOM, "$1", CAROL, "private")]).await;
    let (homeserver, asked, may) = slow().await;
    let handler = handler(&world, client(&homeserver));
    let conn = world.db.get().await.unwrap();
    let wanted = Wanted {
        kind: H::KIND,
        limit: 1,
    };
    let job = NewJob {
        kind: H::KIND,
        key: ROOM.to_owned(),
        payload: span(30, 100),
    };
    jobs::enqueue(&conn, &[job]).await.unwrap();
    let (owner, a_minute) = (new_id(), Duration::from_mins(1));
    let claimed = jobs::claim(&conn, owner, &[wanted], a_minute).await;
    let job = claimed.unwrap().remove(0);
    let held = Held { job: job.id, owner };
    let lease = Lease::new(held, CancellationToken::new());
    let running = tokio::spawn(async move { handler.run(&job, &lease).await });

    let asked = tokio::task::spawn_blocking(move || asked.recv_timeout(Duration::from_mins(1)));
    asked.await.unwrap().unwrap();
    let config = ownership::config(json!({}));
    let openid = OpenId::new(&config.homeserver).unwrap();
    // No job goes on with what the request has no time for.
    let accounts =
        Accounts::new(&config, world.ingest.clone(), openid).with_patience(Duration::from_mins(1));
    let mut conn = world.db.get().await.unwrap();
    let own = read::connections::list(&mut conn, "user_alice", None).await;
    let id = own.unwrap()[0].id;
    drop(conn);
    accounts
        .disconnect("user_alice", id, true, None)
        .await
        .unwrap();
    may.send(()).unwrap();
    drop(may);
    let outcome = running.await.unwrap();
    (world, outcome)
}

async fn is_gone(world: &World) {
    for table in ["messages", "conversations", "state_events", "dead_letters"] {
        let rows = format!("SELECT count(*) FROM tributary.{table}");
        assert_eq!(world.count(&rows).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_backfill_that_is_on_its_way_is_not_stored() {
    let (world, outcome) = run_while_erasing(|world, homeserver| Backfill {
        ingest: world.ingest.clone(),
        homeserver,
        page_size: 5,
    })
    .await;
    // It was called off, and is not asked for its reason.
    assert_eq!(outcome, Outcome::LeaseLost);
    is_gone(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_compared_finds_that_nobody_may_see_it() {
    let (world, outcome) = run_while_erasing(|world, homeserver| Reconcile {
        ingest: world.ingest.clone(),
        homeserver,
    })
    .await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    is_gone(&world).await;
}
