//! What an operator does with `tributary homeserver`, with no other tool.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::stack::Stack;

/// A shell of an operator's.
struct Shell<'a> {
    stack: &'a Stack,
    folder: tempfile::TempDir,
}

impl<'a> Shell<'a> {
    /// With Synapse's shared secret in the file `shared-secret`.
    fn new(stack: &'a Stack) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shell = Self { stack, folder };
        shell.write("shared-secret", stack.fact("/registration_shared_secret"));
        shell
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, secret: &str) {
        std::fs::write(self.path(name), format!("{secret}\n")).unwrap();
    }

    /// Runs `tributary homeserver` in the folder. Whatever it prints is kept: no secret may be
    /// in it but the password that it makes up (`stack.py secrets`).
    fn run(&self, arguments: &[&str], stdin: Option<&str>) -> Output {
        let mut command = self
            .stack
            .tributary(&[&["homeserver"], arguments].concat(), []);
        let mut child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut to = child.stdin.take().unwrap();
        // Whoever does not read its stdin may be gone already.
        let _ = to.write_all(stdin.unwrap_or_default().as_bytes());
        drop(to);
        let output = child.wait_with_output().unwrap();
        let log = self.stack.log("tributary-commands");
        let mut log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        log.write_all(&output.stdout).unwrap();
        log.write_all(&output.stderr).unwrap();
        output
    }

    /// What a command answers that works.
    fn json(&self, arguments: &[&str], stdin: Option<&str>) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat(), stdin);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?} {}",
            stderr(&output)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What a command says that fails.
    fn refused(&self, arguments: &[&str], stdin: Option<&str>) -> (i32, String) {
        let output = self.run(arguments, stdin);
        assert!(output.stdout.is_empty(), "{output:?}");
        (output.status.code().unwrap(), stderr(&output).to_owned())
    }

    /// An account that is logged in, its token in the file of its name.
    fn user(&self, name: &str, more: &[&str]) -> String {
        let localpart = format!("{name}-{}", tributary::model::new_id().simple());
        let token = format!("{name}.token");
        self.write("password", "the-password-of-a-test");
        let arguments = [
            "add-user",
            &localpart,
            "--shared-secret-file",
            "shared-secret",
            "--password-file",
            "password",
            "--token-out",
            &token,
        ];
        let made = self.json(&[&arguments, more].concat(), None);
        assert_eq!(made.get("password"), None);
        let kept = std::fs::read_to_string(self.path(&token)).unwrap();
        self.stack.keep_secret("Matrix access token", &kept);
        made["userId"].as_str().unwrap().to_owned()
    }

    async fn can_log_in(&self, user: &str, password: &str) -> bool {
        let login = json!({
            "type": "m.login.password", "password": password,
            "identifier": {"type": "m.id.user", "user": user},
        });
        let url = format!(
            "{}/_matrix/client/v3/login",
            self.stack.fact("/synapse_url")
        );
        let answer = self.stack.http.post(url).json(&login).send().await.unwrap();
        answer.status().is_success()
    }
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// A Synapse, whatever else runs.
async fn synapse() -> Stack {
    let stack = Stack::take().await;
    stack.run_script(&["up", "synapse"]);
    stack
}

#[tokio::test(flavor = "multi_thread")]
async fn the_homeserver_says_what_it_is() {
    let stack = synapse().await;
    let shell = Shell::new(&stack);
    let status = shell.json(&["status"], None);
    assert_eq!(status["userId"], "@tributary:lab.local");
    assert_eq!(status["software"], "Synapse");
    let shown = shell.run(&["status"], None);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("Tributary is  @tributary:lab.local"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_with_the_shared_secret_alone() {
    let stack = synapse().await;
    let shell = Shell::new(&stack);
    let name = format!("nina-{}", tributary::model::new_id().simple());
    let secret = stack.fact("/registration_shared_secret");
    let arguments = [
        "add-user",
        &name,
        "--shared-secret-file",
        "-",
        "--display-name",
        "Nina",
    ];
    let made = shell.json(&arguments, Some(secret));
    let (user, password) = (
        made["userId"].as_str().unwrap(),
        made["password"].as_str().unwrap(),
    );
    assert_eq!(user, format!("@{name}:lab.local"));
    assert!(shell.can_log_in(user, password).await);

    let (code, said) = shell.refused(&arguments, Some(secret));
    assert_eq!(
        (code, said.trim()),
        (1, "tributary: there is such an account already")
    );
    let (code, said) = shell.refused(&arguments, Some("another-secret"));
    assert_eq!(code, 1);
    assert!(
        said.contains("registration_shared_secret of its homeserver.yaml"),
        "{said}"
    );
    let (code, _) = shell.refused(&[&arguments[..], &["--password-file", "-"]].concat(), None);
    assert_eq!(code, 2, "two secrets from one stdin");
    let (code, said) = shell.refused(
        &["add-user", "Nina", "--shared-secret-file", "shared-secret"],
        None,
    );
    assert_eq!(code, 1);
    assert!(said.contains("a-z"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_listed_for_administrators() {
    let stack = synapse().await;
    let shell = Shell::new(&stack);
    let admin = shell.user("boss", &["--admin", "--display-name", "The Boss"]);
    let nobody = shell.user("nobody", &[]);
    let list = shell.json(
        &[
            "list-users",
            "--token-file",
            "boss.token",
            "--limit",
            "10000",
        ],
        None,
    );
    let items = list["items"].as_array().unwrap();
    assert_eq!(list["total"], items.len());
    let find = |id: &str| items.iter().find(|item| item["userId"] == id).unwrap();
    assert_eq!(find(&admin)["admin"], true);
    assert_eq!(find(&admin)["displayName"], "The Boss");
    assert_eq!(find(&nobody)["admin"], false);
    let token = std::fs::read_to_string(shell.path("boss.token")).unwrap();
    let some = shell.json(
        &["list-users", "--token-file", "-", "--limit", "2"],
        Some(&token),
    );
    assert_eq!(some["items"].as_array().unwrap().len(), 2);

    let (code, said) = shell.refused(&["list-users", "--token-file", "nobody.token"], None);
    assert_eq!(code, 1);
    assert!(said.contains("not an administrator's"), "{said}");
    let (code, said) = shell.refused(&["list-users", "--token-file", "shared-secret"], None);
    assert_eq!(code, 1);
    assert!(said.contains("--token-file"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_and_a_room_with_the_bot_need_no_other_tool() {
    let mut stack = Stack::start_anew(&[]).await;
    stack.stop_tributary();
    let shell = Shell::new(&stack);
    let bot = stack.fact("/bridge/bot");
    let user = shell.user("oscar", &[]);
    let room = shell.json(&["add-bot", "--token-file", "oscar.token"], None);
    assert_eq!((&room["userId"], &room["bot"]), (&json!(user), &json!(bot)));
    let id = room["roomId"].as_str().unwrap();

    // It is the management room: commands are answered there without a prefix.
    let sent = shell.json(&["send", id, "--token-file", "oscar.token"], Some("help\n"));
    assert!(sent["eventId"].as_str().unwrap().starts_with('$'));
    let token = std::fs::read_to_string(shell.path("oscar.token")).unwrap();
    let url = format!(
        "{}/_matrix/client/v3/rooms/{id}/messages?dir=b&limit=10",
        stack.fact("/synapse_url")
    );
    stack
        .eventually("the bot answers", async || {
            let request = stack.http.get(&url).bearer_auth(&token);
            let page: Value = request.send().await.unwrap().json().await.unwrap();
            let answer = |event: &&Value| {
                let body = event["content"]["body"].as_str().unwrap_or_default();
                event["sender"] == bot && body.contains("logout")
            };
            page["chunk"]
                .as_array()
                .unwrap()
                .iter()
                .find(answer)
                .map(drop)
        })
        .await;
    // The bridge knows the room, so there is no need of another one.
    let again = shell.json(&["add-bot", "--token-file", "oscar.token"], None);
    assert_eq!(again["roomId"], id);

    let invited = shell.json(&["create-room", "--name", "Ours", "--invite", &user], None);
    let ours = invited["roomId"].as_str().unwrap();
    assert_eq!(invited["userId"], "@tributary:lab.local");
    shell.json(&["add-bot", "--room", ours], None);
    shell.json(&["send", ours, "hello", "--as", bot], None);
    let (code, said) = shell.refused(&["send", ours, "hello", "--as", &user], None);
    assert_eq!(code, 1);
    assert!(
        said.contains("outside of the registration's namespaces"),
        "{said}"
    );
    let (code, said) = shell.refused(&["send", "!nowhere:lab.local", "hello"], None);
    assert_eq!(code, 1);
    assert!(said.contains("the homeserver"), "{said}");
}
