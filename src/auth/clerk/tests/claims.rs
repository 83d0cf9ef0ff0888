//! What a token may say of itself.

use super::*;

#[tokio::test]
async fn headers() {
    judge_headers(
        &config(),
        &[
            (&[], OK),
            (&[("typ", "")], OK),
            (&[("kid", "")], OK),
            (&[("kid", "\"another\"")], OK),
            (&[("oiat", "1699999990")], OK),
            (&[("cat", "\"cl_B7d4PD111AAA\"")], OK),
            (&[("jku", "\"http://127.0.0.1:1/\"")], OK),
            (&[("x5u", "\"http://127.0.0.1:1/\"")], OK),
            (&[("jwk", "{}")], OK),
            (&[("alg", "")], no("alg")),
            (&[("alg", "null")], no("alg")),
            (&[("alg", "\"none\"")], no("alg")),
            (&[("alg", "\"HS256\"")], no("alg")),
            (&[("alg", "\"RS384\"")], no("alg")),
            (&[("alg", "\"PS256\"")], no("alg")),
            (&[("alg", "\"rs256\"")], no("alg")),
            (&[("alg", "[\"RS256\"]")], no("alg")),
            (&[("typ", "\"at+jwt\"")], no("typ")),
            (&[("typ", "\"jwt\"")], no("typ")),
            (&[("typ", "null")], no("typ")),
            (&[("crit", "[]")], no("crit")),
            (&[("crit", "[\"exp\"]")], no("crit")),
            (&[("crit", "null")], no("crit")),
            (&[("cat", "\"cl_B7d4PD222AAA\"")], no("category")),
            (&[("cat", "\"cl_B7d4PD333AAA\"")], no("category")),
            (&[("cat", "1")], no("category")),
            (&[("kid", "7")], no("kid")),
            (
                &[("alg", "\"RS256\""), ("alg", "\"RS256\"")],
                no("malformed"),
            ),
            (
                &[("alg", "\"none\""), ("alg", "\"RS256\"")],
                no("malformed"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn identities() {
    let long = format!("\"user_{}\"", "x".repeat(251));
    judge_claims(
        &config(),
        &[
            (
                &[("v", "2"), ("fva", "[1,-1]"), ("o", "{\"id\":\"org_1\"}")],
                OK,
            ),
            (&[("sub", "\"user_dev-1_x\"")], OK),
            (&[("iss", "")], no("iss")),
            (&[("iss", "null")], no("iss")),
            (&[("iss", "[\"https://clerk.example.test\"]")], no("iss")),
            (&[("iss", "\"https://clerk.example.test/\"")], no("iss")),
            (
                &[("iss", "\"https://clerk.example.test.evil.test\"")],
                no("iss"),
            ),
            (
                &[("iss", "\"http://127.0.0.1/tributary-development\"")],
                no("iss"),
            ),
            (&[("sub", "")], no("sub")),
            (&[("sub", "null")], no("sub")),
            (&[("sub", "1")], no("sub")),
            (&[("sub", "\"\"")], no("sub")),
            (&[("sub", "\"user_\"")], no("sub")),
            (&[("sub", "\"mch_2vYVtest\"")], no("sub")),
            (&[("sub", "\"USER_a\"")], no("sub")),
            (&[("sub", "\" user_a\"")], no("sub")),
            (&[("sub", "\"user_a\\u0000\"")], no("sub")),
            (&[("sub", "\"user_a b\"")], no("sub")),
            (&[("sub", &long)], no("sub")),
            (&[("sid", "")], no("sid")),
            (&[("sid", "null")], no("sid")),
            (&[("sid", "{}")], no("sid")),
            (&[("sid", "\"sess_\"")], no("sid")),
            (&[("sid", "\"user_a\"")], no("sid")),
            (&[("azp", "7")], no("azp")),
            (
                &[("sub", "\"user_a\""), ("sub", "\"user_b\"")],
                no("malformed"),
            ),
            (
                &[("sub", "\"user_a\""), ("s\\u0075b", "\"user_b\"")],
                no("malformed"),
            ),
            (&[("x", "1"), ("x", "1")], no("malformed")),
        ],
    )
    .await;
}

#[tokio::test]
async fn times() {
    judge_claims(
        &config(),
        &[
            (&[("exp", "1699999996")], OK),
            (&[("exp", "1699999995")], no("expired")),
            (&[("exp", "1700000590")], OK),
            (&[("exp", "1700000591")], no("lifetime")),
            (
                &[("iat", "1699999998"), ("exp", "1699999997")],
                no("lifetime"),
            ),
            (&[("nbf", "1700000005")], OK),
            (&[("nbf", "1700000006")], no("not_yet")),
            (&[("nbf", "1699999390")], OK),
            (&[("nbf", "1699999389")], no("lifetime")),
            (&[("iat", "1700000005")], OK),
            (&[("iat", "1700000006")], no("issued_in_future")),
            (
                &[("iat", "0"), ("nbf", "0"), ("exp", "1700000050")],
                no("lifetime"),
            ),
            (&[("exp", "")], no("exp")),
            (&[("nbf", "")], no("nbf")),
            (&[("iat", "")], no("iat")),
            (&[("exp", "null")], no("exp")),
            (&[("exp", "1e400")], no("malformed")),
            (&[("exp", "1e300")], no("exp")),
            (&[("exp", "1700000050.0")], no("exp")),
            (&[("exp", "17e8")], no("exp")),
            (&[("exp", "\"1700000050\"")], no("exp")),
            (&[("exp", "-1700000050")], no("exp")),
            (&[("exp", "18446744073709551615")], no("exp")),
            (&[("exp", "18446744073709551616")], no("exp")),
            (&[("exp", "9223372036854775807")], no("exp")),
            (&[("exp", "253402300800")], no("exp")),
            (&[("exp", "true")], no("exp")),
            (&[("exp", "[1700000050]")], no("exp")),
            (&[("exp", "NaN")], no("malformed")),
            (&[("nbf", "-1")], no("nbf")),
            (&[("nbf", "1699999980.5")], no("nbf")),
            (&[("iat", "\"1699999990\"")], no("iat")),
            (&[("iat", "1e400")], no("malformed")),
            (
                &[("exp", "1700000050"), ("exp", "1700000050")],
                no("malformed"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_skew_is_configured() {
    let config = config::Clerk {
        clock_skew_seconds: 0,
        ..config()
    };
    judge_claims(
        &config,
        &[
            (&[("exp", "1700000001")], OK),
            (&[("exp", "1700000000")], no("expired")),
            (&[("nbf", "1700000000")], OK),
            (&[("nbf", "1700000001")], no("not_yet")),
        ],
    )
    .await;
}

#[tokio::test]
async fn authorized_parties() {
    let parties = vec![String::new(), APP.to_owned()];
    let config = config::Clerk {
        authorized_parties: parties,
        ..config()
    };
    judge_claims(
        &config,
        &[
            (&[], OK),
            (&[("azp", "")], no("azp")),
            (&[("azp", "null")], no("azp")),
            (&[("azp", "\"\"")], no("azp")),
            (&[("azp", "\"https://app.example.test/\"")], no("azp")),
            (&[("azp", "\"https://evil.example.test\"")], no("azp")),
            (&[("azp", "[\"https://app.example.test\"]")], no("azp")),
        ],
    )
    .await;
    judge_claims(&self::config(), &[(&[("azp", "")], OK)]).await;
}

#[tokio::test]
async fn sessions_that_may_not() {
    let cases: [(Edits<'_>, Outcome); 6] = [
        (&[("sts", "\"active\"")], OK),
        (&[("sts", "\"pending\"")], forbidden("session_not_active")),
        (&[("sts", "null")], forbidden("session_not_active")),
        (
            &[("act", "{\"sub\":\"user_admin\"}")],
            forbidden("impersonation"),
        ),
        (&[("act", "null")], forbidden("impersonation")),
        // Not valid comes before not allowed.
        (
            &[("sts", "\"pending\""), ("exp", "1699999991")],
            no("expired"),
        ),
    ];
    judge_claims(&config(), &cases).await;
    let allowing = config::Clerk {
        allow_impersonation: true,
        ..config()
    };
    judge_claims(
        &allowing,
        &[
            (&[("act", "{\"sub\":\"user_admin\"}")], OK),
            (
                &[("act", "{}"), ("sts", "\"pending\"")],
                forbidden("session_not_active"),
            ),
        ],
    )
    .await;
}
