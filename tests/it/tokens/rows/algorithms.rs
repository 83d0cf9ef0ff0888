//! RS256, and nothing that calls itself otherwise.

use jsonwebtoken::Algorithm;

use crate::tokens::{
    keys,
    row::{Row, Setting, claims_text, header, header_text, no},
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<_> = [
        "\"none\"",
        "\"None\"",
        "\"NONE\"",
        "\"nOnE\"",
        "\"HS256\"",
        "\"HS512\"",
        "\"RS384\"",
        "\"RS512\"",
        "\"PS256\"",
        "\"ES256\"",
        "\"EdDSA\"",
        "\"rs256\"",
        "\"RS256 \"",
        "\"\"",
        "null",
        "0",
        "[\"RS256\"]",
        "{}",
        "",
    ]
    .map(|alg| header(&format!("alg {alg}"), &[("alg", alg)], no("alg")))
    .to_vec();
    rows.extend(other_signatures());
    let unsigned = header_text(&[("alg", "\"none\"")]);
    let unsigned = keys::clerk().token(&unsigned, &claims_text(&[]));
    let (unsigned, _) = unsigned.rsplit_once('.').unwrap();
    rows.extend([
        Row::new(
            "alg none, no signature",
            format!("{unsigned}."),
            no("malformed"),
        ),
        Row::new(
            "alg none, not even its dot",
            unsigned.to_owned(),
            no("malformed"),
        ),
        header(
            "alg twice",
            &[("alg", "\"none\""), ("alg", "\"RS256\"")],
            no("malformed"),
        ),
        header(
            "alg in escapes, twice",
            &[("alg", "\"RS256\""), ("\\u0061lg", "\"none\"")],
            no("malformed"),
        ),
    ]);
    rows
}

/// Right ones by another algorithm, which the header admits or denies.
fn other_signatures() -> Vec<Row> {
    let claims = claims_text(&[]);
    let mut rows = Vec::new();
    for (alg, algorithm) in [
        ("RS384", Algorithm::RS384),
        ("RS512", Algorithm::RS512),
        ("PS256", Algorithm::PS256),
    ] {
        let quoted = format!("\"{alg}\"");
        for (said, reason) in [(quoted.as_str(), "alg"), ("\"RS256\"", "signature")] {
            let header = header_text(&[("alg", said)]);
            let token = keys::clerk().token_by(algorithm, header.as_bytes(), claims.as_bytes());
            rows.push(Row::new(
                format!("signed by {alg}, alg {said}"),
                token,
                no(reason),
            ));
        }
    }
    for (said, reason) in [("\"HS256\"", "alg"), ("\"RS256\"", "signature")] {
        let header = header_text(&[("alg", said)]);
        let hmac = keys::clerk().token_by_hmac(&header, &claims);
        let name = format!("HMAC with the public key, alg {said}");
        rows.push(Row::new(name.clone(), hmac.clone(), no(reason)));
        rows.push(Row::new(name + ", pasted", hmac, no(reason)).at(Setting::pasted()));
    }
    for (said, kid, reason) in [
        ("\"ES256\"", "\"k-ec\"", "alg"),
        ("\"RS256\"", "\"k1\"", "signature"),
    ] {
        let header = header_text(&[("alg", said), ("kid", kid)]);
        let token = keys::elliptic(&header, &claims);
        rows.push(Row::new(
            format!("signed by ES256, alg {said}"),
            token,
            no(reason),
        ));
    }
    rows
}
