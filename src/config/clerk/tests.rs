use super::*;

const PUBLIC: &str = include_str!("../../../tests/fixtures/keys/development.pub.pem");
const ELLIPTIC: &str = include_str!("../../../tests/fixtures/keys/elliptic.pub.pem");
const PRIVATE: &str = include_str!("../../../tests/fixtures/keys/development.pem");

fn private_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys/development.pem")
}

fn publishable_key(kind: &str, host: &str) -> String {
    format!("pk_{kind}_{}", STANDARD.encode(format!("{host}$")))
}

/// Completes and checks, as loading does; what is wrong comes back by key.
fn wrong(clerk: &mut Clerk, server: &Server) -> Vec<String> {
    let mut report = Report::default();
    clerk.complete(&mut report);
    clerk.check(server, &mut report);
    report.keys().into_iter().map(str::to_owned).collect()
}

fn with_issuer(issuer: &str) -> Clerk {
    Clerk {
        issuer: Some(issuer.to_owned()),
        ..Clerk::default()
    }
}

#[test]
fn a_publishable_key_gives_the_issuer() {
    let mut clerk = Clerk {
        publishable_key: Some(publishable_key("test", "x.clerk.accounts.dev")),
        ..Clerk::default()
    };
    assert!(wrong(&mut clerk, &Server::default()).is_empty());
    assert_eq!(
        clerk.issuer.as_deref(),
        Some("https://x.clerk.accounts.dev")
    );
    // The same with the slash that people copy along.
    clerk.issuer = Some("https://x.clerk.accounts.dev/".to_owned());
    assert!(wrong(&mut clerk, &Server::default()).is_empty());
    clerk.issuer = Some("https://y.clerk.accounts.dev".to_owned());
    assert_eq!(wrong(&mut clerk, &Server::default()), ["clerk.issuer"]);
}

#[test]
fn other_keys_are_no_publishable_keys() {
    for key in [
        "sk_test_abc",
        "pk_test_",
        "pk_test_!!!",
        "pk_test_eC5jbGVyaw",
    ] {
        let mut clerk = Clerk {
            publishable_key: Some(key.to_owned()),
            ..Clerk::default()
        };
        let wrong = wrong(&mut clerk, &Server::default());
        assert_eq!(wrong, ["clerk.publishable_key"], "{key}");
    }
}

#[test]
fn some_way_to_verify_tokens_is_needed() {
    assert_eq!(
        wrong(&mut Clerk::default(), &Server::default()),
        ["clerk.issuer"]
    );
    let mut clerk = Clerk {
        jwt_key: Some(PUBLIC.into()),
        ..Clerk::default()
    };
    assert_eq!(wrong(&mut clerk, &Server::default()), ["clerk.issuer"]);
    let mut clerk = Clerk {
        development_key_file: Some(private_file()),
        ..Clerk::default()
    };
    assert!(wrong(&mut clerk, &Server::default()).is_empty());
}

#[test]
fn the_fixed_key_is_an_rsa_public_key() {
    let check = |key: &str| {
        let mut clerk = with_issuer("https://x.clerk.accounts.dev");
        clerk.jwt_key = Some(key.into());
        let wrong = wrong(&mut clerk, &Server::default());
        (wrong, clerk.jwt_key.unwrap().expose_secret().to_owned())
    };
    let pasted = format!("\"{}\"", PUBLIC.replace('\n', "\\n"));
    assert_eq!(check(&pasted), (Vec::new(), PUBLIC.to_owned()));
    for key in [
        PRIVATE,
        ELLIPTIC,
        "MIIB",
        &PUBLIC.replace("PUBLIC KEY", "CERTIFICATE"),
    ] {
        assert_eq!(check(key).0, ["clerk.jwt_key"]);
    }
}

#[test]
fn webhook_secrets_have_their_form() {
    let check = |secret: &str| {
        let mut clerk = with_issuer("https://x.clerk.accounts.dev");
        clerk.webhook_secret = Some(secret.into());
        wrong(&mut clerk, &Server::default())
    };
    assert!(check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_empty());
    for secret in ["whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_???"] {
        assert_eq!(check(secret), ["clerk.webhook_secret"], "{secret}");
    }
}

#[test]
fn the_development_key_stays_at_home() {
    let check = |clerk: Clerk, server: &Server| {
        let mut clerk = Clerk {
            development_key_file: Some(private_file()),
            ..clerk
        };
        wrong(&mut clerk, server).len()
    };
    let home = Server::default();
    for issuer in ["http://127.0.0.1:4000", "https://x.clerk.accounts.dev"] {
        assert_eq!(check(with_issuer(issuer), &home), 0, "{issuer}");
    }
    for issuer in [
        "https://clerk.example.org",
        "https://x.clerk.accounts.dev.evil.org",
    ] {
        assert_eq!(check(with_issuer(issuer), &home), 1, "{issuer}");
    }
    let live = Clerk {
        publishable_key: Some(publishable_key("live", "x.clerk.accounts.dev")),
        ..Clerk::default()
    };
    assert_eq!(check(live, &home), 1);
    let everywhere = Server {
        bind: "0.0.0.0:29330".parse().unwrap(),
        ..Server::default()
    };
    assert_eq!(check(Clerk::default(), &everywhere), 1);
    let published = Server {
        public_url: "https://chat.example.org".parse().unwrap(),
        ..Server::default()
    };
    assert_eq!(check(Clerk::default(), &published), 1);
    let proxied = Server {
        trusted_proxies: vec!["127.0.0.1".to_owned()],
        ..Server::default()
    };
    assert_eq!(check(Clerk::default(), &proxied), 1);
}

#[test]
fn the_development_key_is_a_private_key() {
    for file in ["development.pub.pem", "missing.pem"] {
        let mut clerk = Clerk {
            development_key_file: Some(private_file().with_file_name(file)),
            ..Clerk::default()
        };
        let wrong = wrong(&mut clerk, &Server::default());
        assert_eq!(wrong, ["clerk.development_key_file"], "{file}");
    }
}
