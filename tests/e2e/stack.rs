//! The real stack: Synapse, the bridge and the switch that `scripts/test` has
//! started, and a Tributary of this test's own between them.

mod discretion;
mod reading;
mod switch;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep},
};

/// One at a time: a registration has one URL, so all tests share the switch.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The stack, with a Tributary that ends with this value.
pub(crate) struct Stack {
    folder: PathBuf,
    facts: Value,
    /// What Tributary's environment says over its configuration file.
    settings: Vec<(String, String)>,
    tributary: Option<Child>,
    pub(crate) http: reqwest::Client,
    _turn: MutexGuard<'static, ()>,
}

impl Stack {
    /// Waits for its turn, then starts Tributary and, the first time, the bridge.
    pub(crate) async fn start() -> Self {
        let mut stack = Self::take().await;
        stack.start_tributary().await;
        stack.run_script(&["up", "synapse", "bridge"]);
        stack
    }

    /// The same on a new database, with other values of configuration keys, such as
    /// `BACKFILL__DAYS`.
    pub(crate) async fn start_anew(settings: &[(&str, &str)]) -> Self {
        let mut stack = Self::take().await;
        stack.begin_anew(settings).await;
        stack
    }

    /// Starts Tributary on a new database, which knows of nothing that was before.
    pub(crate) async fn begin_anew(&mut self, settings: &[(&str, &str)]) {
        self.fresh_database(settings).await;
        self.start_tributary().await;
        self.run_script(&["up", "synapse", "bridge"]);
    }

    /// A new database, on which nothing was started yet, and other settings.
    pub(crate) async fn fresh_database(&mut self, settings: &[(&str, &str)]) {
        let settings = settings.iter();
        self.settings = settings
            .map(|(key, value)| (format!("TRIBUTARY__{key}"), (*value).to_owned()))
            .collect();
        self.point_to_new_database().await;
    }

    /// Makes a new database, and has Tributary use that when it starts next.
    pub(crate) async fn point_to_new_database(&mut self) {
        const KEY: &str = "TRIBUTARY__DATABASE__URL";
        let name = format!("anew_{}", tributary::model::new_id().simple());
        let mut conn = AsyncPgConnection::establish(self.fact("/postgres/admin_url"))
            .await
            .unwrap();
        conn.batch_execute(&format!(
            "CREATE DATABASE {name} OWNER tributary TEMPLATE template0 LOCALE 'C.UTF-8'"
        ))
        .await
        .unwrap();
        let url = self.fact("/postgres/database_url");
        let url = format!("{}/{name}", url.rsplit_once('/').unwrap().0);
        self.settings.retain(|(key, _)| key != KEY);
        self.settings.push((KEY.to_owned(), url));
    }

    /// Runs another command of Tributary's, as it is configured now.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tributary"))
            .args(arguments)
            .arg("--config")
            .arg(self.folder.join("tributary.yaml"))
            .envs(self.settings.iter().cloned())
            .output()
            .unwrap()
    }

    /// Waits for its turn. Tributary does not run yet.
    pub(crate) async fn take() -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        let folder = std::env::var("TRIBUTARY_TEST_STACK")
            .expect("TRIBUTARY_TEST_STACK is not set: run the tests with scripts/test");
        let folder = PathBuf::from(folder);
        let facts = serde_json::from_slice(&std::fs::read(folder.join("stack.json")).unwrap());
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            // Synapse closes after 60 s; reqwest would use one for 90 s.
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        let stack = Self {
            folder,
            facts: facts.unwrap(),
            settings: Vec::new(),
            tributary: None,
            http,
            _turn: turn,
        };
        // A test that failed may have left it otherwise.
        stack.point_switch_at(stack.fact("/switch/target")).await;
        stack.switch(json!({"mode": "pass"})).await;
        stack
    }

    /// `stack.json`.
    pub(crate) const fn facts(&self) -> &Value {
        &self.facts
    }

    /// The log of a component.
    pub(crate) fn log(&self, component: &str) -> PathBuf {
        self.folder.join(format!("logs/{component}.log"))
    }

    /// Tributary's database.
    pub(crate) async fn database(&self) -> AsyncPgConnection {
        AsyncPgConnection::establish(self.database_url())
            .await
            .unwrap()
    }

    /// Where that is.
    pub(crate) fn database_url(&self) -> &str {
        let own = self
            .settings
            .iter()
            .find(|(key, _)| key == "TRIBUTARY__DATABASE__URL");
        own.map_or_else(|| self.fact("/postgres/database_url"), |(_, url)| url)
    }

    /// Sets a variable of Tributary's environment, from its next start on.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Ends [`Self::set`].
    pub(crate) fn unset(&mut self, key: &str) {
        self.settings.retain(|(set, _)| set != key);
    }

    /// A command of the program, with other values of configuration keys.
    pub(crate) fn tributary<'a>(
        &self,
        arguments: &[&str],
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
        let settings = settings.into_iter();
        command
            .args(arguments)
            .arg("--config")
            .arg(self.folder.join("tributary.yaml"))
            .envs(self.settings.iter().cloned())
            .envs(settings.map(|(key, value)| (format!("TRIBUTARY__{key}"), value)))
            .stdin(Stdio::null());
        command
    }

    /// A value of `stack.json`, by its path.
    pub(crate) fn fact(&self, pointer: &str) -> &str {
        self.facts
            .pointer(pointer)
            .and_then(Value::as_str)
            .expect(pointer)
    }

    /// A URL of Tributary's own.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.fact("/tributary/url"))
    }

    pub(crate) async fn start_tributary(&mut self) {
        assert!(self.tributary.is_none(), "it is running");
        self.tributary = Some(self.spawn_tributary("tributary", &[]));
        let ready = self.url("/readyz");
        self.eventually("Tributary is ready", async || {
            let answer = self.http.get(&ready).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Another Tributary, which logs on its own and is not waited for.
    pub(crate) fn spawn_tributary(&self, log: &str, settings: &[(&str, &str)]) -> Child {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log(log))
            .unwrap();
        Command::new(env!("CARGO_BIN_EXE_tributary"))
            .args(["run", "--config"])
            .arg(self.folder.join("tributary.yaml"))
            // The tests ask faster than people, all from one address.
            .env("TRIBUTARY__LIMITS__PER_IP_PER_SECOND", "100000")
            .env("TRIBUTARY__LIMITS__PER_USER_PER_SECOND", "100000")
            .env("TRIBUTARY__LIMITS__BURST", "100000")
            // As much as it ever tells: no secret may be in it (`stack.py secrets`).
            .env("TRIBUTARY__LOG__FILTER", log_filter())
            .envs(self.settings.iter().cloned())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// The most memory that Tributary has ever held since its start, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let pid = self.tributary.as_ref().expect("it is running").id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        peak.unwrap().parse().unwrap()
    }

    /// Kills Tributary with SIGKILL, as a crash would.
    pub(crate) fn kill_tributary(&mut self) {
        let mut child = self.tributary.take().expect("it is running");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops Tributary with SIGTERM; returns its exit code.
    pub(crate) fn stop_tributary(&mut self) -> Option<i32> {
        let mut child = self.tributary.take().expect("it is running");
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        child.wait().unwrap().code()
    }

    /// Does something to the stack's components.
    pub(crate) fn run_script(&self, arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/stack.py");
        let (command, rest) = arguments.split_first().unwrap();
        let output = Command::new("python3")
            .arg(script)
            .arg(command)
            .arg("--dir")
            .arg(&self.folder)
            .args(rest)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Makes something happen on the remote side of the bridge.
    pub(crate) async fn remote(&self, path: &str, body: Value) -> Value {
        self.keep_texts(&body);
        let url = format!("{}{path}", self.fact("/bridge/control_url"));
        let answer = self
            .http
            .post(url)
            .timeout(Duration::from_mins(2))
            .json(&body)
            .send();
        let answer = answer.await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// Asks until there is an answer; fails the test when there is none in time.
    pub(crate) async fn eventually<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        self.within(Duration::from_mins(1), what, ask).await
    }

    /// The same with another deadline.
    pub(crate) async fn within<T>(
        &self,
        patience: Duration,
        what: &str,
        ask: impl AsyncFn() -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(Instant::now() < deadline, "in vain: {what}");
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// Registers a Matrix user.
    pub(crate) fn matrix_user(&self, name: &str) -> MatrixUser {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/stack.py");
        let output = Command::new("python3")
            .arg(script)
            .args(["user", "--dir"])
            .arg(&self.folder)
            .arg(name)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let user: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |key: &str| user[key].as_str().unwrap().to_owned();
        self.keep_secret("Matrix access token", &text("accessToken"));
        MatrixUser {
            user_id: text("userId"),
            access_token: text("accessToken"),
        }
    }

    /// Reports a login as the desktop companion does, proven by an OpenID token.
    pub(crate) async fn report_login(&self, user: &MatrixUser, remote_id: &str) -> Value {
        let path = format!(
            "{}/_matrix/client/v3/user/{}/openid/request_token",
            self.fact("/synapse_url"),
            user.user_id
        );
        let proof = self
            .http
            .post(path)
            .bearer_auth(&user.access_token)
            .json(&json!({}));
        let proof: Value = proof.send().await.unwrap().json().await.unwrap();
        self.keep_secret("OpenID token", proof["access_token"].as_str().unwrap());
        let report = json!({
            "matrixUserId": user.user_id, "bridgeUserId": remote_id, "openIdToken": proof,
        });
        let answer = self
            .http
            .post(self.url("/api/manager/bridge-login-complete"))
            .bearer_auth(self.fact("/manager_api_key"))
            .json(&report)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{status} {body}");
        if let Some(code) = body["linkCode"].as_str() {
            self.keep_secret("link code", code);
        }
        body
    }

    /// Links a Clerk user with a Matrix user, the way people do.
    pub(crate) async fn link(&self, clerk_user: &str, user: &MatrixUser, remote_id: &str) -> Value {
        let report = self.report_login(user, remote_id).await;
        let code = report["linkCode"].as_str().unwrap();
        self.redeem(clerk_user, code).await
    }

    /// Redeems a code, as the web page does.
    pub(crate) async fn redeem(&self, clerk_user: &str, code: &str) -> Value {
        let answer = self
            .http
            .post(self.url("/api/messenger/link"))
            .bearer_auth(self.session_token(clerk_user))
            .json(&json!({ "code": code }))
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{status} {body}");
        body
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Some(mut child) = self.tributary.take() {
            // Best effort: the test is over either way.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A Matrix user with a session.
pub(crate) struct MatrixUser {
    pub(crate) user_id: String,
    pub(crate) access_token: String,
}

/// Everything, so that `stack.py secrets` has something to look through; less for who measures.
fn log_filter() -> String {
    std::env::var("TRIBUTARY_TEST_LOG").unwrap_or_else(|_| "trace".to_owned())
}
