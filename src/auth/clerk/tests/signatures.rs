//! Who signed a token, and whether it is one.

use super::*;
use crate::auth::testing::other_key;

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
