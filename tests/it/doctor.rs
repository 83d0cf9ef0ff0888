//! `doctor` beside a homeserver that means no good, and with a development key alone. What it
//! finds on the real stack is `tests/e2e/doctor.rs`.

use std::{
    convert::Infallible,
    net::SocketAddr,
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
    time::{sleep, timeout},
};

use crate::support::keys::signing_key_file;

const AS_TOKEN: &str = "the-as-token-of-tributary";
/// It asks one thing after the other, and each has its bound.
const PATIENCE: Duration = Duration::from_mins(2);

/// How a homeserver misbehaves.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// It answers what is no HTTP.
    Garbage,
    /// It sends whoever asks elsewhere, where tokens are gathered.
    Redirect(SocketAddr),
    /// It answers HTTP whose body never ends.
    Endless,
    /// It sends a byte now and then.
    Drip,
    /// It answers JSON of another shape, with what a terminal would obey.
    Strange,
    /// It takes the request and says nothing.
    Silence,
}

async fn homeserver(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(misbehave(stream, manner));
        }
    });
    address
}

async fn misbehave(mut stream: TcpStream, manner: Manner) -> std::io::Result<Infallible> {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await?;
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    match manner {
        Manner::Garbage => stream.write_all(&[0xff; 512]).await?,
        Manner::Redirect(to) => {
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{to}/\r\ncontent-length: 0\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await?;
        }
        Manner::Endless => {
            let head = format!("{json}transfer-encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x10000));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        Manner::Drip => loop {
            stream.write_all(b"H").await?;
            sleep(Duration::from_millis(300)).await;
        },
        Manner::Strange => {
            let body = r#"{"versions": "\u001b]0;owned\u0007", "user_id": {}}"#;
            let answer = format!("{json}content-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await?;
        }
        Manner::Silence => {}
    }
    // Until the other side has had enough.
    loop {
        if stream.read(&mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn doctor(homeserver: SocketAddr, clerk: Value) -> (Output, Vec<Value>) {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, content: Value| {
        std::fs::write(folder.path().join(name), content.to_string()).unwrap();
    };
    write(
        "registration.yaml",
        json!({
            "id": "tributary", "url": "http://127.0.0.1:9", "as_token": AS_TOKEN,
            "hs_token": "the-hs-token-of-tributary", "sender_localpart": "tributary",
            "rate_limited": false, "namespaces": {"users": [], "rooms": [], "aliases": []},
        }),
    );
    write(
        "config.yaml",
        json!({
            "homeserver": {"url": format!("http://{homeserver}"), "server_name": "lab.local"},
            "bridges": [{
                "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
                "as_token": "the-bridges-token", "ghosts": r"@facebook_(?<id>.+):lab\.local",
                "provisioning_url": format!("http://{homeserver}"),
                "provisioning_secret": "the-provisioning-secret",
            }],
            "database": {"url": "postgres://somebody@127.0.0.1:9/nowhere"},
            "clerk": clerk,
        }),
    );
    let run = Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(["doctor", "--json"])
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, run).await.expect("it ends").unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = said["checks"].as_array().unwrap().clone();
    (output, checks)
}

fn of<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    let found = checks.iter().find(|check| check["check"] == name);
    found.unwrap_or_else(|| panic!("{name} was not looked at"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_homeserver_is_told_of_and_told_nothing() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let sent_to = elsewhere.local_addr().unwrap();
    for manner in [
        Manner::Garbage,
        Manner::Redirect(sent_to),
        Manner::Endless,
        Manner::Drip,
        Manner::Strange,
        Manner::Silence,
    ] {
        let clerk = json!({"development_key_file": signing_key_file()});
        let (output, checks) = doctor(homeserver(manner).await, clerk).await;
        assert_eq!(output.status.code(), Some(1), "{manner:?}");
        let reachable = of(&checks, "homeserver.reachable");
        assert_eq!(reachable["status"], "failed", "{manner:?} {reachable}");
        assert!(reachable["fix"].is_string(), "{reachable}");
        let told = [&output.stdout[..], &output.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        for secret in [AS_TOKEN, "the-bridges-token", "the-provisioning-secret"] {
            assert!(!told.contains(secret), "{manner:?}");
        }
        assert!(
            !told.contains('\u{1b}') && !told.contains("u001b"),
            "{told}"
        );
        assert!(told.len() < 64 * 1024, "{manner:?}: {} bytes", told.len());
    }
    assert!(elsewhere.accept().is_err(), "it went where it was sent");
}

/// Whoever develops without a Clerk instance is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_development_key_is_enough_where_nobody_else_signs_in() {
    let key = signing_key_file();
    let nobody = homeserver(Manner::Garbage).await;
    for (clerk, status) in [
        (json!({"development_key_file": key}), "ok"),
        (
            json!({"development_key_file": key, "issuer": "http://127.0.0.1:9"}),
            "ok",
        ),
        // Somebody was meant to be there.
        (
            json!({"development_key_file": key, "issuer": "http://127.0.0.1:9",
                   "jwks_url": "http://127.0.0.1:9/keys.json"}),
            "failed",
        ),
        (json!({"issuer": "http://127.0.0.1:9"}), "failed"),
    ] {
        let (_, checks) = doctor(nobody, clerk.clone()).await;
        let found = of(&checks, "clerk.keys");
        assert_eq!(found["status"], status, "{clerk} {found}");
    }
}
