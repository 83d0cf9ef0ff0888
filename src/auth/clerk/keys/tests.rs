use std::sync::{
    Mutex as StdMutex,
    atomic::{AtomicI64, AtomicUsize},
};

use serde_json::json;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use super::*;
use crate::auth::testing::{TestKey, other_key, test_key};

/// A Clerk that answers what the test says, and a key set that asks it.
struct Stage {
    server: MockServer,
    answer: Arc<StdMutex<ResponseTemplate>>,
    fetches: Arc<AtomicUsize>,
    seconds: Arc<AtomicI64>,
    set: Arc<KeySet>,
}

impl Stage {
    async fn new() -> Self {
        Self::with_timeout(LIMITS.timeout).await
    }

    async fn with_timeout(timeout: Duration) -> Self {
        let server = MockServer::start().await;
        let answer = Arc::new(StdMutex::new(keys(&[("k1", test_key())])));
        let count = Arc::new(AtomicUsize::new(0));
        let seconds = Arc::new(AtomicI64::new(1_700_000_000));
        let respond = {
            let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
            move |_: &Request| {
                count.fetch_add(1, Ordering::SeqCst);
                answer.lock().expect("an answer").clone()
            }
        };
        Mock::given(any())
            .respond_with(respond)
            .mount(&server)
            .await;
        let clock = {
            let seconds = Arc::clone(&seconds);
            Clock::from_fn(move || {
                DateTime::from_timestamp(seconds.load(Ordering::SeqCst), 0).expect("a time")
            })
        };
        let url = format!("{}/jwks.json", server.uri())
            .parse()
            .expect("a URL");
        let fetcher = Fetcher::new(Limits { timeout, ..LIMITS }).expect("a fetcher");
        let set = KeySet::new(url, fetcher, clock);
        Self {
            server,
            answer,
            fetches: count,
            seconds,
            set,
        }
    }

    fn answers(&self, answer: ResponseTemplate) {
        *self.answer.lock().expect("an answer") = answer;
    }

    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    async fn find(&self, kid: &str) -> Result<(), NoKey> {
        self.set.find(kid).await.map(|_| ())
    }

    async fn until_fetches(&self, count: usize) {
        let reached = async {
            while self.fetches() < count {
                tokio::task::yield_now().await;
            }
        };
        let patience = Duration::from_mins(1);
        tokio::time::timeout(patience, reached)
            .await
            .expect("a fetch");
    }
}

fn keys(keys: &[(&str, &TestKey)]) -> ResponseTemplate {
    let keys: Vec<_> = keys.iter().map(|(kid, key)| key.jwk(kid)).collect();
    ResponseTemplate::new(200).set_body_json(json!({ "keys": keys }))
}

const OK: Result<(), NoKey> = Ok(());
const UNKNOWN: Result<(), NoKey> = Err(NoKey::Unknown);
const UNAVAILABLE: Result<(), NoKey> = Err(NoKey::Unavailable);

#[tokio::test]
async fn nothing_is_fetched_before_it_is_needed() {
    let stage = Stage::new().await;
    assert_eq!((stage.set.health(), stage.fetches()), (Health::Up, 0));
    assert_eq!(stage.set.load().await, Health::Up);
    assert_eq!(stage.find("k1").await, OK);
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn fifty_callers_cause_one_fetch() {
    let stage = Stage::new().await;
    stage.answers(keys(&[("k1", test_key())]).set_delay(Duration::from_millis(50)));
    let callers = (0..50).map(|_| stage.find("k1"));
    let found = futures_util::future::join_all(callers).await;
    assert!(found.iter().all(|found| *found == OK), "{found:?}");
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn a_set_is_fresh_for_five_minutes() {
    let stage = Stage::new().await;
    assert_eq!(stage.find("k1").await, OK);
    stage.pass(299);
    assert_eq!(stage.find("k1").await, OK);
    assert_eq!(stage.fetches(), 1);
    stage.pass(1);
    assert_eq!(stage.find("k1").await, OK);
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn a_rotation_replaces_the_whole_set() {
    let stage = Stage::new().await;
    assert_eq!(stage.find("k1").await, OK);
    stage.answers(keys(&[("k2", other_key())]));
    stage.pass(300);
    assert_eq!(stage.find("k2").await, OK);
    assert_eq!(stage.fetches(), 2);
    assert_eq!(stage.find("k1").await, UNKNOWN);
    assert_eq!(stage.find("k1").await, UNKNOWN);
    assert_eq!(stage.fetches(), 3);
}

#[tokio::test]
async fn a_key_that_is_new_is_found_however_soon_it_is_used() {
    let stage = Stage::new().await;
    assert_eq!(stage.find("k1").await, OK);
    stage.answers(keys(&[("k1", test_key()), ("k2", other_key())]));
    assert_eq!(stage.find("k2").await, OK);
    stage.answers(keys(&[("k2", other_key()), ("k3", test_key())]));
    let callers = (0..50).map(|_| stage.find("k3"));
    let found = futures_util::future::join_all(callers).await;
    assert!(found.iter().all(|found| *found == OK), "{found:?}");
    assert_eq!(stage.fetches(), 3);
}

#[tokio::test]
async fn a_key_that_clerk_withdraws_is_not_used_once_the_set_is_old() {
    let stage = Stage::new().await;
    assert_eq!(stage.find("k1").await, OK);
    stage.answers(keys(&[("k2", other_key())]));
    stage.pass(300);
    assert_eq!(stage.find("k1").await, UNKNOWN);
}

#[tokio::test]
async fn unknown_names_cause_a_fetch_every_thirty_seconds_at_most() {
    let stage = Stage::new().await;
    for round in 1..=3 {
        for kid in ["a", "b", "c"] {
            assert_eq!(stage.find(kid).await, UNKNOWN);
        }
        stage.pass(29);
        assert_eq!(stage.find("d").await, UNKNOWN);
        assert_eq!(stage.fetches(), round);
        stage.pass(1);
    }
    assert_eq!(stage.find("k1").await, OK);
    assert_eq!(stage.fetches(), 3);
}

#[tokio::test]
async fn a_failed_fetch_is_not_repeated_at_once_either() {
    let stage = Stage::new().await;
    stage.answers(ResponseTemplate::new(500));
    for round in 1..=2 {
        for _ in 0..5 {
            assert_eq!(stage.find("k1").await, UNAVAILABLE);
        }
        stage.pass(29);
        assert_eq!(stage.set.load().await, Health::Down);
        assert_eq!(stage.fetches(), round);
        stage.pass(1);
    }
    stage.answers(keys(&[("k1", test_key())]));
    assert_eq!(stage.find("k1").await, OK);
    assert_eq!(stage.set.health(), Health::Up);
}

#[tokio::test]
async fn old_keys_serve_while_clerk_is_down() {
    let stage = Stage::new().await;
    assert_eq!(stage.find("k1").await, OK);
    stage.answers(ResponseTemplate::new(503));
    stage.pass(24 * 3600);
    for _ in 0..5 {
        assert_eq!(stage.find("k1").await, OK);
    }
    assert_eq!(stage.find("k2").await, UNAVAILABLE);
    assert_eq!((stage.set.health(), stage.fetches()), (Health::Down, 2));
    stage.answers(keys(&[("k2", other_key())]));
    stage.pass(30);
    assert_eq!(stage.find("k1").await, UNKNOWN);
    assert_eq!((stage.set.health(), stage.fetches()), (Health::Up, 3));
}

#[tokio::test]
async fn a_clock_set_back_makes_nothing_fresh() {
    let stage = Stage::new().await;
    assert_eq!(stage.find("k1").await, OK);
    stage.pass(-3600);
    assert_eq!(stage.find("k1").await, OK);
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn a_caller_who_leaves_takes_nothing_along() {
    let stage = Stage::new().await;
    stage.answers(keys(&[("k1", test_key())]).set_delay(Duration::from_secs(2)));
    let set = Arc::clone(&stage.set);
    let caller = tokio::spawn(async move { set.find("k1").await.is_ok() });
    stage.until_fetches(1).await;
    caller.abort();
    assert!(caller.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(stage.find("k1").await, OK);
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn one_caller_waits_for_a_slow_clerk_and_the_others_use_what_there_is() {
    let stage = Stage::new().await;
    assert_eq!(stage.find("k1").await, OK);
    stage.answers(keys(&[("k1", test_key())]).set_delay(Duration::from_secs(4)));
    stage.pass(300);
    let set = Arc::clone(&stage.set);
    let waiting = tokio::spawn(async move { set.find("k1").await.is_ok() });
    stage.until_fetches(2).await;
    assert_eq!(stage.find("k1").await, OK);
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_changes_nothing() {
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1024 * 1024));
    let elsewhere = MockServer::start().await;
    let redirect = ResponseTemplate::new(302).insert_header("location", elsewhere.uri().as_str());
    for answer in [
        ResponseTemplate::new(200).set_body_string(large),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_string("{\"keys\":[]}"),
        ResponseTemplate::new(204),
        ResponseTemplate::new(404),
        redirect,
    ] {
        let stage = Stage::new().await;
        assert_eq!(stage.find("k1").await, OK);
        stage.answers(answer.clone());
        stage.pass(300);
        assert_eq!(stage.find("k1").await, OK, "{answer:?}");
        assert_eq!(
            (stage.set.health(), stage.fetches()),
            (Health::Down, 2),
            "{answer:?}"
        );
    }
    let followed = elsewhere.received_requests().await.expect("requests");
    assert!(followed.is_empty(), "{followed:?}");
}

#[tokio::test]
async fn a_large_set_is_read_up_to_the_limit() {
    let stage = Stage::new().await;
    let body = json!({"keys": [test_key().jwk("k1")], "x": "x".repeat(1000 * 1000)});
    stage.answers(ResponseTemplate::new(200).set_body_json(body));
    assert_eq!(stage.find("k1").await, OK);
}

#[tokio::test]
async fn a_clerk_that_hangs_is_given_up() {
    let stage = Stage::with_timeout(Duration::from_millis(100)).await;
    stage.answers(keys(&[("k1", test_key())]).set_delay(Duration::from_mins(1)));
    assert_eq!(stage.find("k1").await, UNAVAILABLE);
    assert_eq!(LIMITS.timeout, Duration::from_secs(5));
}

#[tokio::test]
async fn a_clerk_that_is_not_there_is_unavailable() {
    let mut stage = Stage::new().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    let url = format!("http://{}/", port.expect("a free port"));
    let fetcher = Fetcher::new(LIMITS).expect("a fetcher");
    stage.set = KeySet::new(url.parse().expect("a URL"), fetcher, Clock::system());
    assert_eq!(stage.find("k1").await, UNAVAILABLE);
    assert_eq!(stage.set.health(), Health::Down);
    assert!(
        stage
            .server
            .received_requests()
            .await
            .is_some_and(|all| all.is_empty())
    );
}
