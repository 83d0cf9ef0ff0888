//! What the dashboard lets its owner add to every session token: anything.

use crate::tokens::row::{ADMITTED, Row, Setting, claims, no};

pub(super) fn rows() -> Vec<Row> {
    let deep = format!("{}{}", "[".repeat(1500), "]".repeat(1500));
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500));
    let long = format!("\"{}\"", "x".repeat(4000));
    let many = serde_json::to_string(&vec![["org:role"; 2]; 100]).unwrap();
    let mut rows: Vec<_> = [
        (
            "metadata",
            "metadata",
            r#"{"onboarded":true,"plan":{"tier":3}}"#,
        ),
        ("public metadata that is empty", "public_metadata", "{}"),
        ("roles", "roles", r#"["admin","member"]"#),
        ("two hundred roles, in pairs", "roles", &many),
        ("a role that is null", "role", "null"),
        ("an e-mail address", "email", "\"ada@example.test\""),
        (
            "a name in another script",
            "full_name",
            "\"\u{c1}da \u{5c0f}\u{6797} \u{1f98a}\"",
        ),
        (
            "a name in escapes",
            "full_name",
            r#""\u00c1da \ud83e\udd8a""#,
        ),
        ("a NUL in a name", "full_name", r#""a\u0000b""#),
        ("an empty text", "nickname", "\"\""),
        ("a long text", "bio", &long),
        ("true", "is_admin", "true"),
        ("a negative fraction", "balance", "-12.5e-3"),
        (
            "an integer beyond 64 bits",
            "big",
            "123456789012345678901234567890",
        ),
        ("a number beyond all floats", "huge", "1e400"),
        ("a deep list", "deep", &deep),
        ("deep objects", "deep", &deep_objects),
        (
            "an object that says a name twice",
            "metadata",
            r#"{"a":1,"a":2}"#,
        ),
        ("a time as a text", "created_at", "\"2023-11-14T22:13:20Z\""),
        ("a name like one of the header's", "alg", "\"none\""),
        ("another, kid", "kid", "[1]"),
        ("another, typ", "typ", "\"at+jwt\""),
        ("another, cat", "cat", "\"cl_B7d4PD222AAA\""),
        ("another, crit", "crit", "[\"x\"]"),
        (
            "a name with a dot",
            "https://example.test/claims",
            r#"{"x":[]}"#,
        ),
        ("an empty name", "", "1"),
        ("a name that only looks like sub", "Sub", "\"user_mallory\""),
        ("a scope", "scope", "\"read write\""),
        ("a client id", "client_id", "\"client_x\""),
        ("a confirmation key", "cnf", r#"{"jkt":"x"}"#),
    ]
    .map(|(what, name, value)| claims(&format!("custom claim: {what}"), &[(name, value)], ADMITTED))
    .to_vec();
    rows.extend([
        claims(
            "custom claims, several",
            &[("a", "1"), ("b", "{}"), ("c", "[]")],
            ADMITTED,
        ),
        claims(
            "custom claims where azp is looked at",
            &[("a", "{}")],
            ADMITTED,
        )
        .at(Setting::parties(&["https://app.example.test"])),
        // RFC 7519 section 4: names are unique. Clerk's are; who says one twice hides one.
        claims(
            "custom claim twice",
            &[("a", "1"), ("a", "1")],
            no("malformed"),
        ),
        claims(
            "custom claim that is no JSON",
            &[("a", "undefined")],
            no("malformed"),
        ),
    ]);
    rows
}
