use std::fmt::Write as _;

use secrecy::ExposeSecret;
use serde_yaml::Value;

use super::*;

const MINIMAL: &str = "
homeserver: { url: 'http://127.0.0.1:8008', server_name: lab.local }
bridges:
  - id: meta
    network: facebook
    bot: '@facebookbot:lab.local'
    ghosts: '@facebook_(?<id>.+):lab\\.local'
database: { url: embedded }
clerk: { issuer: 'https://example.clerk.accounts.dev' }
";

fn load(yaml: &str, environment: &[(&str, &str)]) -> Result<Config, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, yaml).unwrap();
    load_at(&path, environment)
}

fn load_at(path: &Path, environment: &[(&str, &str)]) -> Result<Config, Error> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Config::load(path, environment.iter().map(owned))
}

/// The minimal configuration with one more piece.
fn with(yaml: &str) -> String {
    format!("{MINIMAL}{yaml}\n")
}

/// Each problem as `key | origin | what | right`.
fn problems(result: Result<Config, Error>) -> String {
    let mut lines = String::new();
    for p in result.unwrap_err().problems {
        writeln!(lines, "{} | {} | {} | {}", p.key, p.origin, p.what, p.right).unwrap();
    }
    lines
}

fn example() -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.yaml");
    let environment = [
        ("META_AS_TOKEN", "the bridge's as_token"),
        ("META_PROVISIONING_SECRET", "a shared secret of the bridge"),
        ("DATABASE_URL", "embedded"),
        ("MANAGER_API_KEY", "a key of the manager"),
        ("ADMIN_API_KEY", "a key of the operator"),
    ];
    load_at(&path, &environment).unwrap_or_else(|error| panic!("{error}"))
}

fn masked(config: &Config) -> Value {
    serde_yaml::from_str(&config.to_masked_yaml().unwrap()).unwrap()
}

/// Every path to a value that is no mapping.
fn leaves(value: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Mapping(entries) => {
            for (key, value) in entries {
                leaves(value, &schema::join(path, key.as_str().unwrap()), found);
            }
        }
        Value::Sequence(items) if path == "bridges" => {
            for item in items {
                leaves(item, path, found);
            }
        }
        _ => {
            found.insert(path.to_owned(), value.clone());
        }
    }
}

#[test]
fn the_example_documents_every_key() {
    let mut documented = BTreeMap::new();
    let example_text = include_str!("../../config.example.yaml");
    let example_value: Value = serde_yaml::from_str(example_text).unwrap();
    leaves(&example_value, "", &mut documented);
    let mut effective = BTreeMap::new();
    leaves(&masked(&example()), "", &mut effective);
    let names = |leaves: &BTreeMap<String, Value>| leaves.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&documented), names(&effective));
}

#[test]
fn the_example_shows_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("minimal.yaml");
    let layer = Layer::from_file(ROOT, "", MINIMAL, serde_yaml::from_str(MINIMAL).unwrap());
    let environment = BTreeMap::new();
    let resolver = Resolver::new(layer, &environment, &path, path.parent().unwrap());
    let (value, _) = resolver.resolve(ROOT).ok().unwrap();
    let mut minimal: Config = serde_yaml::from_value(value).unwrap();
    minimal.resolve_paths(path.parent().unwrap());

    let (mut defaults, mut shown) = (BTreeMap::new(), BTreeMap::new());
    leaves(&masked(&minimal), "", &mut defaults);
    leaves(&masked(&example()), "", &mut shown);
    // What the example takes from the environment or sets only to show its form.
    for given in [
        "admin.api_key",
        "manager.api_key",
        "bridges.as_token",
        "bridges.provisioning_url",
        "bridges.provisioning_secret",
    ] {
        assert!(defaults.remove(given).is_some() && shown.remove(given).is_some());
    }
    assert_eq!(shown, defaults);
}

#[test]
fn the_tables_know_every_field() {
    // What a table does not list is refused in the file, so a field without an entry could
    // never be set; what no field takes would fail in the middle of loading.
    fn names(keys: &'static [Key], parent: &str, found: &mut Vec<String>) {
        for key in keys {
            match key.kind {
                Kind::Section(below) | Kind::Sections(below) => names(below, key.name, found),
                _ => found.push(schema::join(parent, key.name)),
            }
        }
    }
    let mut tables = Vec::new();
    names(ROOT, "", &mut tables);
    tables.sort();
    let mut fields = BTreeMap::new();
    leaves(&masked(&example()), "", &mut fields);
    assert_eq!(tables, fields.into_keys().collect::<Vec<_>>());
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, MINIMAL).unwrap();
    let config = load_at(&path, &[]).unwrap();
    assert_eq!(config.data_dir, folder.path().join("data"));
    assert_eq!(
        config.appservice.registration,
        folder.path().join("registration.yaml")
    );
    let store = format!("file:{}", folder.path().join("data/media").display());
    assert_eq!(config.media.store, store);
}

#[test]
fn the_environment_wins() {
    let environment = [
        ("TRIBUTARY__SERVER__BIND", "127.0.0.1:1"),
        (
            "TRIBUTARY__SERVER__ALLOWED_ORIGINS",
            "[\"null\", 'app://x']",
        ),
        (
            "TRIBUTARY__CLERK__AUTHORIZED_PARTIES__0",
            "https://a.example",
        ),
        (
            "TRIBUTARY__CLERK__AUTHORIZED_PARTIES__1",
            "https://b.example",
        ),
        ("TRIBUTARY__BRIDGES__0__AS_TOKEN", "007"),
        ("TRIBUTARY__ADMIN__API_KEY", "[one, another]"),
        ("TRIBUTARY__MANAGER__API_KEY", "one, with a comma"),
        ("TRIBUTARY__BACKFILL__ON_CONNECT", "false"),
        ("TRIBUTARY__DATA_DIR", "/srv/tributary"),
        ("TRIBUTARY_CONFIG", "is something else"),
        ("UNRELATED", "${"),
    ];
    let config = load(&with("server: { bind: 127.0.0.1:2 }"), &environment).unwrap();
    assert_eq!(config.server.bind.port(), 1);
    assert_eq!(config.server.allowed_origins, ["null", "app://x"]);
    let parties = ["https://a.example", "https://b.example"];
    assert_eq!(config.clerk.authorized_parties, parties);
    let token = config.bridges[0].as_token.as_ref().unwrap();
    assert_eq!(token.expose_secret(), "007");
    let keys = |keys: &ApiKeys| {
        let keys = keys.0.iter();
        keys.map(|key| key.expose_secret().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&config.admin.api_key), ["one", "another"]);
    assert_eq!(keys(&config.manager.api_key), ["one, with a comma"]);
    assert!(!config.backfill.on_connect);
    assert_eq!(config.data_dir, Path::new("/srv/tributary"));
}

#[test]
fn the_environment_adds_bridges() {
    let bridge = |index: &str| {
        [
            ("ID", "instagram"),
            ("NETWORK", "instagram"),
            ("BOT", "@instagrambot:lab.local"),
            ("GHOSTS", "@instagram_(?<id>.+):lab\\.local"),
        ]
        .map(|(key, value)| (format!("TRIBUTARY__BRIDGES__{index}__{key}"), value))
    };
    let second = bridge("1");
    let second: Vec<_> = second.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    let config = load(MINIMAL, &second).unwrap();
    assert_eq!(config.bridges[1].id, "instagram");

    let third = bridge("2");
    let third: Vec<_> = third.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    insta::assert_snapshot!(problems(load(MINIMAL, &third)), @"bridges[2] | environment variable TRIBUTARY__BRIDGES__2__BOT | leaves a gap | number 1 comes next: items count from 0, without gaps");

    let whole = "[{id: a, network: a, bot: '@a:lab.local', ghosts: '@a_(?<id>.+)'}]";
    let config = load(MINIMAL, &[("TRIBUTARY__BRIDGES", whole)]).unwrap();
    assert_eq!(config.bridges.len(), 1);
    assert_eq!(config.bridges[0].id, "a");
    assert!(load(MINIMAL, &[("TRIBUTARY__BRIDGES", "[]")]).is_err());
}

#[test]
fn variables_are_put_in() {
    let yaml = with(
        "manager: { api_key: '${PREFIX}-of-the-manager' }\n\
         backfill: { days: '${DAYS}' }\n\
         media: { allowed_types: ['${KIND}/*'] }\n\
         log: { filter: 'info,a$${b}=off' }",
    );
    let environment = [("PREFIX", "key"), ("DAYS", "7"), ("KIND", "image")];
    let config = load(&yaml.replace(",a$${b}=off", ""), &environment).unwrap();
    let key = config.manager.api_key.0[0].expose_secret();
    assert_eq!(key, "key-of-the-manager");
    assert_eq!(config.backfill.days, 7);
    assert_eq!(config.media.allowed_types, ["image/*"]);

    let yaml = with("manager: { api_key: '$${PREFIX} and $$ and $5' }");
    let config = load(&yaml, &[]).unwrap();
    let key = config.manager.api_key.0[0].expose_secret();
    assert_eq!(key, "${PREFIX} and $$ and $5");
}

#[test]
fn an_unset_variable_is_named_unless_it_is_overridden() {
    let yaml = with("admin: { api_key: 'x${ADMIN_API_KEY}' }\nlog: { filter: '${' }");
    insta::assert_snapshot!(problems(load(&yaml, &[])), @r"
    admin.api_key | config.yaml, line 10 | needs the environment variable `ADMIN_API_KEY`, which is not set | set `ADMIN_API_KEY`, or write the value itself
    log.filter | config.yaml, line 11 | has a `${` that starts no variable | `${NAME}` for an environment variable, `$${` for the characters
    ");
    let overridden = [
        ("TRIBUTARY__ADMIN__API_KEY", "a key of the operator"),
        ("TRIBUTARY__LOG__FILTER", "info"),
    ];
    assert!(load(&yaml, &overridden).is_ok());
}

#[test]
fn secrets_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("token", "the token\n");
    write("keys", "the old operator key\r\n\nthe new operator key\n");
    write("url", "postgres://u:p@h/d\n");
    write("empty", "\n");
    let yaml = MINIMAL
        .replace("    network", "    as_token_file: token\n    network")
        .replace("url: embedded", "url_file: url");
    write(
        "config.yaml",
        &format!("{yaml}admin: {{ api_key_file: keys }}\n"),
    );
    let path = folder.path().join("config.yaml");
    let config = load_at(&path, &[]).unwrap();
    let token = config.bridges[0].as_token.as_ref().unwrap();
    assert_eq!(token.expose_secret(), "the token");
    let keys: Vec<_> = config
        .admin
        .api_key
        .0
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(keys, ["the old operator key", "the new operator key"]);
    assert!(matches!(config.database.url, DatabaseUrl::Url(_)));

    // The environment's form of a key replaces the file's, whichever each is.
    let environment = [("TRIBUTARY__ADMIN__API_KEY", "the only operator key")];
    assert_eq!(
        load_at(&path, &environment).unwrap().admin.api_key.0.len(),
        1
    );

    let environment = [
        ("TRIBUTARY__ADMIN__API_KEY_FILE", "empty"),
        ("TRIBUTARY__MANAGER__API_KEY_FILE", "missing"),
        ("TRIBUTARY__CLERK__JWT_KEY", "x"),
        ("TRIBUTARY__CLERK__JWT_KEY_FILE", "x"),
    ];
    insta::assert_snapshot!(problems(load_at(&path, &environment)), @r"
    clerk.jwt_key | environment variable TRIBUTARY__CLERK__JWT_KEY_FILE | is given twice, as `jwt_key` and `jwt_key_file` | keep one of the two
    manager.api_key | environment variable TRIBUTARY__MANAGER__API_KEY_FILE | names a file that cannot be read (there is no such file) | a readable text file with the value in it
    admin.api_key | environment variable TRIBUTARY__ADMIN__API_KEY_FILE | names an empty file | a file with the value in it
    ");
}

#[test]
fn everything_wrong_is_reported_at_once_with_its_line() {
    let yaml = "
server:
  bind: localhost:29330
  bindd: 127.0.0.1:1
server: {}
homeserver: { server_name: lab.local }
bridges:
  - id: meta
    ghost: x
backfill:
  dayz: 3
  page_size: 5000
log: pretty
public_url: http://x
";
    let environment = [
        ("TRIBUTARY__SERVER__BINDD", "127.0.0.1:1"),
        ("TRIBUTARY__SERVER", "{}"),
        ("TRIBUTARY__BRIDGES__META__ID", "x"),
        ("TRIBUTARY__LOG__FORMAT__X", "x"),
        ("TRIBUTARY__WEBSOKET__MAX_QUEUE", "1"),
    ];
    insta::assert_snapshot!(problems(load(yaml, &environment)));
}

#[test]
fn secrets_never_reach_a_message_or_the_dump() {
    const SECRET: &str = "hunter2";
    let yaml = with(&format!(
        "manager: {{ api_key: [{SECRET}, {{a: {SECRET}}}] }}\n\
         admin: {{ api_key: {SECRET} }}\n\
         log: {{ format: {SECRET} }}\n\
         limits: {{ burst: {SECRET} }}",
    ));
    let error = load(&yaml, &[]).unwrap_err();
    assert!(!format!("{error}{error:?}").contains(SECRET), "{error}");
    let yaml = yaml
        .replace("log:", "#")
        .replace("limits:", "#")
        .replace("manager:", "#");
    let error = load(&yaml, &[("TRIBUTARY__CLERK__WEBHOOK_SECRET", SECRET)]).unwrap_err();
    assert!(!format!("{error}{error:?}").contains(SECRET), "{error}");

    let yaml = MINIMAL
        .replace(
            "url: embedded",
            &format!("url: 'postgres://u:{SECRET}@h/d'"),
        )
        .replace(
            "    network",
            &format!("    as_token: {SECRET}\n    network"),
        );
    let config = load(&yaml, &[]).unwrap();
    let dump = config.to_masked_yaml().unwrap();
    assert!(!format!("{config:?}{dump}").contains(SECRET), "{dump}");
    assert!(dump.contains("postgres://u:***@h/d"), "{dump}");
}

#[test]
fn a_file_that_is_no_configuration() {
    for yaml in ["- a", "a: [", "a: b: c", "a: 1\n---\nb: 2", "text", "a: *b"] {
        let error = load(yaml, &[]).unwrap_err();
        assert_eq!(error.problems[0].key, "config.yaml", "{yaml}");
    }
    let error = load_at(Path::new("/nonexistent/config.yaml"), &[]).unwrap_err();
    assert!(error.to_string().contains("--config"), "{error}");
    assert!(problems(load("", &[])).contains("homeserver.url"));
}
