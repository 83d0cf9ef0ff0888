use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, header, method, path, query_param},
};

use super::*;

const SECRET: &str = "the-shared-secret";
const USER: &str = "@a+b/c:lab.local";

fn provisioning(url: &str) -> Provisioning {
    limited(url, &LIMITS)
}

fn limited(url: &str, limits: &CallLimits) -> Provisioning {
    let bridge = config::Bridge {
        id: "meta".into(),
        network: "facebook".into(),
        bot: "@facebookbot:lab.local".into(),
        ghosts: r"@facebook_(?<id>.+):lab\.local".into(),
        as_token: None,
        provisioning_url: Some(url.parse().unwrap()),
        provisioning_secret: Some(SECRET.into()),
        silent_after_seconds: 1800,
    };
    Provisioning::with_limits(&[bridge], limits).unwrap()
}

/// What comes of asking a bridge that answers this to everything.
async fn asked(answer: ResponseTemplate) -> Result<Vec<Login>, Unanswered> {
    let bridge = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&bridge).await;
    provisioning(&bridge.uri()).logins("meta", USER).await
}

/// As bridgev2 writes it, the deprecated fields left out.
fn whoami(logins: &Value) -> Value {
    json!({
        "network": {"displayname": "Facebook Messenger", "network_id": "facebook"},
        "login_flows": [], "homeserver": "lab.local", "bridge_bot": "@facebookbot:lab.local",
        "command_prefix": "!fb", "logins": logins,
    })
}

#[tokio::test]
async fn the_logins_are_asked_for_with_the_secret() {
    let state = json!({
        "state_event": "CONNECTED", "timestamp": 1_800_000_000, "ttl": 21600, "source": "bridge",
    });
    let login = json!({
        "state": state, "id": "77", "name": "Alice", "profile": {"name": "Alice"},
        "space_room": "!s:lab.local",
    });
    let bridge = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/behind/a/proxy/_matrix/provision/v3/whoami"))
        .and(query_param("user_id", USER))
        .and(header("authorization", "Bearer the-shared-secret"))
        .respond_with(ResponseTemplate::new(200).set_body_json(whoami(&json!([login]))))
        .expect(1)
        .mount(&bridge)
        .await;
    let logins = provisioning(&format!("{}/behind/a/proxy/", bridge.uri()))
        .logins("meta", USER)
        .await;
    let expected = Login {
        id: "77".into(),
        name: "Alice".into(),
        state,
    };
    assert_eq!(logins, Ok(vec![expected]));
}

#[tokio::test]
async fn nobody_logged_in_is_an_answer() {
    for logins in [json!([]), json!(null)] {
        let answer = ResponseTemplate::new(200).set_body_json(whoami(&logins));
        assert_eq!(asked(answer).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn who_cannot_answer_is_silent_and_who_does_not_want_to_refuses() {
    for status in [408, 429, 500, 502, 503, 504] {
        let answer = asked(ResponseTemplate::new(status)).await;
        assert!(matches!(answer, Err(Unanswered::Silent(_))), "{status}");
    }
    let forbidden = json!({"errcode": "M_FORBIDDEN", "error": "disabled"});
    for answer in [
        ResponseTemplate::new(401),
        ResponseTemplate::new(403).set_body_json(forbidden),
        ResponseTemplate::new(404),
        ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/"),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_json(whoami(&json!([{"name": "no id"}]))),
        ResponseTemplate::new(200).set_body_json(whoami(&json!([{"id": "a\u{0}"}]))),
        ResponseTemplate::new(200).set_body_json(whoami(&json!({}))),
        ResponseTemplate::new(200).set_body_json(json!({})),
        ResponseTemplate::new(200).set_body_bytes(vec![b' '; LIMITS.max_list_bytes + 1]),
    ] {
        let shown = format!("{answer:?}");
        let answer = asked(answer).await;
        assert!(matches!(answer, Err(Unanswered::Refused(_))), "{shown}");
    }
}

#[tokio::test]
async fn nobody_is_waited_for_for_long() {
    let limits = CallLimits {
        call_timeout: Duration::from_millis(300),
        ..LIMITS
    };
    let bridge = MockServer::start().await;
    let late = ResponseTemplate::new(200).set_delay(Duration::from_mins(1));
    Mock::given(any()).respond_with(late).mount(&bridge).await;
    let late = limited(&bridge.uri(), &limits).logins("meta", USER).await;
    assert!(matches!(late, Err(Unanswered::Silent(_))));
    let gone = provisioning("http://127.0.0.1:9")
        .logins("meta", USER)
        .await;
    assert!(matches!(gone, Err(Unanswered::Silent(_))));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(whoami(&json!([]))))
        .expect(0)
        .mount(&elsewhere)
        .await;
    let there = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
    assert!(asked(there).await.is_err());
}

#[tokio::test]
async fn no_error_tells_the_secret_or_the_address() {
    let closed = provisioning("http://127.0.0.1:9/somewhere");
    for error in [
        closed.logins("meta", USER).await.unwrap_err(),
        closed.logins("other", USER).await.unwrap_err(),
        asked(ResponseTemplate::new(401)).await.unwrap_err(),
    ] {
        let shown = format!("{error} {error:?}");
        for hidden in [SECRET, "somewhere", "127.0.0.1"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
