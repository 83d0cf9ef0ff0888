use super::*;

fn parse(url: &str) -> Result<PostgresUrl, Unusable> {
    PostgresUrl::parse(&SecretString::from(url))
}

fn ssl(query: &str) -> Ssl {
    parse(&format!("postgres://u:p@h/d?{query}")).unwrap().ssl
}

#[test]
fn a_mode_is_what_libpq_calls_so_or_more() {
    for (query, mode) in [
        ("", SslMode::Prefer),
        ("sslmode=disable", SslMode::Disable),
        ("sslmode=require", SslMode::Require),
        ("sslmode=require&sslrootcert=/ca", SslMode::VerifyCa),
        ("sslrootcert=/ca", SslMode::VerifyFull),
        ("sslrootcert=system", SslMode::VerifyFull),
        ("sslmode=verify-full", SslMode::VerifyFull),
        ("sslmode=verify-ca&sslrootcert=/ca", SslMode::VerifyCa),
        ("sslmode=disable&sslrootcert=/ca", SslMode::Disable),
    ] {
        assert_eq!(ssl(query).mode, mode, "{query}");
    }
}

#[test]
fn what_asks_for_less_than_it_seems_is_refused() {
    for (query, what) in [
        ("sslmode=allow", "allow"),
        ("sslmode=on", "sslmode"),
        ("sslmode=verify-ca", "any public authority"),
        (
            "sslmode=verify-ca&sslrootcert=system",
            "any public authority",
        ),
        ("sslmode=require&sslrootcert=system", "the name"),
        ("sslmode=prefer&sslrootcert=/ca", "in the clear"),
        ("sslrootcert=ca.pem", "relative path in sslrootcert"),
        ("sslcert=/c", "one of sslcert and sslkey"),
        ("pgbouncer=true", "pgbouncer"),
        ("sslcrl=/x", "sslcrl"),
        ("connect_timeout=soon", "no Postgres URL"),
    ] {
        let refused = parse(&format!("postgres://u:p@h/d?{query}")).unwrap_err();
        assert!(refused.what.contains(what), "{query}: {refused}");
    }
}

#[test]
fn a_socket_has_no_tls() {
    let url = parse("postgres:///d?host=/run/postgresql&sslmode=require").unwrap();
    assert_eq!(url.ssl.mode, SslMode::Disable);
}

#[test]
fn a_password_may_have_what_begins_parameters() {
    let url = parse("postgres://u:a?sslmode=x@h/d?sslmode=require").unwrap();
    assert_eq!(url.server.get_password(), Some(&b"a?sslmode=x"[..]));
    assert_eq!(url.ssl.mode, SslMode::Require);
}

#[test]
fn what_is_wrong_names_neither_password_nor_value() {
    for url in [
        "postgres://u:hunter2@h:x/d",
        "postgres://u:hunter2@h/d?sslmode=hunter2",
        "postgres://u@h/d?password=hunter2&sslrootcert=hunter2",
    ] {
        let refused = parse(url).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
}
