//! A Tributary that judges tokens, and the ways to show it one.

use std::{collections::HashMap, sync::Arc};

use chrono::DateTime;
use reqwest::{
    Method, RequestBuilder,
    header::{AUTHORIZATION, HeaderValue},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tributary::{
    app::{App, Identity},
    auth::clerk::Refusal,
    clock::Clock,
    config::Config,
    db::Database,
    stream::Relay,
};
use url::form_urlencoded::byte_serialize;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use super::{
    keys,
    row::{Keys, Row, Setting},
};
use crate::{
    support::{app::Answer, keys::signing_key_file, postgres::TestDatabase, serve},
    ws::client::Server,
};

const PATH: &str = "/api/messenger/status";

/// A place where a token can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Http,
    Subprotocol,
    Header,
    Query,
}

pub(super) const PLACES: [Place; 4] =
    [Place::Http, Place::Subprotocol, Place::Header, Place::Query];

/// All Tributaries of the table, one for each setting, on one database.
pub(super) struct Doors {
    clerk: MockServer,
    db: Database,
    open: HashMap<Setting, Door>,
    _database: TestDatabase,
}

pub(super) struct Door {
    app: Arc<App>,
    base: String,
    pub(super) sockets: Server,
    http: reqwest::Client,
}

impl Doors {
    pub(super) async fn new() -> Self {
        let clerk = MockServer::start().await;
        let (ours, other) = (keys::clerk(), keys::foreign());
        let set = json!({"keys": [
            {"kty": "EC", "use": "sig", "alg": "ES256", "kid": "k-ec", "crv": "P-256", "x": "AA", "y": "AA"},
            ours.jwk("k-enc", "enc", "RS256"), ours.jwk("k-512", "sig", "RS512"),
            ours.jwk("k1", "sig", "RS256"), other.jwk("k2", "sig", "RS256"),
        ]});
        Mock::given(any())
            .respond_with(ResponseTemplate::new(200).set_body_json(set))
            .mount(&clerk)
            .await;
        let database = TestDatabase::new().await;
        Self {
            clerk,
            db: database.pool(),
            open: HashMap::new(),
            _database: database,
        }
    }

    /// The Tributary of a setting.
    pub(super) async fn of(&mut self, setting: &Setting) -> &Door {
        if !self.open.contains_key(setting) {
            let door = Door::open(setting, &self.clerk.uri(), self.db.clone()).await;
            self.open.insert(setting.clone(), door);
        }
        &self.open[setting]
    }

    /// How many Tributaries there are.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// How often anybody asked Clerk for its keys.
    pub(super) async fn fetches(&self) -> usize {
        self.clerk.received_requests().await.unwrap().len()
    }
}

impl Door {
    async fn open(setting: &Setting, clerk: &str, db: Database) -> Self {
        let now = DateTime::from_timestamp(setting.now, 0).unwrap();
        let identity = Identity {
            sender_bot: "@tributary:lab.local".to_owned(),
            hs_token: "hs".into(),
        };
        let (feed, _relay) = Relay::new();
        let app = Arc::new(
            App::new(
                config(setting, clerk),
                &identity,
                db,
                feed,
                Clock::from_fn(move || now),
                CancellationToken::new(),
            )
            .unwrap(),
        );
        let base = serve(&app).await;
        Self {
            sockets: Server::of(Arc::clone(&app)),
            app,
            base,
            http: reqwest::Client::new(),
        }
    }

    /// Why the verifier refuses, if it does.
    pub(super) async fn refusal(&self, token: &str) -> Option<Refusal> {
        self.app.clerk.verify(token).await.err()
    }

    /// Shows the token at a place; the status and the code, or nothing where it cannot stand.
    pub(super) async fn show(&self, row: &Row, place: Place) -> Option<(u16, Option<String>)> {
        let token = &row.token;
        // More spaces behind the scheme are none of the token (RFC 6750 section 2.1).
        let header = |text: String| {
            let value = HeaderValue::from_bytes(text.as_bytes()).ok();
            value.filter(|_| !token.starts_with(' '))
        };
        let query: String = byte_serialize(token.as_bytes()).collect();
        let mut request = self.sockets.request("");
        match place {
            Place::Http => {
                return Some(self.ask(header(format!("Bearer {token}"))?).await);
            }
            Place::Query => request = self.sockets.request(&format!("?token={query}")),
            Place::Header => {
                let value = header(format!("Bearer {token}"))?;
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            Place::Subprotocol => {
                // A list of them: with a comma or a space the token would be another.
                let whole = token
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b',');
                let value = header(format!("tributary.v1, bearer.{token}")).filter(|_| whole)?;
                request
                    .headers_mut()
                    .insert("sec-websocket-protocol", value);
            }
        }
        Some(match self.sockets.handshake(request).await {
            Ok((mut client, _)) => {
                client.expect("hello").await;
                (200, None)
            }
            Err(refused) => (refused.status, code(&refused.body)),
        })
    }

    async fn ask(&self, authorization: HeaderValue) -> (u16, Option<String>) {
        let answer = Answer::of(self.request("").header(AUTHORIZATION, authorization)).await;
        (answer.status, code(&answer.json()))
    }

    /// A request to the API, with a query.
    pub(super) fn request(&self, query: &str) -> RequestBuilder {
        let url = format!("{}{PATH}{query}", self.base);
        self.http.request(Method::GET, url)
    }
}

fn code(body: &Value) -> Option<String> {
    body["code"].as_str().map(str::to_owned)
}

fn config(setting: &Setting, clerk: &str) -> Config {
    let mut config = json!({
        "homeserver": {"url": "http://127.0.0.1:9", "server_name": "lab.local"},
        "bridges": [{
            "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
            "ghosts": r"@facebook_(?<id>.+):lab\.local",
        }],
        "database": {"url": "postgres://127.0.0.1:9/unused"},
        "limits": {"per_ip_per_second": 100_000, "per_user_per_second": 100_000, "burst": 100_000},
        "clerk": {
            "issuer": setting.issuer, "authorized_parties": setting.parties,
            "clock_skew_seconds": setting.skew, "allow_impersonation": setting.impersonation,
        },
    });
    match &setting.keys {
        Keys::Pasted(pem) => config["clerk"]["jwt_key"] = json!(pem),
        Keys::Fetched => {
            config["clerk"]["jwks_url"] = json!(format!("{clerk}/jwks.json"));
            config["clerk"]["development_key_file"] = json!(signing_key_file());
        }
    }
    serde_json::from_value(config).unwrap()
}
