//! What is no token at all, or was one until somebody touched it.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use jsonwebtoken::Algorithm;

use crate::tokens::{
    keys,
    row::{ADMITTED, Row, claims_text, genuine, header_text, no},
};

pub(super) fn rows() -> Vec<Row> {
    [parts(), encodings(), signatures(), texts(), sizes()].concat()
}

fn malformed(name: &str, token: impl Into<String>) -> Row {
    Row::new(name, token.into(), no("malformed"))
}

fn parts() -> Vec<Row> {
    let good = genuine(&[]);
    let [head, claims, signature] = split(&good);
    vec![
        malformed("nothing", ""),
        malformed("a dot", "."),
        malformed("two dots", ".."),
        malformed("three dots", "..."),
        malformed("a word", "token"),
        malformed("an API key", "ak_live_0123456789"),
        malformed("two parts", format!("{head}.{claims}")),
        malformed("four parts", format!("{good}.{signature}")),
        malformed(
            "five parts, as an encrypted one",
            format!("{head}.{claims}.{signature}.{claims}.{signature}"),
        ),
        malformed("no header", format!(".{claims}.{signature}")),
        malformed("no claims", format!("{head}..{signature}")),
        malformed("no signature", format!("{head}.{claims}.")),
        malformed("a dot before", format!(".{good}")),
        malformed("a dot behind", format!("{good}.")),
        malformed(
            "header and claims exchanged, signature of neither",
            format!("{claims}.{head}"),
        ),
        malformed("spaces for dots", good.replace('.', " ")),
        malformed("a space before", format!(" {good}")),
        malformed("a line's end behind", format!("{good}\n")),
        malformed("a tab within", good.replacen('.', ".\t", 1)),
        malformed("in quotes", format!("\"{good}\"")),
        malformed("with its scheme twice", format!("Bearer {good}")),
        malformed("two, with a comma", format!("{good},{good}")),
        malformed(
            "with a letter that is none of base64's",
            format!("{good}\u{e9}"),
        ),
        malformed("with a NUL", format!("{good}\0")),
    ]
}

fn encodings() -> Vec<Row> {
    let good = genuine(&[]);
    let [head, claims, signature] = split(&good);
    let bytes = keys_decode(signature);
    let [header_json, claims_json] = [
        header_text(&[]),
        claims_text(&[("x", "\"\u{ff}\u{fe}>>??\"")]),
    ];
    let padded = keys::clerk().token(&header_json, &claims_json);
    let [_, odd_claims, odd_signature] = split(&padded);
    let standard = STANDARD_NO_PAD.encode(keys_decode(odd_claims));
    vec![
        malformed("padding behind the signature", format!("{good}==")),
        malformed("one padding sign behind", format!("{good}=")),
        malformed(
            "padding behind the header",
            format!("{}.{claims}.{signature}", URL_SAFE.encode("{\"a\":1}")),
        ),
        malformed(
            "the signature in base64, not base64url",
            format!("{head}.{claims}.{}", with_signs(&bytes)),
        ),
        malformed(
            "the claims in base64, not base64url",
            format!("{head}.{standard}.{odd_signature}"),
        ),
        // 256 bytes leave four spare bits in the last of 342 letters.
        malformed("spare bits that are not zero", spare_bits(&good)),
        malformed("a letter too many", format!("{good}AAA")),
    ]
}

/// The letters `+` and `/` are of the other alphabet.
fn with_signs(signature: &[u8]) -> String {
    let mut signature = signature.to_vec();
    signature[..3].copy_from_slice(&[0xfb, 0xff, 0xff]);
    STANDARD.encode(signature)
}

fn spare_bits(token: &str) -> String {
    let mut letters = token.as_bytes().to_vec();
    let last = letters.last_mut().unwrap();
    *last += 1;
    String::from_utf8(letters).unwrap()
}

fn signatures() -> Vec<Row> {
    let good = genuine(&[]);
    let other = genuine(&[("sub", "\"user_mallory\"")]);
    let [head, claims, signature] = split(&good);
    let [_, other_claims, other_signature] = split(&other);
    let refused = |name: &str, token: String| Row::new(name, token, no("signature"));
    let flipped = flip(&good);
    vec![
        refused(
            "the signature of another token",
            format!("{head}.{claims}.{other_signature}"),
        ),
        refused(
            "the claims of another token",
            format!("{head}.{other_claims}.{signature}"),
        ),
        refused(
            "a signature of three bytes",
            format!("{head}.{claims}.AAAA"),
        ),
        refused(
            "a signature that is half there",
            format!("{head}.{claims}.{}", &signature[..172]),
        ),
        refused(
            "a signature that lacks its last bytes",
            format!("{head}.{claims}.{}", &signature[..340]),
        ),
        refused(
            "a signature with more behind it",
            format!("{head}.{claims}.{signature}AA"),
        ),
        refused(
            "a signature of zeros",
            format!("{head}.{claims}.{}", "A".repeat(342)),
        ),
        refused("a signature with one bit flipped", flipped),
        refused("the header in other spaces", {
            let spaced = keys::clerk().token(&format!("{} ", header_text(&[])), &claims_text(&[]));
            format!("{}.{claims}.{signature}", split(&spaced)[0])
        }),
    ]
}

fn flip(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('B') { 'C' } else { 'B' };
    format!("{message}.{first}{}", &signature[1..])
}

/// Signed by the right key, and still nothing to read.
fn texts() -> Vec<Row> {
    let [header, claims] = [header_text(&[]), claims_text(&[])];
    let sign =
        |header: &[u8], claims: &[u8]| keys::clerk().token_by(Algorithm::RS256, header, claims);
    let (head, body) = (header.as_bytes(), claims.as_bytes());
    let spaced = claims.replace(':', " : ").replace("https : //", "https://");
    vec![
        malformed("header a list", sign(b"[]", body)),
        malformed("header a text", sign(b"\"RS256\"", body)),
        malformed("header empty", sign(b"", body)),
        malformed("claims a list", sign(head, b"[]")),
        malformed("claims null", sign(head, b"null")),
        malformed("claims a text", sign(head, b"\"user_a\"")),
        malformed("claims a number", sign(head, b"42")),
        malformed("claims not closed", sign(head, &body[..body.len() - 1])),
        malformed(
            "claims twice",
            sign(head, format!("{claims}{claims}").as_bytes()),
        ),
        malformed(
            "claims with a comma too many",
            sign(head, claims.replace('}', ",}").as_bytes()),
        ),
        malformed(
            "claims with a comment",
            sign(head, claims.replace('}', "/**/}").as_bytes()),
        ),
        malformed(
            "claims not UTF-8",
            sign(
                head,
                &[&body[..body.len() - 1], b",\"x\":\"\xff\"}"].concat(),
            ),
        ),
        malformed(
            "claims behind a byte order mark",
            sign(head, format!("\u{feff}{claims}").as_bytes()),
        ),
        malformed("claims in UTF-16", sign(head, &utf16(&claims))),
        Row::new(
            "claims with spaces",
            sign(head, format!(" {spaced}\r\n").as_bytes()),
            ADMITTED,
        ),
        Row::new("claims that say nothing", sign(head, b"{}"), no("iss")),
        Row::new("header that says nothing", sign(b"{}", body), no("alg")),
    ]
}

fn sizes() -> Vec<Row> {
    vec![
        Row::new("8192 bytes", of_length(8192), ADMITTED),
        Row::new("8193 bytes", of_length(8193), no("too_long")),
        Row::new(
            "9000 bytes that are no token",
            "x".repeat(9000),
            no("too_long"),
        ),
        Row::new("9000 dots", ".".repeat(9000), no("too_long")),
        Row::new("8000 dots", ".".repeat(8000), no("malformed")),
    ]
}

/// A genuine token of this length.
fn of_length(length: usize) -> String {
    let pad = |count: usize| format!("\"{}\"", "x".repeat(count));
    let shortest = genuine(&[("x", "\"\"")]).len();
    let about = (length - shortest) / 4 * 3;
    (0..4)
        .flat_map(|header| {
            (about.saturating_sub(12)..about + 3).map(move |claims| (header, claims))
        })
        .find_map(|(header, claims)| {
            let header = header_text(&[("x", &pad(header))]);
            let message = [header.len(), claims_text(&[("x", &pad(claims))]).len()];
            let encoded: usize = message.map(|bytes| (bytes * 4).div_ceil(3)).iter().sum();
            (encoded + 2 + 342 == length)
                .then(|| keys::clerk().token(&header, &claims_text(&[("x", &pad(claims))])))
        })
        .unwrap()
}

fn split(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().unwrap()
}

fn keys_decode(part: &str) -> Vec<u8> {
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part)
        .unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
