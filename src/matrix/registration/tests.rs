use rand::{SeedableRng as _, rngs::StdRng};

use super::*;

fn config() -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.yaml");
    let variables = [
        "META_AS_TOKEN",
        "META_PROVISIONING_SECRET",
        "MANAGER_API_KEY",
        "ADMIN_API_KEY",
    ];
    let mut environment: Vec<_> = variables
        .map(|name| (name.to_owned(), format!("the value of {name}")))
        .into();
    environment.push(("DATABASE_URL".to_owned(), "embedded".to_owned()));
    Config::load(&path, environment.into_iter()).unwrap()
}

fn generated() -> Registration {
    Registration::generate(&config(), &mut StdRng::seed_from_u64(1)).unwrap()
}

fn load(yaml: &str) -> Result<Registration, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registration.yaml");
    std::fs::write(&path, yaml).unwrap();
    Registration::load(&path)
}

#[test]
fn the_example_is_what_would_be_generated() {
    let generated = Registration {
        as_token: "REPLACE_ME_AS_TOKEN".into(),
        hs_token: "REPLACE_ME_HS_TOKEN".into(),
        ..generated()
    };
    let example = include_str!("../../../registration.yaml.example");
    assert_eq!(generated.to_yaml().unwrap(), example);
}

#[test]
fn what_is_generated_can_be_loaded() {
    let generated = generated();
    let loaded = load(&generated.to_yaml().unwrap()).unwrap();
    assert_eq!(loaded.to_yaml().unwrap(), generated.to_yaml().unwrap());
}

#[test]
fn tokens_are_long_and_differ() {
    let mut rng = StdRng::seed_from_u64(1);
    let [a, b] = [token(&mut rng).unwrap(), token(&mut rng).unwrap()];
    assert_eq!(a.expose_secret().len(), 64);
    assert_ne!(a.expose_secret(), b.expose_secret());
}

#[test]
fn debug_shows_no_token() {
    let registration = generated();
    let debug = format!("{registration:?}");
    assert!(!debug.contains(registration.as_token.expose_secret()));
    assert!(!debug.contains(registration.hs_token.expose_secret()));
}

#[test]
fn alternatives_are_anchored_together() {
    let mut config = config();
    config.bridges[0].ghosts = r"@fb_(?<id>.+):lab\.local|@facebook_.+".to_owned();
    config.bridges[0].bot = "@meta.bot:lab.local".to_owned();
    let registration = Registration::generate(&config, &mut StdRng::seed_from_u64(1)).unwrap();
    let users = registration.namespaces.users.iter();
    let regexes: Vec<_> = users.map(|user| user.regex.as_str()).collect();
    assert_eq!(
        regexes,
        [
            r"^@meta\.bot:lab\.local$",
            r"^(?:@fb_(.+):lab\.local|@facebook_.+)$"
        ]
    );
}

#[test]
fn mistakes_are_named_without_the_tokens() {
    let yaml = generated().to_yaml().unwrap();
    let tokens = generated();
    let (ours, theirs) = (
        tokens.as_token.expose_secret(),
        tokens.hs_token.expose_secret(),
    );
    for (broken, what) in [
        (yaml.replace("hs_token", "hs_tokin"), "it needs"),
        (yaml.replace(ours, theirs), "the same"),
        (yaml.replace(ours, "''"), "is empty"),
        (yaml.replace(ours, "[12345]"), "line 5"),
        ("as_token: [".to_owned(), "line"),
    ] {
        let message = load(&broken).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
        assert!(
            !message.contains(theirs) && !message.contains("12345"),
            "{message}"
        );
    }
    let missing = Registration::load(Path::new("missing.yaml")).unwrap_err();
    assert!(missing.to_string().contains("generate-registration"));
}
