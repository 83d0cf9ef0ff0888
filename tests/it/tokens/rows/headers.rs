//! What a header may say, and what it is not believed.

use crate::tokens::{
    keys,
    row::{ADMITTED, Row, Setting, claims_text, header, header_text, no},
};

pub(super) fn rows() -> Vec<Row> {
    [types(), kids(), others(), foreign()].concat()
}

fn types() -> Vec<Row> {
    vec![
        header("typ absent", &[("typ", "")], ADMITTED),
        header("typ jwt", &[("typ", "\"jwt\"")], no("typ")),
        header("typ null", &[("typ", "null")], no("typ")),
        header("typ empty", &[("typ", "\"\"")], no("typ")),
        header("typ a list", &[("typ", "[\"JWT\"]")], no("typ")),
        header("typ JOSE", &[("typ", "\"JOSE\"")], no("typ")),
        header("typ logout+jwt", &[("typ", "\"logout+jwt\"")], no("typ")),
        header("typ dpop+jwt", &[("typ", "\"dpop+jwt\"")], no("typ")),
        header("crit empty", &[("crit", "[]")], no("crit")),
        header("crit of a known one", &[("crit", "[\"exp\"]")], no("crit")),
        header(
            "crit b64",
            &[("crit", "[\"b64\"]"), ("b64", "false")],
            no("crit"),
        ),
        header("crit null", &[("crit", "null")], no("crit")),
        header(
            "cat unknown",
            &[("cat", "\"cl_B7d4PD444AAA\"")],
            no("category"),
        ),
        header("cat a number", &[("cat", "1")], no("category")),
        header("cat null", &[("cat", "null")], no("category")),
        header("cat empty", &[("cat", "\"\"")], no("category")),
    ]
}

fn kids() -> Vec<Row> {
    vec![
        header("kid missing", &[("kid", "")], no("kid")),
        header("kid missing, the key pasted", &[("kid", "")], ADMITTED).at(Setting::pasted()),
        header("kid unknown", &[("kid", "\"k9\"")], no("kid_unknown")),
        header(
            "kid unknown, the key pasted",
            &[("kid", "\"k9\"")],
            ADMITTED,
        )
        .at(Setting::pasted()),
        header("kid empty", &[("kid", "\"\"")], no("kid_unknown")),
        header("kid in capitals", &[("kid", "\"K1\"")], no("kid_unknown")),
        header("kid of another key", &[("kid", "\"k2\"")], no("signature")),
        header(
            "kid of a key to encrypt",
            &[("kid", "\"k-enc\"")],
            no("kid_unknown"),
        ),
        header(
            "kid of a key for RS512",
            &[("kid", "\"k-512\"")],
            no("kid_unknown"),
        ),
        header(
            "kid of an elliptic key",
            &[("kid", "\"k-ec\"")],
            no("kid_unknown"),
        ),
        header(
            "kid a path",
            &[("kid", "\"../../dev/null\"")],
            no("kid_unknown"),
        ),
        header(
            "kid SQL",
            &[("kid", "\"k1' OR '1'='1\"")],
            no("kid_unknown"),
        ),
        header("kid a number", &[("kid", "1")], no("kid")),
        header("kid null", &[("kid", "null")], no("kid")),
        header("kid a list", &[("kid", "[\"k1\"]")], no("kid")),
        header("kid a number, the key pasted", &[("kid", "1")], no("kid")).at(Setting::pasted()),
        header(
            "kid twice",
            &[("kid", "\"k1\""), ("kid", "\"k1\"")],
            no("malformed"),
        ),
    ]
}

/// Nobody asks the header for keys, whatever it offers.
fn others() -> Vec<Row> {
    let jwk = keys::foreign().header_jwk();
    vec![
        header(
            "jku",
            &[("jku", "\"http://127.0.0.1:1/jwks.json\"")],
            ADMITTED,
        ),
        header("x5u", &[("x5u", "\"http://127.0.0.1:1/\"")], ADMITTED),
        header("x5c", &[("x5c", "[\"AAAA\"]")], ADMITTED),
        header("x5t", &[("x5t", "\"AAAA\"")], ADMITTED),
        header("jwk", &[("jwk", &jwk)], ADMITTED),
        header("cty", &[("cty", "\"JWT\"")], ADMITTED),
        header("a member that nobody knows", &[("x", "[{}]")], ADMITTED),
        header("a member twice", &[("x", "1"), ("x", "2")], no("malformed")),
    ]
}

fn foreign() -> Vec<Row> {
    let sign = |name: &str, edits: &[(&str, &str)]| {
        let token = keys::foreign().token(&header_text(edits), &claims_text(&[]));
        Row::new(name, token, no("signature"))
    };
    let jwk = keys::foreign().header_jwk();
    vec![
        sign("a stranger's key", &[]),
        sign(
            "a stranger's key behind jku",
            &[("jku", "\"http://127.0.0.1:1/jwks.json\"")],
        ),
        sign(
            "a stranger's key behind x5u",
            &[("x5u", "\"http://127.0.0.1:1/\"")],
        ),
        sign("a stranger's key brought along", &[("jwk", &jwk)]),
        sign("a stranger's key, the right one pasted", &[]).at(Setting::pasted()),
    ]
}
