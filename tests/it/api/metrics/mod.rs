//! `GET /metrics`: what the program counts, and what it does not tell.

mod catalog;
pub(crate) mod house;
mod moves;
mod series;

use reqwest::Method;

use self::house::House;
use crate::api::app::{Answer, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn it_is_where_the_operator_is_and_nowhere_else() {
    let shared = TestApp::start().await;
    let answer = Answer::of(shared.request(Method::GET, "/metrics")).await;
    assert_eq!(answer.status, 200);
    let text = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(text));
    assert!(answer.text.contains("tributary_build_info{version="));

    let house = House::with_operators_door().await;
    assert_eq!(house.at("/metrics").await.status, 404);
    assert_eq!(house.at("/api/admin/rooms").await.status, 404);
    let operators = house.at_operators("/metrics").await;
    assert_eq!(operators.status, 200);
    assert!(operators.text.contains("process_start_time_seconds"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_read_and_nothing_else() {
    let app = TestApp::start().await;
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = Answer::of(app.request(method.clone(), "/metrics")).await;
        assert_eq!(answer.status, 405, "{method}");
    }
    let answer = Answer::of(app.request(Method::GET, "/metrics/x")).await;
    assert_eq!(answer.status, 404);
}

/// Strangers are many: what is not the operator's alone counts as any other request.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_too_often_is_refused() {
    let app = TestApp::with(|config| {
        config.limits.per_ip_per_second = 1;
        config.limits.burst = 3;
    })
    .await;
    // At once: one more may ask each second.
    let asked = (0..20).map(|_| Answer::of(app.request(Method::GET, "/metrics")));
    let answers = futures_util::future::join_all(asked).await;
    let refused = answers.iter().find(|answer| answer.status == 429);
    assert!(refused.unwrap().header("retry-after").is_some());
}

/// What is down is to be seen, not what shows it.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::float_cmp, reason = "it is one or nought")]
async fn it_answers_while_the_database_is_away() {
    let house = House::new().await;
    let patience = std::time::Duration::from_secs(30);
    crate::support::within(patience, "that the database is there", async || {
        (house.scrape().await.of("tributary_database_up") == 1.0).then_some(())
    })
    .await;
    house.database.cut().await;
    crate::support::within(patience, "that the database is away", async || {
        (house.scrape().await.of("tributary_database_up") == 0.0).then_some(())
    })
    .await;
    house.database.mend().await;
    crate::support::within(patience, "that it is back", async || {
        (house.scrape().await.of("tributary_database_up") == 1.0).then_some(())
    })
    .await;
}

/// Scrapes cost pushes nothing, however many come at once: what Postgres is asked for is asked
/// once in five seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_scrapes_stops_no_push() {
    let house = std::sync::Arc::new(House::new().await);
    let reads = "tributary_database_wait_seconds_count";
    let before = house.scrape().await.of(reads);
    let began = tokio::time::Instant::now();
    let mut scrapes = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let house = std::sync::Arc::clone(&house);
        scrapes.spawn(async move { house.at("/metrics").await.status });
    }
    let mut pushed = 0;
    while pushed < 20 || !scrapes.is_empty() {
        let event =
            crate::support::world::text(house::ROOM, &format!("$s{pushed}"), house::FRIEND, "hi");
        let body = serde_json::json!({"events": [event]}).to_string();
        let id = format!("storm-{pushed}");
        let pushing = house.push(&id, body);
        let answer = tokio::time::timeout(std::time::Duration::from_secs(30), pushing).await;
        assert_eq!(answer.expect("a push is answered"), 200);
        pushed += 1;
        while let Some(status) = scrapes.try_join_next() {
            assert_eq!(status.unwrap(), 200);
        }
    }
    // Those of pushes and of what goes on by itself, and far from one for each scrape.
    let readings = house.scrape().await.of(reads) - before;
    let seconds = began.elapsed().as_secs_f64();
    let allowed = 10.0 * f64::from(pushed) + 30.0 * (seconds + 1.0);
    assert!(
        readings < allowed,
        "{readings} in {seconds} s, {pushed} pushes"
    );
}
