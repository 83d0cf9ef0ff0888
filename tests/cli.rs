//! The program as a person at a shell meets it: messages and exit codes.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic too")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

const WORKING: &str = r#"
homeserver: { url: "http://127.0.0.1:8008", server_name: lab.local }
bridges:
  - id: meta
    network: facebook
    bot: "@facebookbot:lab.local"
    ghosts: "@facebook_(?<id>.+):lab\\.local"
    as_token: the-token-of-the-bridge
database: { url: "postgres://tributary:hunter2@127.0.0.1/tributary" }
clerk: { issuer: "https://example.clerk.accounts.dev" }
admin: { api_key: "${ADMIN_API_KEY}" }
"#;

/// A folder with a configuration.
struct Place(TempDir);

impl Place {
    fn with(config: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path("config.yaml"), config).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("ADMIN_API_KEY", "the-key-of-the-operator");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What `check-config` says about a configuration that is wrong.
fn refused(config: &str) -> String {
    let output = Place::with(config).run(&["check-config"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    stderr(&output).to_owned()
}

/// The working configuration with one thing changed.
fn changed(from: &str, to: &str) -> String {
    assert!(WORKING.contains(from));
    WORKING.replacen(from, to, 1)
}

#[test]
fn the_shell_gets_its_exit_codes() {
    let place = Place::with(WORKING);
    let code = |arguments: &[&str]| place.run(arguments).status.code();
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["check-config"]), Some(0));
    assert_eq!(code(&["chek-config"]), Some(2));
    assert_eq!(code(&["check-config", "--confg", "x"]), Some(2));
    assert_eq!(code(&["check-config", "--config", "missing.yaml"]), Some(2));
    assert_eq!(code(&["dev-token"]), Some(2), "--user is missing");
    assert_eq!(code(&["dev-token", "--user", "user_a"]), Some(2), "no key");
    assert_eq!(code(&["tail"]), Some(2), "whose events?");
    assert_eq!(code(&["doctor", "--config", "missing.yaml"]), Some(2));
    assert_eq!(code(&["run"]), Some(2), "no registration");
    assert_eq!(code(&["homeserver", "status"]), Some(2), "no registration");
    assert_eq!(code(&["homeserver", "add-user", "a"]), Some(2), "no secret");
    assert_eq!(code(&["generate-registration"]), Some(0));
    assert_eq!(
        code(&["generate-registration"]),
        Some(1),
        "never overwrites"
    );
}

#[test]
fn the_configuration_is_found_by_flag_and_by_variable() {
    let place = Place::with("");
    fs::write(place.path("other.yaml"), WORKING).unwrap();
    assert_eq!(place.run(&["check-config"]).status.code(), Some(2));
    let flag = place.run(&["--config", "other.yaml", "check-config"]);
    assert_eq!(flag.status.code(), Some(0));
    let mut command = place.command(&["check-config"]);
    let variable = command.env("TRIBUTARY_CONFIG", "other.yaml").output();
    assert_eq!(variable.unwrap().status.code(), Some(0));
}

#[test]
fn check_config_masks_secrets() {
    let output = Place::with(WORKING).run(&["check-config"]);
    let shown = stdout(&output);
    for secret in [
        "hunter2",
        "the-token-of-the-bridge",
        "the-key-of-the-operator",
    ] {
        assert!(!shown.contains(secret) && !stderr(&output).contains(secret));
    }
    assert!(shown.contains("postgres://tributary:***@127.0.0.1/tributary"));
    assert!(shown.contains("as_token: '***'"), "{shown}");
    // What was not written is shown too.
    assert!(shown.contains("per_ip_per_second: 50"));
    assert!(stderr(&output).contains("generate-registration"));
}

#[test]
fn a_broken_registration_is_a_broken_configuration() {
    let place = Place::with(WORKING);
    fs::write(
        place.path("registration.yaml"),
        "id: tributary\nas_token: [hunter2]\n",
    )
    .unwrap();
    let output = place.run(&["check-config"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("appservice.registration"));
    assert!(!stderr(&output).contains("hunter2"));
}

#[test]
fn a_registration_is_for_its_owner_and_never_overwritten() {
    let place = Place::with(WORKING);
    let path = place.path("registration.yaml");
    let output = place.run(&["generate-registration"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("app_service_config_files:"));
    assert!(stdout(&output).contains(path.to_str().unwrap()));
    assert_eq!(mode(&path), 0o600);
    let first = fs::read_to_string(&path).unwrap();

    let output = place.run(&["generate-registration"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--force"));
    assert_eq!(fs::read_to_string(&path).unwrap(), first);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let output = place.run(&["generate-registration", "--force"]);
    assert_eq!(output.status.code(), Some(0));
    assert_ne!(fs::read_to_string(&path).unwrap(), first, "fresh tokens");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 2);

    let output = place.run(&["generate-registration", "--output", "elsewhere.yaml"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(mode(&place.path("elsewhere.yaml")), 0o600);
    assert_eq!(place.run(&["check-config"]).status.code(), Some(0));
}

#[test]
fn a_development_token_is_minted() {
    let place = Place::with(&changed(
        "clerk: {",
        "clerk: { development_key_file: dev.pem,",
    ));
    fs::write(
        place.path("dev.pem"),
        include_str!("fixtures/keys/development.pem"),
    )
    .unwrap();
    let output = place.run(&["dev-token", "--user", "user_2abc", "--ttl", "60"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).trim().split('.').count(), 3);
    let output = place.run(&["dev-token", "--user", "user_2abc", "--ttl", "601"]);
    assert_eq!(output.status.code(), Some(2));
    let output = place.run(&["dev-token", "--user", "user_2abc", "--console"]);
    let address = stdout(&output).trim();
    let console = "http://127.0.0.1:29330/console#user=user_2abc&pass=";
    assert!(address.starts_with(console), "{address}");
}

#[test]
fn an_unknown_variable_is_refused() {
    let place = Place::with(WORKING);
    let mut command = place.command(&["check-config"]);
    let output = command
        .env("TRIBUTARY__SERVER__BINDD", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(stderr(&output));
}

#[test]
fn broken_1_unknown_key() {
    insta::assert_snapshot!(refused(&format!("{WORKING}backfill: {{ dayz: 3 }}\n")));
}

#[test]
fn broken_2_missing_variable() {
    insta::assert_snapshot!(refused(&changed("ADMIN_API_KEY", "NOT_SET")));
}

#[test]
fn broken_3_no_yaml() {
    insta::assert_snapshot!(refused(&format!("{WORKING}log: [pretty\n")));
}

#[test]
fn broken_4_duplicate_key() {
    insta::assert_snapshot!(refused(&changed(
        "    network:",
        "    bot: x\n    network:"
    )));
}

#[test]
fn broken_5_missing_keys() {
    insta::assert_snapshot!(refused("homeserver: { url: \"http://127.0.0.1:8008\" }\n"));
}

#[test]
fn broken_6_ghosts_without_id() {
    insta::assert_snapshot!(refused(&changed("(?<id>.+)", ".+")));
}

#[test]
fn broken_7_bot_elsewhere() {
    insta::assert_snapshot!(refused(&changed(
        "facebookbot:lab.local",
        "facebookbot:example.org"
    )));
}

#[test]
fn broken_8_other_database() {
    insta::assert_snapshot!(refused(&changed("postgres://", "mysql://")));
}

#[test]
fn broken_9_secret_twice() {
    let config = changed("    as_token:", "    as_token_file: token\n    as_token:");
    insta::assert_snapshot!(refused(&config));
}

#[test]
fn broken_10_short_admin_key() {
    let config = changed("${ADMIN_API_KEY}", "hunter2");
    let config = format!("{config}server: {{ bind: \"0.0.0.0:29330\" }}\n");
    insta::assert_snapshot!(refused(&config));
}

#[test]
fn broken_11_trust_on_a_public_address() {
    let config = format!(
        "{WORKING}server: {{ bind: \"0.0.0.0:29330\" }}\nmanager: {{ ownership_proof: trusted }}\n"
    );
    insta::assert_snapshot!(refused(&config));
}

#[test]
fn broken_12_development_key_beside_a_live_instance() {
    let config = changed(
        "https://example.clerk.accounts.dev\"",
        "https://clerk.example.org\", development_key_file: dev.pem",
    );
    insta::assert_snapshot!(refused(&config));
}

#[test]
fn broken_13_values_of_the_wrong_kind() {
    let config = format!(
        "{WORKING}server:
  bind: localhost
  public_url: ftp://127.0.0.1
  allowed_origins: https://app.example.org
  operator_bind: 29331
backfill: {{ page_size: 2000, on_connect: maybe }}
log: {{ format: xml }}
"
    );
    insta::assert_snapshot!(refused(&config));
}

#[test]
fn broken_14_everything_that_depends() {
    let config = changed(
        "clerk: {",
        "clerk: { publishable_key: pk_test_b3RoZXIuZXhhbXBsZSQ=,",
    );
    let config = format!(
        "{config}server: {{ allowed_origins: [\"https://a.example/\"], trusted_proxies: [here] }}
media: {{ store: \"ftp://x\" }}
log: {{ filter: \"a=b=c\" }}
"
    );
    insta::assert_snapshot!(refused(&config));
}
