//! One thing is broken on our side.

use chrono::TimeDelta;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use serde_json::json;
use tributary::clock::Clock;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, path},
};

use super::Doctor;
use crate::stack::Stack;

/// A migrated database, a homeserver and a bridge, and no Tributary.
async fn house() -> Stack {
    let stack = Stack::take().await;
    furnish(&stack).await;
    stack
}

/// The same with a database of its own.
async fn house_of_its_own() -> Stack {
    let mut stack = Stack::take().await;
    stack.fresh_database(&[]).await;
    furnish(&stack).await;
    stack
}

async fn furnish(stack: &Stack) {
    let migrated = stack.tributary(&["migrate"], []).output().unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    // The bridge does not start before somebody has taken its status.
    stack.point_switch_at_nothing().await;
    stack.run_script(&["up", "synapse", "bridge"]);
    stack.point_switch_at(stack.fact("/switch/target")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_as_token_is_not_known() {
    let stack = house().await;
    let doctor = Doctor::new(&stack).await;
    let (key, file) = doctor.registration(|yaml| yaml.replace("as_token: ", "as_token: x"));
    let said = doctor.said(&[(key, &file)]);
    let fix = said.is_only("homeserver.as_token", "as_token_unknown");
    assert!(
        fix.contains(&format!("app_service_config_files:\n    - {file}")),
        "{fix}"
    );
    assert_eq!(said.skipped(), ["homeserver.ping", "homeserver.namespace"]);
    assert_eq!(said.of("homeserver.ping")["needs"], "homeserver.as_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_as_token_of_somebody_else_is_not_ours() {
    let stack = house().await;
    let doctor = Doctor::new(&stack).await;
    let theirs = stack.fact("/bridge/as_token");
    let (key, file) = doctor.registration(|yaml| {
        let ours = yaml
            .lines()
            .find(|line| line.starts_with("as_token"))
            .unwrap();
        yaml.replace(ours, &format!("as_token: {theirs}"))
    });
    let said = doctor.said(&[(key, &file)]);
    said.is_only("homeserver.as_token", "as_token_anothers");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_hs_token_is_told_by_who_listens_in_its_place() {
    let stack = house().await;
    let doctor = Doctor::new(&stack).await;
    let (key, file) = doctor.registration(|yaml| yaml.replace("hs_token: ", "hs_token: x"));
    let said = doctor.said(&[(key, &file)]);
    said.is_only("homeserver.ping", "hs_token_wrong");
    assert!(
        said.text.contains("the homeserver's ping came"),
        "{}",
        said.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tributary_with_another_hs_token_is_told_as_well() {
    let mut stack = house().await;
    let (key, file) = {
        let doctor = Doctor::new(&stack).await;
        let (_, file) = doctor.registration(|yaml| yaml.replace("hs_token: ", "hs_token: x"));
        let kept = stack
            .log("tributary")
            .with_file_name("registration-of-a-test.yaml");
        std::fs::copy(file, &kept).unwrap();
        ("TRIBUTARY__APPSERVICE__REGISTRATION", kept)
    };
    stack.set(key, &file.display().to_string());
    stack.start_tributary().await;
    stack.unset(key);
    let said = Doctor::new(&stack).await.said(&[]);
    std::fs::remove_file(file).unwrap();
    said.is_only("homeserver.ping", "hs_token_wrong");
    assert!(
        said.text
            .contains("does not take the homeserver's hs_token"),
        "{}",
        said.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_leads_elsewhere_is_told() {
    let stack = house().await;
    stack
        .point_switch_at(stack.fact("/bridge/control_url"))
        .await;
    let said = Doctor::new(&stack).await.said(&[]);
    stack.point_switch_at(stack.fact("/switch/target")).await;
    let fix = said.is_only("homeserver.ping", "ping_elsewhere");
    assert!(
        fix.contains(&format!("url: {}", stack.fact("/switch/url"))),
        "{fix}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_is_not_there_is_to_be_written() {
    let stack = house().await;
    let said = Doctor::new(&stack)
        .await
        .said(&[("APPSERVICE__REGISTRATION", "missing.yaml")]);
    let fix = said.is_only("registration", "registration_missing");
    assert!(fix.contains("generate-registration"));
    assert_eq!(said.of("homeserver.as_token")["needs"], "registration");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_not_there_is_told() {
    let stack = house().await;
    let said = Doctor::new(&stack)
        .await
        .said(&[("BRIDGES__0__BOT", "@nobody:lab.local")]);
    let expected = [
        ("homeserver.namespace", "bot_unregistered"),
        ("bridge.as_token", "bridge_token_wrong"),
        ("bridge.provisioning", "provisioning_other_bridge"),
    ];
    assert_eq!(said.failed(), expected, "{}", said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_outside_of_the_namespace_is_to_be_put_in() {
    let stack = house().await;
    let suffix = tributary::model::new_id().simple().to_string();
    let outside = stack.matrix_user(&format!("outside-{suffix}")).user_id;
    let said = Doctor::new(&stack)
        .await
        .said(&[("BRIDGES__0__BOT", &outside)]);
    let namespace = said.of("homeserver.namespace");
    assert_eq!(namespace["code"], "namespace_without_bot", "{}", said.text);
    let line = format!("regex: ^@outside\\-{suffix}:lab\\.local$");
    let fix = namespace["fix"].as_str().unwrap();
    assert!(fix.contains(&line), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_token_of_the_bridge_is_told() {
    let stack = house().await;
    let said = Doctor::new(&stack)
        .await
        .said(&[("BRIDGES__0__AS_TOKEN", "not-the-bridges-token")]);
    let fix = said.is_only("bridge.as_token", "bridge_token_wrong");
    assert!(fix.contains("/api/bridge/meta/status"), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioning_api_with_another_secret_refuses() {
    let stack = house().await;
    let said = Doctor::new(&stack)
        .await
        .said(&[("BRIDGES__0__PROVISIONING_SECRET", "not-the-bridges-secret")]);
    said.is_only("bridge.provisioning", "provisioning_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioning_api_that_is_not_there_is_told() {
    let stack = house().await;
    let said = Doctor::new(&stack)
        .await
        .said(&[("BRIDGES__0__PROVISIONING_URL", "http://127.0.0.1:9")]);
    said.is_only("bridge.provisioning", "provisioning_unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_is_not_there_is_told() {
    let stack = house().await;
    let url = "postgres://tributary:x@127.0.0.1:9/tributary";
    let said = Doctor::new(&stack).await.said(&[("DATABASE__URL", url)]);
    said.is_only("database.reachable", "database_unreachable");
    let on_it = [
        "database.migrated",
        "database.writable",
        "database.direct",
        "database.clock",
    ];
    assert_eq!(said.skipped(), on_it);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_and_another_name_are_told_apart() {
    let stack = house().await;
    let doctor = Doctor::new(&stack).await;
    let right = stack.fact("/postgres/database_url");
    let password = stack.fact("/postgres/tributary_password");
    for (wrong, code) in [
        (
            right.replace(password, "not-the-password"),
            "database_denied",
        ),
        (format!("{right}_of_nobody"), "database_missing"),
    ] {
        let said = doctor.said(&[("DATABASE__URL", &wrong)]);
        said.is_only("database.reachable", code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_migrated_is_told() {
    let mut stack = Stack::take().await;
    stack.fresh_database(&[]).await;
    stack.run_script(&["up", "synapse"]);
    let doctor = Doctor::new(&stack).await;
    let said = doctor.said(&[]);
    let migrated = said.of("database.migrated");
    assert_eq!(migrated["code"], "database_unmigrated", "{}", said.text);
    assert!(
        migrated["fix"]
            .as_str()
            .unwrap()
            .contains("tributary migrate")
    );
    assert_eq!(said.of("database.writable")["status"], "ok");

    let check = doctor.run(&["migrate", "--check"], &[]);
    assert_eq!(check.status.code(), Some(1));
    let pending = String::from_utf8(check.stdout).unwrap();
    assert!(
        pending.starts_with("pending 2026-11-20-000000_spine\n"),
        "{pending}"
    );
    assert_eq!(doctor.run(&["migrate"], &[]).status.code(), Some(0));
    let check = doctor.run(&["migrate", "--check"], &[]);
    assert_eq!((check.status.code(), check.stdout.len()), (Some(0), 0));

    let sql = "INSERT INTO public.__diesel_schema_migrations (version) VALUES ('20990101000000')";
    stack.database().await.batch_execute(sql).await.unwrap();
    let check = doctor.run(&["migrate", "--check"], &[]);
    assert_eq!(check.status.code(), Some(1));
    assert_eq!(check.stdout, b"unknown 20990101000000\n");
    let said = doctor.said(&[]);
    assert_eq!(said.of("database.migrated")["code"], "database_newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_only_reads_is_told() {
    let stack = house_of_its_own().await;
    let sql = "DO $$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I SET default_transaction_read_only = on',
                                          current_user, current_database()); END $$";
    stack.database().await.batch_execute(sql).await.unwrap();
    let said = Doctor::new(&stack).await.said(&[]);
    let fix = said.is_only("database.writable", "database_read_only");
    assert!(fix.contains("RESET default_transaction_read_only"), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_use_the_tables_is_told() {
    let stack = house_of_its_own().await;
    let role = format!("stranger_{}", tributary::model::new_id().simple());
    let own = stack.database_url();
    let (before, name) = own.rsplit_once('/').unwrap();
    let address = before.rsplit_once('@').unwrap().1;
    let admin = format!(
        "{}/{name}",
        stack
            .fact("/postgres/admin_url")
            .rsplit_once('/')
            .unwrap()
            .0
    );
    let mut conn = AsyncPgConnection::establish(&admin).await.unwrap();
    let sql = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'of-the-stranger'; GRANT USAGE ON SCHEMA tributary TO {role};
         GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA tributary TO {role};
         GRANT SELECT ON public.__diesel_schema_migrations TO {role}"
    );
    conn.batch_execute(&sql).await.unwrap();
    let url = format!("postgres://{role}:of-the-stranger@{address}/{name}");
    let doctor = Doctor::new(&stack).await;
    // Row level security would show it empty tables.
    let hidden = doctor.said(&[("DATABASE__URL", &url)]);
    let sql = format!("ALTER ROLE {role} BYPASSRLS");
    conn.batch_execute(&sql).await.unwrap();
    let shown = doctor.said(&[("DATABASE__URL", &url)]);
    let sql = format!("REVOKE INSERT ON tributary.messages FROM {role}");
    conn.batch_execute(&sql).await.unwrap();
    let refused = doctor.said(&[("DATABASE__URL", &url)]);
    let sql = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    conn.batch_execute(&sql).await.unwrap();
    let denied = "database_denied";
    assert_eq!(
        hidden.of("database.writable")["code"],
        denied,
        "{}",
        hidden.text
    );
    assert_eq!(
        shown.of("database.writable")["status"],
        "ok",
        "{}",
        shown.text
    );
    let message = refused.of("database.writable")["message"].as_str().unwrap();
    assert!(
        message.contains("1 tables, such as tributary.messages"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_url_to_another_database_is_told() {
    let stack = house_of_its_own().await;
    let doctor = Doctor::new(&stack).await;
    let other = stack.fact("/postgres/database_url");
    let said = doctor.said(&[("DATABASE__DIRECT_URL", other)]);
    said.is_only("database.direct", "direct_url_elsewhere");
    let same = stack.database_url().to_owned();
    let said = doctor.said(&[("DATABASE__DIRECT_URL", &same)]);
    assert_eq!(said.failed(), [], "{}", said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_had_are_told() {
    let stack = house().await;
    let doctor = Doctor::new(&stack).await;
    let nothing = format!("{}/nothing.json", doctor.clerk.uri());
    for (url, code) in [
        ("http://127.0.0.1:9/jwks.json", "clerk_unreachable"),
        (nothing.as_str(), "clerk_no_keys"),
    ] {
        let said = doctor.said(&[("CLERK__JWKS_URL", url)]);
        said.is_only("clerk.keys", code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_to_is_told() {
    let stack = house().await;
    let doctor = Doctor::new(&stack).await;
    std::fs::write(doctor.path("file"), "in the way").unwrap();
    let store = format!("file:{}", doctor.path("file/media").display());
    let said = doctor.said(&[("MEDIA__STORE", &store)]);
    let fix = said.is_only("media.store", "media_folder");
    assert!(fix.contains("mkdir -p "), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_told() {
    let stack = house().await;
    let homeserver = MockServer::start().await;
    let date = Clock::system().now() - TimeDelta::minutes(2);
    let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Mock::given(path("/_matrix/client/versions"))
        .respond_with(
            ResponseTemplate::new(200)
                .insert_header("date", date)
                .set_body_json(json!({"versions": ["v1.12"]})),
        )
        .mount(&homeserver)
        .await;
    Mock::given(any())
        .respond_with(
            ResponseTemplate::new(401).set_body_json(json!({"errcode": "M_UNKNOWN_TOKEN"})),
        )
        .mount(&homeserver)
        .await;
    let said = Doctor::new(&stack)
        .await
        .said(&[("HOMESERVER__URL", &homeserver.uri())]);
    let clock = said.of("homeserver.clock");
    assert_eq!(clock["code"], "clock_skew", "{}", said.text);
    assert!(
        clock["message"].as_str().unwrap().contains("behind"),
        "{clock}"
    );
}
