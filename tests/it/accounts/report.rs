//! What the companion reports.

use chrono::TimeDelta;
use serde_json::json;
use tributary::model::connection::Status;

use crate::accounts::{
    at_once, refusal,
    world::{ALICE, USER_A, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_report_replaces_the_code() {
    let world = World::new().await;
    let report = World::report_of(ALICE, json!({"remoteName": "Alice", "status": "connected"}));
    let first = world.accounts.report(&report, None).await.unwrap();
    let second = world.accounts.report(&report, None).await.unwrap();
    assert_eq!(first.connection_id, second.connection_id);
    assert_ne!(first.link_code, second.link_code);
    let expires_at = second.link_code_expires_at.unwrap();
    let lives = (expires_at - world.now()).num_seconds();
    assert!((540..=600).contains(&lives), "{lives}");
    assert_eq!(world.count("messenger_connections").await, 1);

    let old = first.link_code.unwrap();
    assert_eq!(
        refusal(world.accounts.link(USER_A, &old, None).await).code(),
        "not_found"
    );
    let new = second.link_code.unwrap();
    assert_eq!(new.len(), 8);
    assert_eq!(world.tables_with(&new).await, [""; 0]);
    let linked = world.accounts.link(USER_A, &new, None).await.unwrap();
    assert_eq!(
        (linked.id, linked.status),
        (first.connection_id, Status::Connected)
    );
    assert_eq!(linked.remote_name.as_deref(), Some("Alice"));
    assert_eq!(linked.matrix_user_id.as_deref(), Some(ALICE));
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_at_once_make_one_connection() {
    let world = World::new().await;
    let (one, other) = (world.accounts.clone(), world.replica());
    let report = World::report_of(ALICE, json!({}));
    let (one, other) = tokio::join!(one.report(&report, None), other.report(&report, None));
    assert_eq!(one.unwrap().connection_id, other.unwrap().connection_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_connection_is_described_and_gets_no_code() {
    let world = World::new().await;
    let linked = world.linked(USER_A, ALICE).await;
    let seen = world.position(USER_A).await;
    let more = json!({
        "bridgeId": "meta", "bridgeUserId": "@facebook_77:lab.local", "remoteName": "Alice L.",
        "status": "Error",
    });
    let report = World::report_of(ALICE, more);
    let reported = world.accounts.report(&report, None).await.unwrap();
    assert_eq!(
        (reported.connection_id, reported.status),
        (linked.id, Status::Error)
    );
    assert!(reported.link_code.is_none() && reported.link_code_expires_at.is_none());
    let now = &world.connections(USER_A).await[0];
    assert_eq!(now.bridge_user_id.as_deref(), Some("77"));
    assert_eq!(now.remote_name.as_deref(), Some("Alice L."));
    assert_eq!(now.status, Status::Error);
    assert_eq!(world.frames(USER_A, seen).await, ["connection.status"]);

    let again = world.accounts.report(&report, None).await.unwrap();
    assert_eq!(again.status, Status::Error);
    assert_eq!(world.position(USER_A).await, seen + 1, "nothing is new");
    let well = World::report_of(ALICE, json!({}));
    assert_eq!(
        world.accounts.report(&well, None).await.unwrap().status,
        Status::Connected
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_login_is_pending_until_the_bridge_agrees() {
    let world = World::new().await;
    let report = World::report_of(ALICE, json!({"status": "PENDING"}));
    let reported = world.accounts.report(&report, None).await.unwrap();
    assert_eq!(reported.status, Status::Pending);
    let code = reported.link_code.unwrap();
    let linked = world.accounts.link(USER_A, &code, None).await.unwrap();
    assert_eq!(linked.status, Status::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_connection_is_reported_anew() {
    let world = World::new().await;
    let linked = world.linked(USER_A, ALICE).await;
    world
        .accounts
        .disconnect(USER_A, linked.id, false, None)
        .await
        .unwrap();
    let report = World::report_of(ALICE, json!({}));
    let reported = world.accounts.report(&report, None).await.unwrap();
    assert_ne!(reported.connection_id, linked.id);
    assert!(reported.link_code.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_customers_is_refused_and_audited() {
    let world = World::new().await;
    for (report, code) in [
        (
            World::report_of("@facebook_1:lab.local", json!({})),
            "forbidden",
        ),
        (
            World::report_of("@facebookbot:lab.local", json!({})),
            "forbidden",
        ),
        (
            World::report_of("@tributary:lab.local", json!({})),
            "forbidden",
        ),
        (
            World::report_of("@alice:other.local", json!({})),
            "forbidden",
        ),
        (World::report_of("alice\u{0}", json!({})), "invalid_request"),
        (
            World::report_of(ALICE, json!({"bridgeId": "other"})),
            "invalid_request",
        ),
        (
            World::report_of(ALICE, json!({"status": "GREAT"})),
            "invalid_request",
        ),
        (
            World::report_of(ALICE, json!({"bridgeUserId": "@bob:lab.local"})),
            "invalid_request",
        ),
    ] {
        let answer = world
            .accounts
            .report(&report, "10.1.2.3".parse().ok())
            .await;
        assert_eq!(refusal(answer).code(), code, "{report:?}");
    }
    assert_eq!(world.count("messenger_connections").await, 0);
    let refused = "audit WHERE actor = 'manager' AND action = 'connection.report'
                   AND origin = '10.1.2.3' AND outcome IN ('forbidden', 'invalid_request')";
    assert_eq!(world.count(refused).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_an_address_are_counted_right_or_wrong() {
    let world = World::new().await;
    let replica = world.replica();
    let origin = "203.0.113.1".parse().ok();
    let first = World::report_of(ALICE, json!({}));
    assert!(world.accounts.report(&first, origin).await.is_ok());
    world
        .execute(
            "INSERT INTO tributary.report_attempts (address, attempted_at)
             SELECT address, attempted_at FROM tributary.report_attempts, generate_series(1, 239)",
        )
        .await;
    let reports = (0..70).map(|n| {
        let accounts = [&world.accounts, &replica][n % 2].clone();
        let who = ["@alice:lab.local", "@facebook_1:lab.local"][n / 2 % 2];
        let report = World::report_of(who, json!({}));
        async move {
            let answer = accounts.report(&report, origin).await;
            answer.map_or_else(|error| refusal::<()>(Err(error)).code(), |_| "ok")
        }
    });
    let answers = at_once(reports).await;
    let taken = answers.iter().filter(|code| **code != "rate_limited");
    assert_eq!(taken.count(), 300 - 240);
    let report = World::report_of(ALICE, json!({}));
    let elsewhere = "203.0.113.2".parse().ok();
    assert!(world.accounts.report(&report, elsewhere).await.is_ok());
    world.pass(TimeDelta::seconds(61));
    assert!(world.accounts.report(&report, origin).await.is_ok());
    assert_eq!(world.count("report_attempts").await, 1);
    let refused = "audit WHERE action = 'connection.report' AND outcome = 'rate_limited'";
    assert_eq!(world.count(refused).await, 10);
}
