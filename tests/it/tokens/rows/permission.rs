//! Genuine, and still not let in: `sts` and `act`. And the development key's.

use chrono::{DateTime, TimeDelta};
use tributary::auth::{clerk::DEVELOPMENT_ISSUER, dev};

use crate::{
    support::keys::{new_key, signing_key},
    tokens::{
        keys,
        row::{
            ADMITTED, Expected, ISSUER, NOW, Row, Setting, claims, claims_text, forbidden,
            header_text, no,
        },
    },
};

pub(super) fn rows() -> Vec<Row> {
    [states(), actors(), development()].concat()
}

fn states() -> Vec<Row> {
    let away = forbidden("session_not_active");
    let pending = claims_text(&[("sts", "\"pending\"")]);
    let foreign = keys::foreign().token(&header_text(&[]), &pending);
    vec![
        claims("sts active", &[("sts", "\"active\"")], ADMITTED),
        claims("sts ended", &[("sts", "\"ended\"")], away),
        claims("sts Active", &[("sts", "\"Active\"")], away),
        claims("sts empty", &[("sts", "\"\"")], away),
        claims("sts null", &[("sts", "null")], away),
        claims("sts a list", &[("sts", "[\"active\"]")], away),
        claims(
            "sts twice",
            &[("sts", "\"active\""), ("sts", "\"active\"")],
            no("malformed"),
        ),
        // What is not valid is not told that it may not.
        claims(
            "sts pending, and expired",
            &[("sts", "\"pending\""), ("exp", "1699999991")],
            no("expired"),
        ),
        Row::new("sts pending, a stranger's key", foreign, no("signature")),
    ]
}

fn actors() -> Vec<Row> {
    let allowing = || Setting {
        impersonation: true,
        ..Setting::default()
    };
    let act = r#"{"iss":"https://dashboard.clerk.com","sid":"sess_x","sub":"user_admin"}"#;
    vec![
        claims("act", &[("act", act)], forbidden("impersonation")),
        claims("act null", &[("act", "null")], forbidden("impersonation")),
        claims("act empty", &[("act", "{}")], forbidden("impersonation")),
        claims("act where it is allowed", &[("act", act)], ADMITTED).at(allowing()),
        claims(
            "act and pending where it is allowed",
            &[("act", act), ("sts", "\"pending\"")],
            forbidden("session_not_active"),
        )
        .at(allowing()),
        claims(
            "act and expired",
            &[("act", act), ("exp", "1699999991")],
            no("expired"),
        ),
    ]
}

fn development() -> Vec<Row> {
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let mint = |name: &str, key, issuer, expected: Expected| {
        let token = dev::mint(key, issuer, "user_a", now, TimeDelta::minutes(1)).unwrap();
        Row::new(name, token, expected)
    };
    let issuer = format!("\"{DEVELOPMENT_ISSUER}\"");
    vec![
        mint(
            "of the development key",
            signing_key(),
            DEVELOPMENT_ISSUER,
            ADMITTED,
        ),
        mint(
            "of the development key, where there is none",
            signing_key(),
            DEVELOPMENT_ISSUER,
            no("iss"),
        )
        .at(Setting::pasted()),
        mint(
            "of the development key in Clerk's name",
            signing_key(),
            ISSUER,
            no("kid_unknown"),
        ),
        mint(
            "of another development key",
            &new_key(),
            DEVELOPMENT_ISSUER,
            no("signature"),
        ),
        claims(
            "Clerk's under the development key's issuer",
            &[("iss", &issuer)],
            no("signature"),
        ),
    ]
}
