//! Reading the API as users of the web app do.

use std::{process::Command, sync::Mutex, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::Stack;

/// A token is good for a minute.
const RENEWED_AFTER: Duration = Duration::from_secs(30);

impl Stack {
    /// A session token of a Clerk user, as `tributary dev-token` mints it.
    pub(crate) fn session_token(&self, user_id: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_tributary"))
            .args(["dev-token", "--user", user_id, "--config"])
            .arg(self.folder.join("tributary.yaml"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        self.keep_secret("session token", &token);
        token
    }

    /// Reads an endpoint as a Clerk user.
    pub(crate) async fn get(&self, user_id: &str, path: &str) -> Value {
        self.session(user_id).get(path).await
    }

    async fn get_with(&self, token: &str, path: &str) -> Value {
        let answer = self
            .http
            .get(self.url(path))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// All items of a list, page after page.
    pub(crate) async fn get_all(&self, user_id: &str, path: &str) -> Vec<Value> {
        self.session(user_id).get_all(path).await
    }

    /// For who reads much: a token is minted by a process of its own.
    pub(crate) fn session<'a>(&'a self, user_id: &'a str) -> Session<'a> {
        Session {
            stack: self,
            user_id,
            token: Mutex::new((self.session_token(user_id), Instant::now())),
        }
    }
}

/// A Clerk user who reads, with a token that is always young enough.
pub(crate) struct Session<'a> {
    stack: &'a Stack,
    user_id: &'a str,
    token: Mutex<(String, Instant)>,
}

impl Session<'_> {
    /// Reads an endpoint.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let token = self.token();
        self.stack.get_with(&token, path).await
    }

    /// All items of a list, page after page.
    pub(crate) async fn get_all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=200{cursor}")).await;
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    fn token(&self) -> String {
        let mut token = self.token.lock().unwrap();
        if token.1.elapsed() > RENEWED_AFTER {
            *token = (self.stack.session_token(self.user_id), Instant::now());
        }
        token.0.clone()
    }
}
