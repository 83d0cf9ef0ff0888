//! Clerk's own fixtures, with what Clerk's own library made of them; and PEMs as people
//! paste them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::tokens::row::{ADMITTED, Expected, Keys, Row, Setting, no};

const RECORDED: &str = include_str!("../../../fixtures/clerk/clerk_backend_fixtures.json");

pub(super) fn rows() -> Vec<Row> {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let cases = recorded["verify_token"].as_array().unwrap();
    let mut rows: Vec<_> = cases.iter().map(|case| row(&recorded, case)).collect();
    assert_eq!(rows.len(), 27);
    rows.extend(opaque(&recorded));
    rows.extend(pastes(&recorded, &cases[0]));
    rows
}

fn row(recorded: &Value, case: &Value) -> Row {
    let options = &case["options"];
    let parties = options["authorizedParties"].as_array();
    let skew = options["clockSkewInMs"].as_u64().unwrap_or(5_000) / 1_000;
    let setting = Setting {
        now: case["now"].as_i64().unwrap(),
        issuer: text(options.get("issuer").unwrap_or(&recorded["payload"]["iss"])),
        keys: Keys::Pasted(text(&recorded["pem"])),
        parties: parties.into_iter().flatten().map(text).collect(),
        skew: u32::try_from(skew).unwrap(),
        impersonation: false,
    };
    let name = format!("Clerk's {}", text(&case["name"]));
    Row::new(name, text(&case["token"]), expected(case)).at(setting)
}

/// Our word for Clerk's reason. What a token says is judged before its signature, which is
/// dear: the two that Clerk refuses for that are refused before it.
fn expected(case: &Value) -> Expected {
    let name = case["name"].as_str().unwrap();
    match (name, case["expected"]["reason"].as_str()) {
        (_, None) => ADMITTED,
        ("mockInvalidSignatureJwt", _) | (_, Some("token-invalid-authorized-parties")) => no("azp"),
        ("mockMalformedJwt", _) | (_, Some("token-invalid-issuer")) => no("iss"),
        (_, Some("token-expired")) => no("expired"),
        (_, Some("token-not-active-yet")) => no("not_yet"),
        (_, Some("token-iat-in-the-future")) => no("issued_in_future"),
        ("oauth_at_jwt_as_session" | "oauth_application_at_jwt_as_session", _) => no("typ"),
        (_, Some("token-invalid")) => no("malformed"),
        (name, Some(reason)) => panic!("{name}: {reason} is new"),
    }
}

fn opaque(recorded: &Value) -> Vec<Row> {
    let tokens = recorded["opaque_tokens"].as_object().unwrap();
    let row = |(name, token): (&String, &Value)| {
        Row::new(format!("opaque {name}"), text(token), no("malformed"))
    };
    tokens.iter().map(row).collect()
}

/// Clerk's first token at a Tributary that has the key in one of these forms.
fn pastes(recorded: &Value, case: &Value) -> Vec<Row> {
    let pem = text(&recorded["pem"]);
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    [
        ("with \\n", pem.replace('\n', "\\n")),
        ("with \\r\\n", pem.replace('\n', "\\r\\n")),
        ("with CRLF", pem.replace('\n', "\r\n")),
        ("on one line", pem.replace('\n', " ")),
        ("without any line's end", pem.replace('\n', "")),
        ("in quotes", format!("\"{}\"", pem.replace('\n', "\\n"))),
        ("in single quotes", format!("'{pem}'")),
        ("without its borders", body.clone()),
        ("as PKCS#1", pkcs1(&body)),
        ("with spaces around", format!("  {pem}\n\n")),
    ]
    .into_iter()
    .map(|(name, pasted)| {
        let mut row = row(recorded, case);
        row.name = format!("the key {name}");
        row.setting.keys = Keys::Pasted(pasted);
        row
    })
    .collect()
}

/// An SPKI of RSA 2048 is 24 bytes of wrapping around the PKCS#1 (RFC 8017 appendix A.1.1).
fn pkcs1(spki: &str) -> String {
    let body = STANDARD.encode(&STANDARD.decode(spki).unwrap()[24..]);
    format!("-----BEGIN RSA PUBLIC KEY-----\n{body}\n-----END RSA PUBLIC KEY-----\n")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
