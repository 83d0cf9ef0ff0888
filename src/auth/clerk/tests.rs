//! Tokens, and what becomes of them.

use chrono::DateTime;

use super::*;
use crate::{auth::testing::test_key, clock::Clock, config};

mod claims;
mod configuration;
mod development;
mod recorded;
mod signatures;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://clerk.example.test";
const APP: &str = "https://app.example.test";
const HEADER: [(&str, &str); 3] = [("alg", "\"RS256\""), ("typ", "\"JWT\""), ("kid", "\"k1\"")];
const CLAIMS: [(&str, &str); 7] = [
    ("iss", "\"https://clerk.example.test\""),
    ("sub", "\"user_2GIpXOEpVyJw51rkZn9Kmnc6Sxr\""),
    ("sid", "\"sess_2GbDB4enNdCa5vS1zpC3Xzg9tK9\""),
    ("azp", "\"https://app.example.test\""),
    ("iat", "1699999990"),
    ("nbf", "1699999980"),
    ("exp", "1700000050"),
];

type Edits<'e> = &'e [(&'e str, &'e str)];
type Outcome = Result<(), Refusal>;

const OK: Outcome = Ok(());

fn no(reason: &'static str) -> Outcome {
    Err(Refusal::Unauthorized(reason))
}

fn forbidden(reason: &'static str) -> Outcome {
    Err(Refusal::Forbidden(reason))
}

/// The JSON text of `members` with `edits`: a name's first edit replaces or (if empty) removes
/// it, any further one says it again.
fn object(members: &[(&str, &str)], edits: Edits<'_>) -> String {
    let edited = |name: &str| edits.iter().any(|(edit, _)| *edit == name);
    let kept = members.iter().filter(|(name, _)| !edited(name));
    let texts: Vec<_> = kept
        .chain(edits.iter().filter(|(_, value)| !value.is_empty()))
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", texts.join(","))
}

fn token(header: Edits<'_>, claims: Edits<'_>) -> String {
    test_key().token(&object(&HEADER, header), &object(&CLAIMS, claims))
}

fn clock() -> Clock {
    Clock::from_fn(|| DateTime::from_timestamp(NOW, 0).expect("a time"))
}

fn config() -> config::Clerk {
    config::Clerk {
        issuer: Some(ISSUER.to_owned()),
        jwt_key: Some(test_key().spki.as_str().into()),
        ..config::Clerk::default()
    }
}

async fn judge(config: &config::Clerk, token: &str) -> Outcome {
    let verifier = Verifier::new(config, clock()).expect("a verifier");
    verifier.verify(token).await.map(|_| ())
}

async fn judge_headers(config: &config::Clerk, cases: &[(Edits<'_>, Outcome)]) {
    for (edits, expected) in cases {
        let outcome = judge(config, &token(edits, &[])).await;
        assert_eq!(outcome, *expected, "{edits:?}");
    }
}

async fn judge_claims(config: &config::Clerk, cases: &[(Edits<'_>, Outcome)]) {
    for (edits, expected) in cases {
        let outcome = judge(config, &token(&[], edits)).await;
        assert_eq!(outcome, *expected, "{edits:?}");
    }
}

#[tokio::test]
async fn a_session_says_who_and_until_when() {
    let verifier = Verifier::new(&config(), clock()).expect("a verifier");
    let session = verifier.verify(&token(&[], &[])).await.expect("a session");
    assert_eq!(
        session,
        Session {
            user_id: "user_2GIpXOEpVyJw51rkZn9Kmnc6Sxr".to_owned(),
            session_id: "sess_2GbDB4enNdCa5vS1zpC3Xzg9tK9".to_owned(),
            issued_at: DateTime::from_timestamp(NOW - 10, 0).expect("a time"),
            expires_at: DateTime::from_timestamp(NOW + 50, 0).expect("a time"),
            azp: Some(APP.to_owned()),
        }
    );
}
