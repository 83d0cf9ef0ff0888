//! What Clerk issues: sessions of signed-in users, and what is none.

use crate::tokens::row::{ADMITTED, NOW, Row, Setting, claims, forbidden, header, no};

pub(super) fn rows() -> Vec<Row> {
    [sessions(), organizations(), no_sessions()].concat()
}

fn sessions() -> Vec<Row> {
    vec![
        claims("a session", &[], ADMITTED),
        claims("a session, the key pasted", &[], ADMITTED).at(Setting::pasted()),
        header(
            "of the first version: without a category",
            &[("cat", "")],
            ADMITTED,
        ),
        header(
            "with the time of the first one (oiat)",
            &[("oiat", "1699999000")],
            ADMITTED,
        ),
        claims(
            "of the second version",
            &[
                ("v", "2"),
                ("jti", "\"0a1b2c3d4e5f\""),
                ("fva", "[3,-1]"),
                ("sts", "\"active\""),
            ],
            ADMITTED,
        ),
        claims(
            "without a second factor (fva)",
            &[("v", "2"), ("fva", "[0,-1]")],
            ADMITTED,
        ),
        claims(
            "with a fresh second factor",
            &[("v", "2"), ("fva", "[0,0]")],
            ADMITTED,
        ),
        claims(
            "with a plan and features",
            &[
                ("v", "2"),
                ("pla", "\"u:free\""),
                ("fea", "\"u:chats,u:export\""),
            ],
            ADMITTED,
        ),
        claims("a native app: no origin, no azp", &[("azp", "")], ADMITTED),
        claims(
            "of a Chrome extension",
            &[("azp", "\"chrome-extension://abcdefgh\"")],
            ADMITTED,
        ),
        claims(
            "of a page on a port",
            &[("azp", "\"http://localhost:3000\"")],
            ADMITTED,
        ),
        claims(
            "of a user who was imported long ago",
            &[("sub", "\"user_1abcDEF\"")],
            ADMITTED,
        ),
        claims(
            "with an audience from the dashboard",
            &[("aud", "[\"https://api.example\",\"web\"]")],
            ADMITTED,
        ),
        claims(
            "with an audience that is a text",
            &[("aud", "\"web\"")],
            ADMITTED,
        ),
        claims("with a null audience", &[("aud", "null")], ADMITTED),
        claims(
            "fresh from the press",
            &[
                ("iat", "1700000000"),
                ("exp", "1700000060"),
                ("nbf", "1699999990"),
            ],
            ADMITTED,
        ),
        claims(
            "in its last second",
            &[
                ("iat", "1699999941"),
                ("exp", "1700000001"),
                ("nbf", "1699999931"),
            ],
            ADMITTED,
        ),
        claims("of the page that is allowed", &[], ADMITTED).at(Setting::parties(&[
            "https://other.example.test",
            "https://app.example.test",
        ])),
    ]
}

fn organizations() -> Vec<Row> {
    vec![
        claims(
            "in an organization, first version",
            &[
                ("org_id", "\"org_2abc\""),
                ("org_role", "\"org:admin\""),
                ("org_slug", "\"acme\""),
                (
                    "org_permissions",
                    "[\"org:chats:read\",\"org:chats:manage\"]",
                ),
            ],
            ADMITTED,
        ),
        claims(
            "in an organization, second version",
            &[
                ("v", "2"),
                (
                    "o",
                    r#"{"id":"org_2abc","slg":"acme","rol":"admin","per":"read,manage","fpm":"3"}"#,
                ),
                ("fea", "\"o:chats,u:export\""),
                ("pla", "\"o:pro\""),
            ],
            ADMITTED,
        ),
        claims(
            "in an organization without permissions",
            &[
                ("v", "2"),
                ("o", r#"{"id":"org_2abc","rol":"member","slg":null}"#),
            ],
            ADMITTED,
        ),
        claims(
            "in none, both versions at once",
            &[
                ("v", "2"),
                ("org_id", "null"),
                ("org_role", "null"),
                ("o", "null"),
            ],
            ADMITTED,
        ),
    ]
}

/// Genuine signatures of this very instance under what is no session.
fn no_sessions() -> Vec<Row> {
    let later = (NOW + 3600).to_string();
    vec![
        header(
            "from a JWT template, by category",
            &[("cat", "\"cl_B7d4PD222AAA\"")],
            no("category"),
        ),
        claims("from a JWT template: no sid", &[("sid", "")], no("sid")),
        claims(
            "from a JWT template that lives an hour",
            &[("exp", &later)],
            no("lifetime"),
        ),
        header(
            "of a machine, by category",
            &[("cat", "\"cl_B7d4PD333AAA\"")],
            no("category"),
        ),
        claims(
            "of a machine, by subject",
            &[("sub", "\"mch_2vYVtest\"")],
            no("sub"),
        ),
        claims(
            "of a machine, as Clerk makes them",
            &[
                ("sub", "\"mch_2vYVtest\""),
                ("sid", ""),
                ("azp", ""),
                ("jti", "\"mt_2xKa9Bgv\""),
                ("scopes", "\"mch_1 mch_2\""),
            ],
            no("sub"),
        ),
        header("an OAuth access token", &[("typ", "\"at+jwt\"")], no("typ")),
        header(
            "an OAuth access token, in full",
            &[("typ", "\"application/at+jwt\"")],
            no("typ"),
        ),
        claims(
            "an OAuth client's own",
            &[("sub", "\"client_2VTW\"")],
            no("sub"),
        ),
        claims("of an API key", &[("sub", "\"ak_2VTW\"")], no("sub")),
        claims("of an organization", &[("sub", "\"org_2VTW\"")], no("sub")),
        claims(
            "a sign-in that is not finished",
            &[("sts", "\"pending\"")],
            forbidden("session_not_active"),
        ),
        claims(
            "a ticket",
            &[("sid", "\"sit_2abc\""), ("st", "\"sign_in_token\"")],
            no("sid"),
        ),
    ]
}
