//! `ownership_proof: required`: the homeserver says who somebody is.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tributary::accounts::{Error, Reported};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path, query_param},
};

use crate::accounts::{
    refusal,
    world::{ALICE, BOB, USER_A, World, config},
};

async fn world() -> (World, MockServer) {
    let homeserver = MockServer::start().await;
    let world = World::with(config(json!({
        "homeserver": {"url": homeserver.uri(), "server_name": "lab.local"},
        "manager": {"api_key": "the-manager-key"},
    })))
    .await;
    (world, homeserver)
}

/// The homeserver made `token` for `sub`.
async fn made(homeserver: &MockServer, token: &str, sub: &str) {
    Mock::given(method("GET"))
        .and(path("/_matrix/federation/v1/openid/userinfo"))
        .and(query_param("access_token", token))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"sub": sub})))
        .mount(homeserver)
        .await;
}

async fn report(world: &World, matrix_user_id: &str, token: Value) -> Result<Reported, Error> {
    let report = World::report_of(matrix_user_id, json!({"openIdToken": token}));
    world.accounts.report(&report, None).await
}

fn token(token: &str) -> Value {
    json!({
        "access_token": token, "token_type": "Bearer", "matrix_server_name": "lab.local",
        "expires_in": 3600,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_person_themselves_is_believed() {
    let (world, homeserver) = world().await;
    made(&homeserver, "alices", ALICE).await;
    made(&homeserver, "foreign", "@alice:other.local").await;
    made(&homeserver, "ghosts", "@facebook_1:lab.local").await;
    let elsewhere = json!({"access_token": "alices", "matrix_server_name": "other.local"});
    for (who, token) in [
        (ALICE, Value::Null),
        (BOB, token("alices")),
        (ALICE, token("foreign")),
        ("@facebook_1:lab.local", token("ghosts")),
        ("@alice:other.local", token("foreign")),
        (ALICE, elsewhere),
        (ALICE, token("")),
    ] {
        assert_eq!(
            refusal(report(&world, who, token.clone()).await).code(),
            "forbidden",
            "{who} {token}"
        );
    }
    assert_eq!(world.count("messenger_connections").await, 0);
    assert!(
        report(&world, ALICE, token("alices"))
            .await
            .unwrap()
            .link_code
            .is_some()
    );
    assert_eq!(world.tables_with("alices").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_cannot_say_is_no_refusal() {
    let (world, homeserver) = world().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(502))
        .mount(&homeserver)
        .await;
    assert_eq!(
        refusal(report(&world, ALICE, token("t")).await).code(),
        "unavailable"
    );
    assert_eq!(world.count("messenger_connections").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_may_be_repeated_but_opens_one_connection_only() {
    let (world, homeserver) = world().await;
    made(&homeserver, "alices", ALICE).await;
    made(&homeserver, "fresh", ALICE).await;
    let first = report(&world, ALICE, token("alices")).await.unwrap();
    let again = report(&world, ALICE, token("alices")).await.unwrap();
    assert_eq!(first.connection_id, again.connection_id);
    let code = again.link_code.unwrap();
    world.accounts.link(USER_A, &code, None).await.unwrap();
    assert!(
        report(&world, ALICE, token("alices"))
            .await
            .unwrap()
            .link_code
            .is_none()
    );

    world
        .accounts
        .disconnect(USER_A, first.connection_id, false, None)
        .await
        .unwrap();
    let replayed = report(&world, ALICE, token("alices")).await;
    assert_eq!(refusal(replayed).code(), "forbidden");
    assert!(report(&world, ALICE, token("fresh")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn used_proofs_are_forgotten_with_their_hour() {
    let (world, homeserver) = world().await;
    made(&homeserver, "alices", ALICE).await;
    made(&homeserver, "bobs", BOB).await;
    report(&world, ALICE, token("alices")).await.unwrap();
    world.pass(TimeDelta::minutes(61));
    report(&world, BOB, token("bobs")).await.unwrap();
    assert_eq!(world.count("used_openid_tokens").await, 1);
}
