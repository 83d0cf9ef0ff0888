//! `exp`, `nbf`, `iat`: whole seconds, of now, and not far apart.

use crate::tokens::row::{ADMITTED, Row, Setting, claims, no};

pub(super) fn rows() -> Vec<Row> {
    [edges(), spans(), forms()].concat()
}

fn edges() -> Vec<Row> {
    let exact = || Setting {
        skew: 0,
        ..Setting::default()
    };
    vec![
        claims(
            "expired four seconds ago",
            &[("exp", "1699999996")],
            ADMITTED,
        ),
        claims(
            "expired five seconds ago",
            &[("exp", "1699999995")],
            no("expired"),
        ),
        claims(
            "expires now, no skew",
            &[("exp", "1700000000")],
            no("expired"),
        )
        .at(exact()),
        claims(
            "expires in a second, no skew",
            &[("exp", "1700000001")],
            ADMITTED,
        )
        .at(exact()),
        claims(
            "expired a minute ago",
            &[
                ("iat", "1699999880"),
                ("nbf", "1699999870"),
                ("exp", "1699999940"),
            ],
            no("expired"),
        ),
        claims("begins in five seconds", &[("nbf", "1700000005")], ADMITTED),
        claims(
            "begins in six seconds",
            &[("nbf", "1700000006")],
            no("not_yet"),
        ),
        claims(
            "begins in a second, no skew",
            &[("nbf", "1700000001")],
            no("not_yet"),
        )
        .at(exact()),
        claims("issued in five seconds", &[("iat", "1700000005")], ADMITTED),
        claims(
            "issued in six seconds",
            &[("iat", "1700000006")],
            no("issued_in_future"),
        ),
        claims(
            "issued in a second, no skew",
            &[("iat", "1700000001")],
            no("issued_in_future"),
        )
        .at(exact()),
    ]
}

fn spans() -> Vec<Row> {
    vec![
        claims("lives 600 seconds", &[("exp", "1700000590")], ADMITTED),
        claims(
            "lives 601 seconds",
            &[("exp", "1700000591")],
            no("lifetime"),
        ),
        claims("lives a year", &[("exp", "1731536000")], no("lifetime")),
        claims(
            "expires before it is issued",
            &[("iat", "1699999998"), ("exp", "1699999997")],
            no("lifetime"),
        ),
        claims("issued 1970", &[("iat", "0"), ("nbf", "0")], no("lifetime")),
        claims(
            "began 600 seconds before it was issued",
            &[("nbf", "1699999390")],
            ADMITTED,
        ),
        claims(
            "began 601 seconds before it was issued",
            &[("nbf", "1699999389")],
            no("lifetime"),
        ),
        claims("began 1970", &[("nbf", "0")], no("lifetime")),
        claims(
            "expires in the year 9999",
            &[("exp", "253402300799")],
            no("lifetime"),
        ),
    ]
}

/// Numbers that a careless reader takes for never, or for now.
fn forms() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, good) in [
        ("exp", "1700000050"),
        ("nbf", "1699999980"),
        ("iat", "1699999990"),
    ] {
        for (value, reason) in [
            ("", name),
            ("null", name),
            ("true", name),
            ("{}", name),
            ("\"\"", name),
            ("-1", name),
            ("-0.0", name),
            ("1e300", name),
            ("253402300800", name),
            ("9223372036854775808", name),
            ("18446744073709551616", name),
            ("1e400", "malformed"),
            ("-1e400", "malformed"),
            ("NaN", "malformed"),
            ("Infinity", "malformed"),
            ("01700000050", "malformed"),
            ("0x6553f132", "malformed"),
        ] {
            rows.push(claims(
                &format!("{name} {value}"),
                &[(name, value)],
                no(reason),
            ));
        }
        let (text, list) = (format!("\"{good}\""), format!("[{good}]"));
        let (float, exponent) = (format!("{good}.0"), "17e8".to_owned());
        for value in [text, list, float, exponent] {
            rows.push(claims(
                &format!("{name} {value}"),
                &[(name, &value)],
                no(name),
            ));
        }
        rows.push(claims(
            &format!("{name} twice"),
            &[(name, good), (name, good)],
            no("malformed"),
        ));
    }
    rows
}
