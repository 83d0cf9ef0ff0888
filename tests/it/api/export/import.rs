//! What `contrib/import` makes of an export is what the API answers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use super::{PATH, behind, get::lived_in, schema};
use crate::api::{
    app::{TestApp, session},
    media::Archive,
};

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

    fn files(&self) -> PathBuf {
        self.0.path().join("files")
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

/// Gets the files of an archive with this token.
async fn fetch(archive: &Archive, desk: &Desk, token: String) -> Output {
    let arguments = [
        "--fetch".into(),
        desk.archive(),
        "--files".into(),
        desk.files(),
    ];
    let base = ["--from".into(), archive.app.url("").into()];
    let mut command = command(arguments.iter().chain(&base));
    command.env("TRIBUTARY_TOKEN", token);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn python<'a>(arguments: impl IntoIterator<Item = &'a PathBuf>) -> Output {
    command(arguments).output().unwrap()
}

fn command<'a>(arguments: impl IntoIterator<Item = &'a PathBuf>) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/import/tributary_import.py");
    let schema = schema::file();
    let mut command = Command::new("python3");
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .arg("--schema")
        .arg(schema)
        .args(arguments);
    command
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
        let alone = desk.import(std::slice::from_ref(&rest));
        let said = String::from_utf8(alone.stderr).unwrap();
        assert!(said.contains("name all parts at once"), "{said}");
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

#[tokio::test(flavor = "multi_thread")]
async fn the_files_that_it_names_are_fetched() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.png", "image/png", b"one").await;
    let gone = archive.sent("$2", "b", "text/plain", b"two").await;
    let desk = Desk::new();
    let export = archive.app.get("user_alice", PATH).await;
    let imported = desk.import(&[desk.put("export.ndjson", &export.text)]);
    assert!(imported.status.success(), "{imported:?}");
    let refused = fetch(&archive, &desk, "x".to_owned()).await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.starts_with("the token is over"), "{said}");
    archive
        .sql(&format!(
            "DELETE FROM tributary.attachments WHERE media_id = '{gone}'"
        ))
        .await;
    for said in [
        "1 came, 0 were there, 1 are gone",
        "0 came, 1 were there, 1 are gone",
    ] {
        let fetched = fetch(&archive, &desk, session("user_alice")).await;
        assert_eq!(String::from_utf8(fetched.stdout).unwrap().trim(), said);
    }
    let file = desk.files().join(format!("{id}.png"));
    assert_eq!(fs::read(&file).unwrap(), b"one");
    assert_eq!(fs::read_dir(desk.files()).unwrap().count(), 1);
    // What is not what the export says does not get its name.
    fs::remove_file(&file).unwrap();
    archive
        .store("mxc://lab.local/1", "image/png", b"other")
        .await;
    let refused = fetch(&archive, &desk, session("user_alice")).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(!file.exists());
}
