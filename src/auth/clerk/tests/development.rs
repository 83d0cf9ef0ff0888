//! The development key.

use chrono::Duration;
use secrecy::SecretString;

use super::*;
use crate::auth::{dev, testing::other_key};

pub(super) fn development(pem: &str) -> (tempfile::NamedTempFile, config::Clerk) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), pem).expect("a key file");
    let config = config::Clerk {
        development_key_file: Some(file.path().to_owned()),
        authorized_parties: vec![APP.to_owned()],
        ..config()
    };
    (file, config)
}

fn mint(issuer: &str, user_id: &str, seconds: i64) -> Result<String, dev::MintError> {
    let key = SecretString::from(other_key().pkcs1.as_str());
    dev::mint(
        &key,
        issuer,
        user_id,
        clock().now(),
        Duration::seconds(seconds),
    )
}

#[tokio::test]
async fn development_tokens_pass_under_their_own_issuer() {
    let (_file, config) = development(&other_key().pkcs8);
    let verifier = Verifier::new(&config, clock()).expect("a verifier");
    let [first, second] = [60, 600].map(|life| mint(DEVELOPMENT_ISSUER, "user_a", life));
    let first = verifier
        .verify(&first.expect("a token"))
        .await
        .expect("a session");
    let second = verifier
        .verify(&second.expect("a token"))
        .await
        .expect("a session");
    assert_eq!(first.user_id, "user_a");
    assert!(first.session_id.starts_with("sess_dev_"));
    assert_eq!(first.session_id, second.session_id);
    assert_eq!(second.expires_at - first.expires_at, Duration::seconds(540));
    let other = mint(DEVELOPMENT_ISSUER, "user_b", 60).expect("a token");
    let other = verifier.verify(&other).await.expect("a session");
    assert_ne!(other.session_id, first.session_id);
}

#[tokio::test]
async fn the_development_key_signs_for_nobody_else() {
    let (_file, with_key) = development(&other_key().pkcs8);
    let as_clerk = mint(ISSUER, "user_a", 60).expect("a token");
    let parties = config::Clerk {
        authorized_parties: Vec::new(),
        ..with_key.clone()
    };
    assert_eq!(judge(&parties, &as_clerk).await, no("signature"));
    let as_developer = token(
        &[],
        &[("iss", "\"http://127.0.0.1/tributary-development\"")],
    );
    assert_eq!(judge(&with_key, &as_developer).await, no("signature"));
    let genuine = mint(DEVELOPMENT_ISSUER, "user_a", 60).expect("a token");
    assert_eq!(judge(&config(), &genuine).await, no("iss"));
    assert_eq!(judge(&with_key, &token(&[], &[])).await, OK);
}

#[test]
fn only_what_would_verify_is_minted() {
    use dev::MintError::{Lifetime, UserId};
    assert!(matches!(mint(DEVELOPMENT_ISSUER, "alice", 60), Err(UserId)));
    assert!(matches!(mint(DEVELOPMENT_ISSUER, "user_", 60), Err(UserId)));
    assert!(matches!(
        mint(DEVELOPMENT_ISSUER, "user_a", 0),
        Err(Lifetime)
    ));
    assert!(matches!(
        mint(DEVELOPMENT_ISSUER, "user_a", 601),
        Err(Lifetime)
    ));
}
