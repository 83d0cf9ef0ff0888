//! Tributary's HTTP side in this process, on a port and a database of its own.

use std::sync::Arc;

use chrono::{Duration, Utc};
use reqwest::{Client, Method, RequestBuilder};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tributary::{
    api,
    app::{App, Identity},
    auth::{clerk::DEVELOPMENT_ISSUER, dev},
    clock::Clock,
    config::Config,
    db::Database,
    server,
    stream::Relay,
};

use super::{
    free_address, generous_limits,
    keys::{new_key, signing_key, signing_key_file},
    postgres::TestDatabase,
};

pub(crate) const HS_TOKEN: &str = "the-homeservers-token";
pub(crate) const ADMIN_KEY: &str = "the-operators-key";
pub(crate) const SENDER_BOT: &str = "@tributary:lab.local";
pub(crate) const ORIGIN: &str = "https://app.example";

/// A served [`App`]; stops with this value.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) database: TestDatabase,
    pub(crate) http: Client,
    base: String,
    stop: CancellationToken,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With a configuration that the test has changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let database = TestDatabase::new().await;
        let mut config = config();
        change(&mut config);
        let pool = database.pool();
        Self::serve(config, database, pool).await
    }

    /// On a database that a test has prepared.
    pub(crate) async fn on(database: TestDatabase) -> Self {
        let pool = database.pool();
        Self::serve(config(), database, pool).await
    }

    /// With a database that is not there.
    pub(crate) async fn without_database() -> Self {
        Self::without_database_and(|_| {}).await
    }

    /// The same, with a configuration that the test has changed.
    pub(crate) async fn without_database_and(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        let database = TestDatabase::new().await;
        let closed = free_address();
        let url = format!("postgres://postgres@{closed}/nothing");
        let pool = Database::new(&SecretString::from(url), 2).unwrap();
        Self::serve(config, database, pool).await
    }

    async fn serve(config: Config, database: TestDatabase, pool: Database) -> Self {
        let app = Arc::new(app(config, pool));
        let stop = app.stop.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let settings = server::Settings::new(&app.config.server.trusted_proxies);
        let router = api::router(Arc::clone(&app));
        tokio::spawn(server::serve(listener, router, settings, stop.clone()));
        Self {
            app,
            database,
            http: Client::new(),
            base,
            stop,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// A request of a user of the web app.
    pub(crate) fn viewer(&self, user: &str, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(session(user))
    }

    /// A request of the operator.
    pub(crate) async fn admin(&self, method: Method, path: &str) -> Answer {
        Answer::of(self.request(method, path).bearer_auth(ADMIN_KEY)).await
    }

    /// A request of the operator with a body.
    pub(crate) async fn admin_with(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(method, path).bearer_auth(ADMIN_KEY);
        Answer::of(request.json(body)).await
    }

    pub(crate) async fn get(&self, user: &str, path: &str) -> Answer {
        Answer::of(self.viewer(user, Method::GET, path)).await
    }

    /// Pushes a transaction as the homeserver does.
    pub(crate) async fn push(&self, transaction_id: &str, body: impl Into<Vec<u8>>) -> Answer {
        let path = format!("/_matrix/app/v1/transactions/{transaction_id}");
        let request = self.request(Method::PUT, &path).bearer_auth(HS_TOKEN);
        Answer::of(request.body(body.into())).await
    }

    /// Pushes events, which have to be taken.
    pub(crate) async fn push_events(&self, transaction_id: &str, events: &[Value]) {
        let body = json!({"events": events}).to_string();
        let answer = self.push(transaction_id, body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({})));
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
        self.app.db.close();
    }
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        Self::from(request.send().await.unwrap()).await
    }

    pub(crate) async fn from(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {:?}", self.text))
    }

    /// The `code` of a problem, whose form is checked.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        problem["code"].as_str().unwrap().to_owned()
    }

    /// The `errcode` of a Matrix error.
    pub(crate) fn errcode(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/json"));
        let error = self.json();
        assert!(error["error"].is_string());
        error["errcode"].as_str().unwrap().to_owned()
    }
}

/// A fresh session token of a user.
pub(crate) fn session(user: &str) -> String {
    session_of(signing_key(), user, Clock::system().now(), 60)
}

/// A session token as of another time.
pub(crate) fn session_at(user: &str, seconds_from_now: i64) -> String {
    let now = Clock::system().now() + Duration::seconds(seconds_from_now);
    session_of(signing_key(), user, now, 60)
}

/// A session token that another instance signed.
pub(crate) fn foreign_session(user: &str) -> String {
    session_of(&new_key(), user, Clock::system().now(), 60)
}

fn session_of(pem: &SecretString, user: &str, now: chrono::DateTime<Utc>, seconds: i64) -> String {
    dev::mint(
        pem,
        DEVELOPMENT_ISSUER,
        user,
        now,
        Duration::seconds(seconds),
    )
    .unwrap()
}

/// A configuration of which only the database has to be said.
pub(crate) fn config() -> Config {
    serde_json::from_value(json!({
        "server": {"allowed_origins": [ORIGIN]},
        "homeserver": {"url": "http://127.0.0.1:9", "server_name": "lab.local"},
        "bridges": [{
            "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
            "ghosts": r"@facebook_(?<id>.+):lab\.local",
        }],
        "database": {"url": "postgres://127.0.0.1:9/unused"},
        "clerk": {"development_key_file": signing_key_file()},
        "manager": {"api_key": "the-managers-key"},
        "admin": {"api_key": ADMIN_KEY},
        "limits": generous_limits(),
    }))
    .unwrap()
}

fn app(config: Config, db: Database) -> App {
    let identity = Identity {
        sender_bot: SENDER_BOT.to_owned(),
        hs_token: HS_TOKEN.into(),
    };
    let (feed, _relay) = Relay::new();
    App::new(
        config,
        &identity,
        db,
        feed,
        Clock::system(),
        CancellationToken::new(),
    )
    .unwrap()
}
