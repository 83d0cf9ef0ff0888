//! Clerk's own tokens, with what Clerk's own library makes of them.

use serde_json::Value;

use super::*;
use crate::auth::clerk::jwks;

const RECORDED: &str = include_str!("../../../../tests/fixtures/clerk/clerk_backend_fixtures.json");

fn recorded() -> Value {
    serde_json::from_str(RECORDED).expect("JSON")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn verifier(recorded: &Value, case: &Value) -> Verifier {
    let options = &case["options"];
    let issuer = options["issuer"].as_str();
    let parties = options["authorizedParties"].as_array();
    let skew = options["clockSkewInMs"].as_u64().unwrap_or(5_000) / 1_000;
    let config = config::Clerk {
        issuer: Some(issuer.map_or_else(|| text(&recorded["payload"]["iss"]), str::to_owned)),
        jwt_key: Some(text(&recorded["pem"]).into()),
        authorized_parties: parties.into_iter().flatten().map(text).collect(),
        clock_skew_seconds: u32::try_from(skew).expect("seconds"),
        ..config::Clerk::default()
    };
    let now = case["now"]
        .as_i64()
        .and_then(|now| DateTime::from_timestamp(now, 0));
    let now = now.expect("a time");
    Verifier::new(&config, Clock::from_fn(move || now)).expect("a verifier")
}

/// Clerk's words for our reasons. Ours look at the claims before the signature.
fn is_same(clerk: &str, ours: &str) -> bool {
    match clerk {
        "token-invalid-authorized-parties" => ours == "azp",
        "token-invalid-issuer" => ours == "iss",
        "token-expired" => ours == "expired",
        "token-not-active-yet" => ours == "not_yet",
        "token-iat-in-the-future" => ours == "issued_in_future",
        "token-invalid-signature" => matches!(ours, "signature" | "iss" | "azp"),
        "token-invalid" => matches!(ours, "malformed" | "typ"),
        _ => false,
    }
}

#[tokio::test]
async fn we_agree_with_clerks_library() {
    let recorded = recorded();
    let cases = recorded["verify_token"].as_array().expect("cases");
    assert_eq!(cases.len(), 27);
    for case in cases {
        let (name, expected) = (&case["name"], &case["expected"]);
        match verifier(&recorded, case)
            .verify(&text(&case["token"]))
            .await
        {
            Ok(session) => assert_eq!(expected["sub"], session.user_id, "{name}"),
            Err(Refusal::Unauthorized(ours)) => {
                assert!(is_same(&text(&expected["reason"]), ours), "{name}: {ours}");
            }
            Err(refusal) => panic!("{name}: {refusal}"),
        }
    }
}

#[tokio::test]
async fn keys_are_read_as_clerks_library_reads_them() {
    let recorded = recorded();
    let case = &recorded["verify_token"][0];
    let token = text(&case["token"]);
    let formats = recorded["pem_formats"].as_array().expect("formats");
    for format in formats {
        let mut recorded = recorded.clone();
        recorded["pem"] = format["pem"].clone();
        let verified = verifier(&recorded, case).verify(&token).await.is_ok();
        assert_eq!(format["verifies_mockJwt"], verified, "{}", format["name"]);
    }
}

#[test]
fn clerks_key_set_verifies_clerks_token() {
    let recorded = recorded();
    let keys = jwks::parse(recorded["jwks"].to_string().as_bytes()).expect("keys");
    let token = text(&recorded["verify_token"][0]["token"]);
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    let key = &keys[&text(&recorded["header"]["kid"])];
    assert!(key.verifies(message, signature));
}
