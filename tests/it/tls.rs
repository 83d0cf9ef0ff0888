//! TLS to Postgres, as `sslmode` asks for it: on each of the three ways there.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use diesel::{QueryableByName, sql_query, sql_types::BigInt};
use diesel_async::RunQueryDsl as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tributary::db::{self, Database, notify};

use crate::support::{
    cluster::{Cluster, PASSWORD, openssl},
    eventually,
};

const SERVER: &[&str] = &[
    "ssl=on",
    "ssl_cert_file=../server.pem",
    "ssl_key_file=../server.key",
    "ssl_ca_file=../ca.pem",
];

/// An authority and another one, and a certificate of a name by the first.
fn certificates(folder: &Path) {
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for name in ["ca", "other"] {
        let files = format!("-keyout {name}.key -out {name}.pem -subj /CN={name} -days 30");
        openssl(folder, &format!("req -x509 {KEY} {files}"));
    }
    for (name, subject, days) in [
        ("server", "localhost", 30),
        ("elsewhere", "db.example.org", 30),
        // Over by the time that the cluster is made.
        ("expired", "localhost", 0),
        ("client", "certified", 30),
    ] {
        fs::write(
            folder.join("names"),
            format!("subjectAltName=DNS:{subject}\n"),
        )
        .unwrap();
        let request = format!("-keyout {name}.key -out {name}.csr -subj /CN={subject}");
        openssl(folder, &format!("req {KEY} {request}"));
        let signed = format!("-in {name}.csr -out {name}.pem -days {days} -extfile names");
        openssl(
            folder,
            &format!("x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial {signed}"),
        );
    }
}

async fn cluster() -> Cluster {
    Cluster::start(certificates, SERVER).await
}

/// How many connections there are, those of `which` that are encrypted.
async fn encrypted(db: &Database, which: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let sql = format!(
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND {which}"
    );
    // A machine that makes several clusters at once may take longer than the pool waits.
    let mut conn = eventually("no connection", async || db.get().await.ok()).await;
    let row: Count = sql_query(sql).get_result(&mut conn).await.unwrap();
    row.count
}

const OWN: &str = "pid = pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn all_three_ways_are_encrypted_and_the_server_is_who_it_says() {
    let cluster = cluster().await;
    let ca = cluster.path("ca.pem").display().to_string();
    let url = cluster.url(&format!("sslmode=verify-full&sslrootcert={ca}"));
    assert!(!db::migrate(&url).await.unwrap().is_empty());
    let pool = Database::new(&url, 2).unwrap();
    assert_eq!(encrypted(&pool, OWN).await, 1);
    let listening = tokio::spawn(async move { notify::listen(&url, |_| {}).await });
    eventually("nobody listens encrypted", async || {
        (encrypted(&pool, "query LIKE 'LISTEN%'").await == 1).then_some(())
    })
    .await;
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_that_a_server_satisfies_connects_and_says_how() {
    let mut cluster = cluster().await;
    let ca = cluster.path("ca.pem").display().to_string();
    for (parameters, is_encrypted) in [
        (String::new(), 1),
        ("sslmode=disable".to_owned(), 0),
        ("sslmode=prefer".to_owned(), 1),
        ("sslmode=require".to_owned(), 1),
        ("sslmode=require&channel_binding=require".to_owned(), 1),
        (format!("sslmode=require&sslrootcert={ca}"), 1),
        (format!("sslmode=verify-ca&sslrootcert={ca}"), 1),
        (format!("sslrootcert={ca}"), 1),
    ] {
        let url = cluster.url(&parameters);
        for pool in [Database::new(&url, 1), Database::behind_pooler(&url, 1)] {
            let pool = pool.unwrap();
            assert_eq!(encrypted(&pool, OWN).await, is_encrypted, "{parameters}");
        }
    }
    cluster.restart(&["ssl=off"]).await;
    let url = cluster.url("");
    for pool in [Database::new(&url, 1), Database::behind_pooler(&url, 1)] {
        assert_eq!(encrypted(&pool.unwrap(), OWN).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_what_was_asked_for_is_refused() {
    let mut cluster = cluster().await;
    let (ca, other) = (cluster.path("ca.pem"), cluster.path("other.pem"));
    let (ca, other) = (ca.display(), other.display());
    for (certificate, parameters, said) in [
        ("server", format!("sslrootcert={other}"), "not trusted here"),
        (
            "server",
            format!("sslmode=verify-ca&sslrootcert={other}"),
            "not trusted here",
        ),
        (
            "server",
            "sslmode=verify-full".to_owned(),
            "not trusted here",
        ),
        ("elsewhere", format!("sslrootcert={ca}"), "another name"),
        ("expired", format!("sslrootcert={ca}"), "expired"),
        (
            "expired",
            format!("sslmode=require&sslrootcert={ca}"),
            "expired",
        ),
        ("", "sslmode=require".to_owned(), "no TLS"),
        ("", format!("sslrootcert={ca}"), "no TLS"),
    ] {
        let files = ["cert", "key"].map(|kind| {
            let ending = if kind == "cert" { "pem" } else { "key" };
            format!("ssl_{kind}_file=../{certificate}.{ending}")
        });
        if certificate.is_empty() {
            cluster.restart(&["ssl=off"]).await;
        } else {
            cluster.restart(&["ssl=on", &files[0], &files[1]]).await;
        }
        let url = cluster.url(&parameters);
        for refused in every_way(&url).await {
            assert!(
                refused.contains(said),
                "{certificate} {parameters}: {refused}"
            );
            assert!(!refused.contains(PASSWORD), "{refused}");
        }
    }
    // For another name is good enough where no name is asked for.
    let files = [
        "ssl=on",
        "ssl_cert_file=../elsewhere.pem",
        "ssl_key_file=../elsewhere.key",
    ];
    cluster.restart(&files).await;
    let url = cluster.url(&format!("sslmode=verify-ca&sslrootcert={ca}"));
    assert_eq!(encrypted(&Database::new(&url, 1).unwrap(), OWN).await, 1);
}

/// What a pool is refused with. A machine that makes several clusters at once may take longer
/// than it waits: that says nothing yet.
async fn refusal(db: &Database) -> String {
    eventually("no refusal", async || {
        let said = db.get().await.err().unwrap().to_string();
        (!said.contains("Timeout occurred")).then_some(said)
    })
    .await
}

/// What each of the ways to the server is refused with.
async fn every_way(url: &SecretString) -> [String; 4] {
    let migrated = db::migrate(url).await.unwrap_err();
    let [pooled, behind] = [Database::new, Database::behind_pooler].map(|way| way(url, 1).unwrap());
    let (pooled, behind) = (refusal(&pooled).await, refusal(&behind).await);
    let listened = notify::listen(url, |_| {}).await.unwrap_err();
    [
        format!("{migrated:#}"),
        pooled,
        behind,
        listened.to_string(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_shown_to_a_server_that_asks_for_one() {
    let cluster = cluster().await;
    let admin = Database::new(&cluster.url(""), 1).unwrap();
    let mut conn = admin.get().await.unwrap();
    sql_query("CREATE ROLE certified LOGIN")
        .execute(&mut conn)
        .await
        .unwrap();
    let rules = "hostssl all certified all cert\nhost all all all scram-sha-256\n";
    fs::write(cluster.path("data/pg_hba.conf"), rules).unwrap();
    sql_query("SELECT pg_reload_conf()")
        .execute(&mut conn)
        .await
        .unwrap();
    let [ca, cert, key] =
        ["ca.pem", "client.pem", "client.key"].map(|file| cluster.path(file).display().to_string());
    let port = cluster.port;
    let url = format!("postgres://certified@localhost:{port}/postgres?sslrootcert={ca}");
    let with = SecretString::from(format!("{url}&sslcert={cert}&sslkey={key}"));
    eventually("it is not let in", async || {
        let pool = Database::new(&with, 1).unwrap();
        pool.get().await.ok().map(drop)
    })
    .await;
    let without = Database::new(&url.into(), 1).unwrap();
    assert!(without.get().await.is_err());
}

/// A shell with a configuration that has `ca_file` beside it.
fn migrate(cluster: &Cluster, parameters: &str, ca_file: &str, command: &str) -> Output {
    let place = tempfile::tempdir().unwrap();
    fs::copy(cluster.path("ca.pem"), place.path().join("ca.pem")).unwrap();
    fs::copy(cluster.path("other.pem"), place.path().join("other.pem")).unwrap();
    let config = json!({
        "homeserver": {"url": "http://127.0.0.1:9", "server_name": "lab.local"},
        "bridges": [{
            "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
            "as_token": "the-bridges-token", "ghosts": r"@facebook_(?<id>.+):lab\.local",
        }],
        "database": {"url": cluster.url(parameters).expose_secret(), "ca_file": ca_file},
        "clerk": {"issuer": "https://example.clerk.accounts.dev"},
    });
    fs::write(place.path().join("config.yaml"), config.to_string()).unwrap();
    let mut tributary = Command::new(env!("CARGO_BIN_EXE_tributary"));
    tributary.arg(command).current_dir(place.path()).env_clear();
    tributary.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_names_the_key_and_not_the_password() {
    let cluster = cluster().await;
    for (parameters, ca_file, command, code, said) in [
        ("", "ca.pem", "migrate", 0, "up to date"),
        (
            "",
            "other.pem",
            "migrate",
            1,
            "database.url: could not connect",
        ),
        ("", "other.pem", "migrate", 1, "not trusted here"),
        (
            "",
            "gone.pem",
            "check-config",
            2,
            "database.ca_file names a file",
        ),
        (
            "sslmode=allow",
            "ca.pem",
            "check-config",
            2,
            "database.url has sslmode=allow",
        ),
        (
            "sslmode=prefer",
            "ca.pem",
            "migrate",
            2,
            "database.url names an authority",
        ),
        (
            "sslcert=/c",
            "ca.pem",
            "check-config",
            2,
            "sslcert and sslkey",
        ),
        (
            "sslkey=/c&sslcert=/c",
            "ca.pem",
            "check-config",
            2,
            "in sslcert",
        ),
        ("sslmode=disable", "ca.pem", "migrate", 0, "up to date"),
    ] {
        let output = migrate(&cluster, parameters, ca_file, command);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(said), "{parameters} {ca_file}: {error}");
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(!error.contains(PASSWORD), "{error}");
    }
}
