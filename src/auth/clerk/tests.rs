//! Tokens, and what becomes of them.

use chrono::{DateTime, Duration};
use secrecy::SecretString;
use serde_json::Value;

use super::*;
use crate::{
    auth::{
        dev,
        testing::{other_key, test_key},
    },
    clock::Clock,
    config,
};

mod recorded;

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

async fn judge_all(config: &config::Clerk, cases: &[(Edits<'_>, Edits<'_>, Outcome)]) {
    for (header, claims, expected) in cases {
        let outcome = judge(config, &token(header, claims)).await;
        assert_eq!(outcome, *expected, "header {header:?}, claims {claims:?}");
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

#[tokio::test]
async fn headers() {
    judge_all(
        &config(),
        &[
            (&[], &[], OK),
            (&[("typ", "")], &[], OK),
            (&[("kid", "")], &[], OK),
            (&[("kid", "\"another\"")], &[], OK),
            (&[("oiat", "1699999990")], &[], OK),
            (&[("cat", "\"cl_B7d4PD111AAA\"")], &[], OK),
            (&[("jku", "\"http://127.0.0.1:1/\"")], &[], OK),
            (&[("x5u", "\"http://127.0.0.1:1/\"")], &[], OK),
            (&[("jwk", "{}")], &[], OK),
            (&[("alg", "")], &[], no("alg")),
            (&[("alg", "null")], &[], no("alg")),
            (&[("alg", "\"none\"")], &[], no("alg")),
            (&[("alg", "\"HS256\"")], &[], no("alg")),
            (&[("alg", "\"RS384\"")], &[], no("alg")),
            (&[("alg", "\"PS256\"")], &[], no("alg")),
            (&[("alg", "\"rs256\"")], &[], no("alg")),
            (&[("alg", "[\"RS256\"]")], &[], no("alg")),
            (&[("typ", "\"at+jwt\"")], &[], no("typ")),
            (&[("typ", "\"jwt\"")], &[], no("typ")),
            (&[("typ", "null")], &[], no("typ")),
            (&[("crit", "[]")], &[], no("crit")),
            (&[("crit", "[\"exp\"]")], &[], no("crit")),
            (&[("crit", "null")], &[], no("crit")),
            (&[("cat", "\"cl_B7d4PD222AAA\"")], &[], no("category")),
            (&[("cat", "\"cl_B7d4PD333AAA\"")], &[], no("category")),
            (&[("cat", "1")], &[], no("category")),
            (&[("kid", "7")], &[], no("kid")),
            (
                &[("alg", "\"RS256\""), ("alg", "\"RS256\"")],
                &[],
                no("malformed"),
            ),
            (
                &[("alg", "\"none\""), ("alg", "\"RS256\"")],
                &[],
                no("malformed"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn identities() {
    let long = format!("\"user_{}\"", "x".repeat(251));
    judge_all(
        &config(),
        &[
            (
                &[],
                &[("v", "2"), ("fva", "[1,-1]"), ("o", "{\"id\":\"org_1\"}")],
                OK,
            ),
            (&[], &[("sub", "\"user_dev-1_x\"")], OK),
            (&[], &[("iss", "")], no("iss")),
            (&[], &[("iss", "null")], no("iss")),
            (
                &[],
                &[("iss", "[\"https://clerk.example.test\"]")],
                no("iss"),
            ),
            (
                &[],
                &[("iss", "\"https://clerk.example.test/\"")],
                no("iss"),
            ),
            (
                &[],
                &[("iss", "\"https://clerk.example.test.evil.test\"")],
                no("iss"),
            ),
            (
                &[],
                &[("iss", "\"http://127.0.0.1/tributary-development\"")],
                no("iss"),
            ),
            (&[], &[("sub", "")], no("sub")),
            (&[], &[("sub", "null")], no("sub")),
            (&[], &[("sub", "1")], no("sub")),
            (&[], &[("sub", "\"\"")], no("sub")),
            (&[], &[("sub", "\"user_\"")], no("sub")),
            (&[], &[("sub", "\"mch_2vYVtest\"")], no("sub")),
            (&[], &[("sub", "\"USER_a\"")], no("sub")),
            (&[], &[("sub", "\" user_a\"")], no("sub")),
            (&[], &[("sub", "\"user_a\\u0000\"")], no("sub")),
            (&[], &[("sub", "\"user_a b\"")], no("sub")),
            (&[], &[("sub", &long)], no("sub")),
            (&[], &[("sid", "")], no("sid")),
            (&[], &[("sid", "null")], no("sid")),
            (&[], &[("sid", "{}")], no("sid")),
            (&[], &[("sid", "\"sess_\"")], no("sid")),
            (&[], &[("sid", "\"user_a\"")], no("sid")),
            (&[], &[("azp", "7")], no("azp")),
            (
                &[],
                &[("sub", "\"user_a\""), ("sub", "\"user_b\"")],
                no("malformed"),
            ),
            (
                &[],
                &[("sub", "\"user_a\""), ("s\\u0075b", "\"user_b\"")],
                no("malformed"),
            ),
            (&[], &[("x", "1"), ("x", "1")], no("malformed")),
        ],
    )
    .await;
}

#[tokio::test]
async fn times() {
    judge_all(
        &config(),
        &[
            (&[], &[("exp", "1699999996")], OK),
            (&[], &[("exp", "1699999995")], no("expired")),
            (&[], &[("exp", "1700000590")], OK),
            (&[], &[("exp", "1700000591")], no("lifetime")),
            (
                &[],
                &[("iat", "1699999998"), ("exp", "1699999997")],
                no("lifetime"),
            ),
            (&[], &[("nbf", "1700000005")], OK),
            (&[], &[("nbf", "1700000006")], no("not_yet")),
            (&[], &[("nbf", "1699999390")], OK),
            (&[], &[("nbf", "1699999389")], no("lifetime")),
            (&[], &[("iat", "1700000005")], OK),
            (&[], &[("iat", "1700000006")], no("issued_in_future")),
            (
                &[],
                &[("iat", "0"), ("nbf", "0"), ("exp", "1700000050")],
                no("lifetime"),
            ),
            (&[], &[("exp", "")], no("exp")),
            (&[], &[("nbf", "")], no("nbf")),
            (&[], &[("iat", "")], no("iat")),
            (&[], &[("exp", "null")], no("exp")),
            (&[], &[("exp", "1e400")], no("malformed")),
            (&[], &[("exp", "1e300")], no("exp")),
            (&[], &[("exp", "1700000050.0")], no("exp")),
            (&[], &[("exp", "17e8")], no("exp")),
            (&[], &[("exp", "\"1700000050\"")], no("exp")),
            (&[], &[("exp", "-1700000050")], no("exp")),
            (&[], &[("exp", "18446744073709551615")], no("exp")),
            (&[], &[("exp", "18446744073709551616")], no("exp")),
            (&[], &[("exp", "9223372036854775807")], no("exp")),
            (&[], &[("exp", "253402300800")], no("exp")),
            (&[], &[("exp", "true")], no("exp")),
            (&[], &[("exp", "[1700000050]")], no("exp")),
            (&[], &[("exp", "NaN")], no("malformed")),
            (&[], &[("nbf", "-1")], no("nbf")),
            (&[], &[("nbf", "1699999980.5")], no("nbf")),
            (&[], &[("iat", "\"1699999990\"")], no("iat")),
            (&[], &[("iat", "1e400")], no("malformed")),
            (
                &[],
                &[("exp", "1700000050"), ("exp", "1700000050")],
                no("malformed"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_skew_is_configured() {
    let config = config::Clerk {
        clock_skew_seconds: 0,
        ..config()
    };
    judge_all(
        &config,
        &[
            (&[], &[("exp", "1700000001")], OK),
            (&[], &[("exp", "1700000000")], no("expired")),
            (&[], &[("nbf", "1700000000")], OK),
            (&[], &[("nbf", "1700000001")], no("not_yet")),
        ],
    )
    .await;
}

#[tokio::test]
async fn authorized_parties() {
    let parties = vec![String::new(), APP.to_owned()];
    let config = config::Clerk {
        authorized_parties: parties,
        ..config()
    };
    judge_all(
        &config,
        &[
            (&[], &[], OK),
            (&[], &[("azp", "")], no("azp")),
            (&[], &[("azp", "null")], no("azp")),
            (&[], &[("azp", "\"\"")], no("azp")),
            (&[], &[("azp", "\"https://app.example.test/\"")], no("azp")),
            (&[], &[("azp", "\"https://evil.example.test\"")], no("azp")),
            (&[], &[("azp", "[\"https://app.example.test\"]")], no("azp")),
        ],
    )
    .await;
    judge_all(&self::config(), &[(&[], &[("azp", "")], OK)]).await;
}

#[tokio::test]
async fn sessions_that_may_not() {
    let cases: [(Edits<'_>, Edits<'_>, Outcome); 6] = [
        (&[], &[("sts", "\"active\"")], OK),
        (
            &[],
            &[("sts", "\"pending\"")],
            forbidden("session_not_active"),
        ),
        (&[], &[("sts", "null")], forbidden("session_not_active")),
        (
            &[],
            &[("act", "{\"sub\":\"user_admin\"}")],
            forbidden("impersonation"),
        ),
        (&[], &[("act", "null")], forbidden("impersonation")),
        // Not valid comes before not allowed.
        (
            &[],
            &[("sts", "\"pending\""), ("exp", "1699999991")],
            no("expired"),
        ),
    ];
    judge_all(&config(), &cases).await;
    let allowing = config::Clerk {
        allow_impersonation: true,
        ..config()
    };
    judge_all(
        &allowing,
        &[
            (&[], &[("act", "{\"sub\":\"user_admin\"}")], OK),
            (
                &[],
                &[("act", "{}"), ("sts", "\"pending\"")],
                forbidden("session_not_active"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn signatures() {
    let [header, claims] = [object(&HEADER, &[]), object(&CLAIMS, &[])];
    let good = token(&[], &[]);
    let (message, signature) = good.rsplit_once('.').expect("a signature");
    let (head, _) = message.split_once('.').expect("a header");
    let pending = object(&CLAIMS, &[("sts", "\"pending\"")]);
    let foreign = other_key();
    let swapped = token(&[], &[("sub", "\"user_mallory\"")]);
    let (swapped, _) = swapped.rsplit_once('.').expect("a signature");
    for (token, expected) in [
        (good.clone(), OK),
        (foreign.token(&header, &claims), no("signature")),
        // Nothing is said of a session that the signature does not vouch for.
        (foreign.token(&header, &pending), no("signature")),
        (format!("{swapped}.{signature}"), no("signature")),
        (format!("{message}.AAAA"), no("signature")),
        (format!("{message}."), no("malformed")),
        (format!("{good}="), no("malformed")),
        (format!("{good}\n"), no("malformed")),
        (format!(" {good}"), no("malformed")),
        (format!("{good}.{signature}"), no("malformed")),
        (message.to_owned(), no("malformed")),
        (format!("{head}..{signature}"), no("malformed")),
        (format!(".{message}"), no("malformed")),
        (good.replace('.', " "), no("malformed")),
    ] {
        assert_eq!(judge(&config(), &token).await, expected, "{token}");
    }
}

#[tokio::test]
async fn shapes() {
    let sign = |header: &str, claims: &str| test_key().token(header, claims);
    let [header, claims] = [object(&HEADER, &[]), object(&CLAIMS, &[])];
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    for token in [
        String::new(),
        "..".to_owned(),
        "Bearer".to_owned(),
        sign("[]", &claims),
        sign(&header, "[]"),
        sign(&header, "null"),
        sign(&header, "\"text\""),
        sign(&header, "{"),
        sign(&header, &format!("{claims}{claims}")),
        sign(&header, &deep),
    ] {
        assert_eq!(judge(&config(), &token).await, no("malformed"), "{token}");
    }
}

#[tokio::test]
async fn eight_kibibytes_and_no_more() {
    let padded = |length: usize| {
        let padding = format!("\"{}\"", "x".repeat(length));
        token(&[], &[("x", &padding)])
    };
    let room = 8192 - padded(0).len();
    let longest = padded(room / 4 * 3 - 3);
    assert!((8185..=8192).contains(&longest.len()), "{}", longest.len());
    assert_eq!(judge(&config(), &longest).await, OK);
    assert_eq!(judge(&config(), &padded(room)).await, no("too_long"));
}

fn development(pem: &str) -> (tempfile::NamedTempFile, config::Clerk) {
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
