//! What `contrib/import` makes of an export is what the API answers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use super::{PATH, behind, get::lived_in, schema};
use crate::api::app::TestApp;

/// A folder for files that goes away with it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn archive(&self) -> PathBuf {
        self.0.path().join("archive.sqlite")
    }

    fn import(&self, parts: &[PathBuf]) -> Output {
        let into = ["--into".into(), self.archive()];
        python(into.iter().chain(parts))
    }

    fn dump(&self) -> Value {
        let dump = python(&["--dump".into(), self.archive()]);
        assert!(dump.status.success(), "{dump:?}");
        serde_json::from_slice(&dump.stdout).unwrap()
    }
}

fn python<'a>(arguments: impl IntoIterator<Item = &'a PathBuf>) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/import/tributary_import.py");
    let schema = schema::file();
    Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .arg("--schema")
        .arg(schema)
        .args(arguments)
        .output()
        .unwrap()
}

/// Everything that the API answers to a user, put together like an archive.
async fn answers(app: &TestApp, user: &str) -> Value {
    let mut conversations = Vec::new();
    let list = app.get(user, "/api/conversations").await.json();
    for conversation in list["items"].as_array().unwrap() {
        let path = format!(
            "/api/conversations/{}",
            conversation["id"].as_str().unwrap()
        );
        let page = app
            .get(user, &format!("{path}/messages?limit=200"))
            .await
            .json();
        let mut messages = Vec::new();
        for message in page["items"].as_array().unwrap().iter().rev() {
            let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
            messages.push(app.get(user, &path).await.json());
        }
        conversations
            .push(json!({"conversation": app.get(user, &path).await.json(), "messages": messages}));
    }
    conversations.sort_by_key(|of| of["conversation"]["id"].to_string());
    let status = app.get(user, "/api/messenger/status").await.json();
    json!({"conversations": conversations, "connections": status["connections"]})
}

fn without_extras(mut dump: Value) -> Value {
    dump.as_object_mut().unwrap().remove("files").unwrap();
    for conversation in dump["conversations"].as_array_mut().unwrap() {
        conversation
            .as_object_mut()
            .unwrap()
            .remove("readMarker")
            .unwrap();
    }
    dump
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_imported_is_what_the_api_answers() {
    let app = lived_in().await;
    for user in ["user_alice", "user_bob", "user_stranger"] {
        let desk = Desk::new();
        let export = app.get(user, PATH).await;
        let export = desk.put("export.ndjson", &export.text);
        // Twice: the same lines again change nothing.
        for _ in 0..2 {
            let imported = desk.import(std::slice::from_ref(&export));
            assert!(imported.status.success(), "{imported:?}");
            assert_eq!(
                without_extras(desk.dump()),
                answers(&app, user).await,
                "{user}"
            );
        }
    }
}

/// Its last line cut in the middle, it says where to go on, and takes both parts together.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_in_two_parts_is_one() {
    let app = lived_in().await;
    let text = app.get("user_alice", PATH).await.text;
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    for cut in [2, lines.len() / 2, lines.len() - 1] {
        let desk = Desk::new();
        let half = lines[cut].len() / 2;
        let begun = [lines[..cut].concat(), lines[cut][..half].to_owned()].concat();
        let begun = desk.put("1.ndjson", &begun);
        let refused = desk.import(std::slice::from_ref(&begun));
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let last: Value = serde_json::from_str(lines[cut - 1]).unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(last["cursor"].as_str().unwrap()), "{said}");
        let rest = behind(&app, "user_alice", &last).await;
        let rest = desk.put("2.ndjson", &rest.text);
        let imported = desk.import(&[begun, rest]);
        assert!(imported.status.success(), "{imported:?}");
        assert_eq!(
            without_extras(desk.dump()),
            answers(&app, "user_alice").await
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_the_schema_says_is_refused() {
    let app = lived_in().await;
    let text = app.get("user_alice", PATH).await.text;
    for (what, wrong) in [
        ("\"isSelf\":true", "\"isSelf\":null"),
        ("\"body\":\"and back\",", ""),
        ("\"version\":1", "\"version\":2"),
        ("\"type\":\"connection\"", "\"type\":\"conection\""),
        ("\"timestamp\":\"2", "\"timestamp\":\"x2"),
        ("\"message\":7", "\"message\":8"),
        ("\"type\":\"header\"", "\"type\":\"end\""),
    ] {
        assert!(text.contains(what), "{what}");
        let desk = Desk::new();
        let export = desk.put("export.ndjson", &text.replacen(what, wrong, 1));
        let refused = desk.import(&[export]);
        assert_eq!(refused.status.code(), Some(1), "{wrong}: {refused:?}");
    }
}
