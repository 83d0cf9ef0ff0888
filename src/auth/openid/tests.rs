use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path, query_param},
};

use super::*;

const ALICE: &str = "@alice:lab.local";
const TOKEN: &str = "a+b/c&d=e%20 f";

async fn homeserver(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/base/_matrix/federation/v1/openid/userinfo"))
        .and(query_param("access_token", TOKEN))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

fn openid(url: &str, limits: Limits) -> OpenId {
    let homeserver = Homeserver {
        url: format!("{url}/base/").parse().expect("a URL"),
        server_name: "lab.local".to_owned(),
    };
    OpenId::with_limits(&homeserver, limits).expect("a verifier")
}

async fn ask(server: &MockServer, named: Option<&str>, claimed: &str) -> Result<(), OpenIdError> {
    let access_token = &TOKEN.into();
    let proof = Proof {
        access_token,
        matrix_server_name: named,
    };
    openid(&server.uri(), LIMITS).verify(proof, claimed).await
}

fn alice() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "sub": ALICE }))
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.map_or(0, |all| all.len())
}

#[tokio::test]
async fn the_homeservers_word_is_a_proof() {
    let server = homeserver(alice()).await;
    assert_eq!(ask(&server, None, ALICE).await, Ok(()));
    assert_eq!(ask(&server, Some("lab.local"), ALICE).await, Ok(()));
}

#[tokio::test]
async fn a_claim_that_cannot_be_true_asks_nobody() {
    let server = homeserver(alice()).await;
    for (named, claimed, word) in [
        (None, "@alice:other.local", "other_server"),
        (None, "@alice:lab.local:8448", "other_server"),
        (None, "@alice:lab.local.example", "other_server"),
        (Some("other.local"), ALICE, "other_server"),
        (Some(""), ALICE, "other_server"),
        (None, "alice:lab.local", "no_user_id"),
        (None, "@alice", "no_user_id"),
        (None, "", "no_user_id"),
    ] {
        let answer = ask(&server, named, claimed).await;
        assert_eq!(
            answer,
            Err(OpenIdError::Refused(word)),
            "{named:?} {claimed:?}"
        );
    }
    for token in [
        String::new(),
        "x".repeat(1025),
        "a\0b".to_owned(),
        "a\n".to_owned(),
    ] {
        let proof = Proof {
            access_token: &token.into(),
            matrix_server_name: None,
        };
        let answer = openid(&server.uri(), LIMITS).verify(proof, ALICE).await;
        assert_eq!(answer, Err(OpenIdError::Refused("no_token")));
    }
    assert_eq!(requests(&server).await, 0);
}

#[tokio::test]
async fn somebody_elses_token_is_refused() {
    for sub in [
        "@bob:lab.local",
        "@Alice:lab.local",
        "@alice:other.local",
        "@alice:lab.local ",
        "",
    ] {
        let server =
            homeserver(ResponseTemplate::new(200).set_body_json(json!({ "sub": sub }))).await;
        let answer = ask(&server, None, ALICE).await;
        assert_eq!(answer, Err(OpenIdError::Refused("other_user")), "{sub:?}");
    }
}

#[tokio::test]
async fn a_status_says_whether_the_token_or_the_homeserver_is_at_fault() {
    let refused = Err(OpenIdError::Refused("token_unknown"));
    let unavailable = Err(OpenIdError::Unavailable("status"));
    for (status, expected) in [
        (400, refused),
        (401, refused),
        (403, refused),
        (204, unavailable),
        (404, unavailable),
        (429, unavailable),
        (500, unavailable),
        (502, unavailable),
    ] {
        // Only a 200 is believed, whatever the body says.
        let body = json!({ "sub": ALICE, "errcode": "M_UNKNOWN_TOKEN" });
        let server = homeserver(ResponseTemplate::new(status).set_body_json(body)).await;
        assert_eq!(ask(&server, None, ALICE).await, expected, "{status}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = homeserver(alice()).await;
    let location = format!(
        "{}/base/_matrix/federation/v1/openid/userinfo",
        elsewhere.uri()
    );
    for status in [301, 302, 307, 308] {
        let redirect = ResponseTemplate::new(status).insert_header("location", location.as_str());
        let server = homeserver(redirect).await;
        let answer = ask(&server, None, ALICE).await;
        assert_eq!(answer, Err(OpenIdError::Unavailable("status")), "{status}");
    }
    assert_eq!(requests(&elsewhere).await, 0);
}

#[tokio::test]
async fn an_answer_without_a_user_is_none() {
    let long = format!(
        "{{\"sub\":\"{ALICE}\",\"x\":\"{}\"}}",
        "x".repeat(64 * 1024)
    );
    let doubled = format!("{{\"sub\":\"@bob:lab.local\",\"sub\":\"{ALICE}\"}}");
    for (body, word) in [
        ("", "unreadable"),
        ("{}", "unreadable"),
        ("{\"sub\":1}", "unreadable"),
        ("\"@alice:lab.local\"", "unreadable"),
        (doubled.as_str(), "unreadable"),
        (long.as_str(), "too_large"),
    ] {
        let server = homeserver(ResponseTemplate::new(200).set_body_string(body)).await;
        let answer = ask(&server, None, ALICE).await;
        assert_eq!(answer, Err(OpenIdError::Unavailable(word)), "{word}");
    }
}

#[tokio::test]
async fn a_homeserver_that_is_slow_or_gone_is_unavailable() {
    let server = homeserver(alice().set_delay(Duration::from_mins(1))).await;
    let limits = Limits {
        timeout: Duration::from_millis(100),
        ..LIMITS
    };
    let access_token = &TOKEN.into();
    let proof = Proof {
        access_token,
        matrix_server_name: None,
    };
    let answer = openid(&server.uri(), limits).verify(proof, ALICE).await;
    assert_eq!(answer, Err(OpenIdError::Unavailable("timed_out")));
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    let gone = format!("http://{}", port.expect("a free port"));
    let answer = openid(&gone, LIMITS).verify(proof, ALICE).await;
    assert_eq!(answer, Err(OpenIdError::Unavailable("unreachable")));
}

#[test]
fn a_token_is_remembered_by_its_hash() {
    let [one, same, other] = ["token", "token", "Token"].map(|token| token_hash(&token.into()));
    assert_eq!(one, same);
    assert_ne!(one, other);
}
