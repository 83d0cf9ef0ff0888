use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;

/// The example of Svix's own documentation.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SENT: i64 = 1_614_265_330;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const BODY: &[u8] = br#"{"test": 2432232314}"#;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn secret(text: &str) -> Result<Secret, BadSecret> {
    Secret::parse(&text.into())
}

fn headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
    let pairs = [
        ("svix-id", id),
        ("svix-timestamp", timestamp),
        ("svix-signature", signature),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

fn check(headers: &HeaderMap, now: i64, body: &[u8]) -> Result<(), Refusal> {
    let stamp = Stamp::read(headers, at(now))?;
    secret(SECRET).unwrap().verify(&stamp, body)
}

fn genuine() -> HeaderMap {
    headers(ID, &SENT.to_string(), SIGNATURE)
}

#[test]
fn the_published_example_is_taken() {
    assert_eq!(check(&genuine(), SENT, BODY), Ok(()));
}

#[test]
fn one_right_signature_among_several_is_enough() {
    let other = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let timestamp = SENT.to_string();
    for signatures in [
        format!("{other} {SIGNATURE}"),
        format!("{SIGNATURE} {other}"),
        format!("v1a,nonsense v1,??? {SIGNATURE}"),
    ] {
        let headers = headers(ID, &timestamp, &signatures);
        assert_eq!(check(&headers, SENT, BODY), Ok(()), "{signatures}");
    }
}

#[test]
fn what_is_not_signed_by_this_secret_is_forged() {
    let timestamp = SENT.to_string();
    let bare = SIGNATURE.trim_start_matches("v1,");
    for signatures in [
        "",
        "v1,",
        bare,
        &format!("v2,{bare}"),
        &format!("v1a,{bare}"),
        &format!("v1,{}", &bare[..40]),
        &SIGNATURE.replace('=', ""),
        &format!("{SIGNATURE},{SIGNATURE}"),
    ] {
        let headers = headers(ID, &timestamp, signatures);
        let refused = check(&headers, SENT, BODY);
        assert_eq!(refused, Err(Refusal::Forged), "{signatures}");
    }
    for (id, timestamp, body) in [
        ("msg_other", SENT, BODY),
        (ID, SENT + 1, BODY),
        (ID, SENT, br#"{"test": 2432232315}"#.as_slice()),
    ] {
        let headers = headers(id, &timestamp.to_string(), SIGNATURE);
        assert_eq!(check(&headers, SENT, body), Err(Refusal::Forged));
    }
}

#[test]
fn only_what_was_signed_within_five_minutes_is_taken() {
    for (now, expected) in [
        (SENT - 301, Err(Refusal::Stale)),
        (SENT - 300, Ok(())),
        (SENT + 300, Ok(())),
        (SENT + 301, Err(Refusal::Stale)),
    ] {
        assert_eq!(check(&genuine(), now, BODY), expected, "{now}");
    }
    for far in [i64::MIN, i64::MAX] {
        let headers = headers(ID, &far.to_string(), SIGNATURE);
        assert_eq!(check(&headers, SENT, BODY), Err(Refusal::Stale));
    }
}

#[test]
fn headers_that_are_missing_doubled_or_odd_are_malformed() {
    let odd = |change: &dyn Fn(&mut HeaderMap)| {
        let mut headers = genuine();
        change(&mut headers);
        check(&headers, SENT, BODY)
    };
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        assert_eq!(odd(&|h| drop(h.remove(name))), Err(Refusal::Malformed));
        let twice = |h: &mut HeaderMap| assert!(h.append(name, HeaderValue::from_static("x")));
        assert_eq!(odd(&twice), Err(Refusal::Malformed));
        let opaque = HeaderValue::from_bytes(&[0xff]).unwrap();
        let replaced = |h: &mut HeaderMap| drop(h.insert(name, opaque.clone()));
        assert_eq!(odd(&replaced), Err(Refusal::Malformed));
    }
    let long = "x".repeat(LONGEST_ID + 1);
    for (id, timestamp) in [
        ("", "1614265330"),
        (long.as_str(), "1614265330"),
        (ID, ""),
        (ID, "now"),
        (ID, "1614265330.0"),
        (ID, "99999999999999999999"),
    ] {
        let headers = headers(id, timestamp, SIGNATURE);
        assert_eq!(check(&headers, SENT, BODY), Err(Refusal::Malformed));
    }
}

#[test]
fn an_empty_secret_is_none() {
    for text in [
        "",
        "whsec_",
        "whsec_???",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ] {
        assert_eq!(secret(text).err(), Some(BadSecret), "{text}");
    }
}

fn signed(key: &[u8], id: &str, body: &[u8]) -> (Secret, HeaderMap) {
    let secret = secret(&format!("whsec_{}", STANDARD.encode(key))).unwrap();
    let timestamp = SENT.to_string();
    let signature = STANDARD.encode(secret.sign(id, &timestamp, body));
    let headers = headers(id, &timestamp, &format!("v1,{signature}"));
    (secret, headers)
}

proptest! {
    #[test]
    fn what_was_signed_is_taken_and_nothing_else(
        key in proptest::collection::vec(any::<u8>(), 1..80),
        id in "[a-zA-Z0-9_]{1,40}",
        body in proptest::collection::vec(any::<u8>(), 1..200),
        at_byte: proptest::sample::Index,
        bit in 0..8_u8,
    ) {
        let (secret, headers) = signed(&key, &id, &body);
        let stamp = Stamp::read(&headers, at(SENT)).unwrap();
        prop_assert_eq!(secret.verify(&stamp, &body), Ok(()));
        let mut other = body.clone();
        other[at_byte.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(secret.verify(&stamp, &other), Err(Refusal::Forged));
        prop_assert_eq!(secret.verify(&stamp, &body[1..]), Err(Refusal::Forged));
        let (stranger, _) = signed(&[&key[..], b"x"].concat(), &id, &body);
        prop_assert_eq!(stranger.verify(&stamp, &body), Err(Refusal::Forged));
    }

    #[test]
    fn no_header_makes_it_panic(
        id: String, timestamp: String, signature: String, now in -1_000_000_000_i64..4_000_000_000,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in [("svix-id", id), ("svix-timestamp", timestamp), ("svix-signature", signature)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        if let Ok(stamp) = Stamp::read(&headers, at(now)) {
            prop_assert_eq!(secret(SECRET).unwrap().verify(&stamp, BODY), Err(Refusal::Forged));
        }
    }
}
