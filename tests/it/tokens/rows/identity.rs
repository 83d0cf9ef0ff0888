//! Whose token it is: `iss`, `sub`, `sid`, `azp`.

use crate::tokens::row::{ADMITTED, APP, Expected, Row, Setting, claims, no};

pub(super) fn rows() -> Vec<Row> {
    [issuers(), subjects(), sessions(), parties()].concat()
}

fn each(name: &str, cases: &[(&str, Expected)]) -> Vec<Row> {
    let row = |&(value, expected): &(&str, Expected)| {
        let shown: String = value.chars().take(60).collect();
        claims(&format!("{name} {shown}"), &[(name, value)], expected)
    };
    cases.iter().map(row).collect()
}

fn issuers() -> Vec<Row> {
    let mut rows = each(
        "iss",
        &[
            ("", no("iss")),
            ("null", no("iss")),
            ("\"\"", no("iss")),
            ("1", no("iss")),
            ("[\"https://clerk.example.test\"]", no("iss")),
            ("\"https://clerk.example.test/\"", no("iss")),
            ("\"https://Clerk.example.test\"", no("iss")),
            ("\"http://clerk.example.test\"", no("iss")),
            ("\"clerk.example.test\"", no("iss")),
            ("\" https://clerk.example.test\"", no("iss")),
            ("\"https://clerk.example.test:443\"", no("iss")),
            ("\"https://clerk.example.test.evil.test\"", no("iss")),
            ("\"https://other.clerk.accounts.dev\"", no("iss")),
            ("\"https://clerk.example.test\\u0000\"", no("iss")),
            // Escapes are JSON's affair: this is the very same text.
            ("\"https:\\/\\/clerk.example.test\"", ADMITTED),
        ],
    );
    let issuer = "\"https://clerk.example.test\"";
    rows.push(claims(
        "iss twice",
        &[("iss", issuer), ("iss", issuer)],
        no("malformed"),
    ));
    rows
}

fn subjects() -> Vec<Row> {
    let longest = format!("\"user_{}\"", "x".repeat(250));
    let longer = format!("\"user_{}\"", "x".repeat(251));
    let mut rows = each(
        "sub",
        &[
            ("", no("sub")),
            ("null", no("sub")),
            ("1", no("sub")),
            ("\"\"", no("sub")),
            ("\"user_\"", no("sub")),
            ("\"USER_a\"", no("sub")),
            ("\"User_a\"", no("sub")),
            ("\" user_a\"", no("sub")),
            ("\"user_a \"", no("sub")),
            ("\"user_a b\"", no("sub")),
            ("\"user_a\\u0000\"", no("sub")),
            ("\"user_\u{e4}\"", no("sub")),
            ("\"user_a,user_b\"", no("sub")),
            ("\"user_%61\"", no("sub")),
            ("\"@ada:example.test\"", no("sub")),
            ("[\"user_a\"]", no("sub")),
            ("{\"user\":\"user_a\"}", no("sub")),
            ("\"user_a-b_c9\"", ADMITTED),
        ],
    );
    rows.extend([
        claims("sub as long as may be", &[("sub", &longest)], ADMITTED),
        claims("sub longer than may be", &[("sub", &longer)], no("sub")),
        claims(
            "sub twice",
            &[("sub", "\"user_a\""), ("sub", "\"user_b\"")],
            no("malformed"),
        ),
        claims(
            "sub in escapes, twice",
            &[("sub", "\"user_a\""), ("s\\u0075b", "\"user_b\"")],
            no("malformed"),
        ),
    ]);
    rows
}

fn sessions() -> Vec<Row> {
    let mut rows = each(
        "sid",
        &[
            ("null", no("sid")),
            ("\"\"", no("sid")),
            ("7", no("sid")),
            ("{}", no("sid")),
            ("[\"sess_a\"]", no("sid")),
            ("\"sess_\"", no("sid")),
            ("\"user_a\"", no("sid")),
            ("\"sess_a b\"", no("sid")),
            ("\"sess_a\"", ADMITTED),
        ],
    );
    rows.push(claims(
        "sid twice",
        &[("sid", "\"sess_a\""), ("sid", "\"sess_a\"")],
        no("malformed"),
    ));
    rows
}

fn parties() -> Vec<Row> {
    let listed = || Setting::parties(&["", APP]);
    let at_list = each(
        "azp",
        &[
            ("", no("azp")),
            ("\"\"", no("azp")),
            ("\"https://app.example.test/\"", no("azp")),
            ("\"https://APP.example.test\"", no("azp")),
            ("\"http://app.example.test\"", no("azp")),
            ("\"https://evil.example.test\"", no("azp")),
            ("\"https://app.example.test.evil.test\"", no("azp")),
            ("\"https://app.example.test\"", ADMITTED),
        ],
    );
    let mut rows: Vec<_> = at_list.into_iter().map(|row| row.at(listed())).collect();
    // A list of them is no one's.
    rows.extend(each(
        "azp",
        &[
            ("null", no("azp")),
            ("7", no("azp")),
            ("[\"https://app.example.test\"]", no("azp")),
            ("\"https://anything.example.test\"", ADMITTED),
        ],
    ));
    rows
}
