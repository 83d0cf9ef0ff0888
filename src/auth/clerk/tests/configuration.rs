//! What a verifier is made of.

use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::{development::development, *};
use crate::auth::testing::other_key;

#[test]
fn a_configuration_that_could_not_verify_is_refused() {
    let refused = |config: &config::Clerk| {
        let error = Verifier::new(config, clock()).err().expect("an error");
        error.to_string()
    };
    let none = config::Clerk::default();
    assert!(matches!(
        Verifier::new(&none, clock()),
        Err(Error::NoIssuer)
    ));
    let private = config::Clerk {
        jwt_key: Some(test_key().pkcs8.as_str().into()),
        ..config()
    };
    assert_eq!(refused(&private), "clerk.jwt_key is not an RSA public key");
    let text = config::Clerk {
        jwt_key: Some("hunter2!".into()),
        ..config()
    };
    assert_eq!(
        refused(&text),
        "clerk.jwt_key is not a PEM: its body is not base64"
    );
    let (_file, public) = development(&other_key().spki);
    assert_eq!(
        refused(&public),
        "clerk.development_key_file is not an RSA private key"
    );
    let same = config::Clerk {
        issuer: Some(DEVELOPMENT_ISSUER.to_owned()),
        ..config()
    };
    assert!(matches!(
        Verifier::new(&same, clock()),
        Err(Error::DevelopmentIssuer)
    ));
    let no_url = config::Clerk {
        issuer: Some("clerk".to_owned()),
        jwt_key: None,
        ..config()
    };
    assert!(matches!(
        Verifier::new(&no_url, clock()),
        Err(Error::JwksUrl(_))
    ));
}

#[tokio::test]
async fn an_issuer_may_be_configured_with_a_slash() {
    let config = config::Clerk {
        issuer: Some(format!("{ISSUER}/")),
        ..config()
    };
    assert_eq!(judge(&config, &token(&[], &[])).await, OK);
}

#[tokio::test]
async fn keys_are_found_where_the_configuration_says() {
    let server = MockServer::start().await;
    let keys = serde_json::json!({ "keys": [test_key().jwk("k1")] });
    Mock::given(matchers::path("/.well-known/jwks.json"))
        .respond_with(ResponseTemplate::new(200).set_body_json(keys))
        .mount(&server)
        .await;
    let config = config::Clerk {
        issuer: Some(server.uri()),
        ..config::Clerk::default()
    };
    let verifier = Verifier::new(&config, clock()).expect("a verifier");
    let issuer = format!("\"{}\"", server.uri());
    let verify = async |header| {
        let token = token(header, &[("iss", &issuer)]);
        verifier.verify(&token).await.map(|_| ())
    };
    let requests = async || server.received_requests().await.map_or(0, |all| all.len());
    // What is refused by its looks asks nobody for keys.
    assert_eq!(verify(&[("kid", "")]).await, no("kid"));
    assert_eq!(verify(&[("alg", "\"none\"")]).await, no("alg"));
    assert_eq!(requests().await, 0);
    assert_eq!(verify(&[]).await, OK);
    assert_eq!(requests().await, 1);
    // Names that nobody knows are asked for once in a while.
    assert_eq!(verify(&[("kid", "\"k2\"")]).await, no("kid_unknown"));
    assert_eq!(verify(&[("kid", "\"k3\"")]).await, no("kid_unknown"));
    assert_eq!(verifier.load_keys().await, Health::Up);
    assert_eq!(requests().await, 2);
}

#[tokio::test]
async fn without_keys_nobody_is_let_in() {
    let config = config::Clerk {
        jwt_key: None,
        jwks_url: Some("http://127.0.0.1:1/".parse().expect("a URL")),
        ..config()
    };
    let verifier = Verifier::new(&config, clock()).expect("a verifier");
    assert_eq!(verifier.health(), Health::Up);
    let refusal = verifier.verify(&token(&[], &[])).await.err();
    assert_eq!(refusal, Some(Refusal::Unauthorized(KEYS_UNAVAILABLE)));
    assert_eq!(verifier.health(), Health::Down);
}
