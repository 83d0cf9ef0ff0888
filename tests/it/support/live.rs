//! A whole Tributary on a database of its own, with people, rooms and events in it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::SimpleAsyncConnection as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tributary::{
    app::{App, Identity},
    auth::clerk::DEVELOPMENT_ISSUER,
    clock::Clock,
    config::Config,
    db::{rooms, stream},
    ingest::map_rooms,
    model::{
        frame::{Frame, FrameKind},
        new_id,
        portal::Portal,
    },
    stream::Relay,
};
use uuid::Uuid;

use super::{
    generous_limits,
    keys::{signing_key, signing_key_file},
    postgres::TestDatabase,
};

/// The bridge that every room is of.
pub(crate) const BRIDGE: &str = "meta";
const BOT: &str = "@facebookbot:lab.local";

/// A Tributary without its listener.
pub(crate) struct World {
    pub(crate) app: Arc<App>,
    pub(crate) database: TestDatabase,
    clock: TestClock,
    events: AtomicUsize,
}

/// The system's clock, and by how much it is set forward.
#[derive(Clone, Default)]
struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn clock(&self) -> Clock {
        let (system, ahead) = (Clock::system(), Arc::clone(&self.0));
        Clock::from_fn(move || system.now() + TimeDelta::seconds(ahead.load(Ordering::SeqCst)))
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// With these keys of the configuration set.
    pub(crate) async fn with(settings: Value) -> Self {
        let database = TestDatabase::new().await;
        let mut config = json!({
            "homeserver": {"url": "http://127.0.0.1:1", "server_name": "lab.local"},
            "bridges": [{"id": BRIDGE, "network": "facebook", "bot": BOT,
                         "ghosts": "@facebook_(?<id>.+):lab\\.local"}],
            "database": {"url": "postgres://unused"},
            "clerk": {"development_key_file": signing_key_file()},
            "limits": generous_limits(),
        });
        merge(&mut config, settings);
        let config: Config = serde_json::from_value(config).unwrap();
        let clock = TestClock::default();
        let app = replica(config, &database, &clock);
        Self {
            app,
            database,
            clock,
            events: AtomicUsize::new(0),
        }
    }

    /// Another Tributary on the same database.
    pub(crate) fn replica(&self) -> Arc<App> {
        replica(self.app.config.clone(), &self.database, &self.clock)
    }

    /// The time of this world.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.app.clock.now()
    }

    /// Sets the clock forward.
    pub(crate) fn forward(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// A session token for a minute, of the user's only session.
    pub(crate) fn token(&self, user_id: &str) -> String {
        self.token_with(user_id, json!({}))
    }

    /// A session token with these claims.
    pub(crate) fn token_with(&self, user_id: &str, claims: Value) -> String {
        let now = self.now().timestamp();
        let mut all = json!({
            "iss": DEVELOPMENT_ISSUER, "sub": user_id, "sid": format!("sess_{user_id}"),
            "iat": now, "nbf": now, "exp": now + 60,
        });
        merge(&mut all, claims);
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(signing_key().expose_secret().as_bytes())
            .unwrap();
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
        jsonwebtoken::encode(&header, &all, &key).unwrap()
    }

    /// Runs SQL.
    pub(crate) async fn sql(&self, sql: &str) {
        let mut conn = self.app.db.get().await.unwrap();
        conn.batch_execute(sql).await.unwrap();
    }

    /// Links a Clerk user to a Matrix user, an hour ago.
    pub(crate) async fn connect(&self, user_id: &str, matrix_user_id: &str) -> Uuid {
        let id = new_id();
        self.sql(&format!(
            "INSERT INTO tributary.messenger_connections
                 (id, user_id, bridge_id, matrix_user_id, status, linked_at)
             VALUES ('{id}', '{user_id}', '{BRIDGE}', '{matrix_user_id}', 'CONNECTED',
                     now() - interval '1 hour')"
        ))
        .await;
        id
    }

    /// A portal with these people in it, mapped; returns its conversation.
    pub(crate) async fn room(&self, room_id: &str, members: &[&str]) -> Uuid {
        self.room_of(room_id, room_id, members).await
    }

    /// The same of a portal that may have other rooms.
    pub(crate) async fn room_of(&self, room_id: &str, channel_id: &str, members: &[&str]) -> Uuid {
        let portal = Portal {
            protocol_id: "facebookgo".to_owned(),
            channel_id: channel_id.to_owned(),
            receiver: String::new(),
            room_type_v2: Some("group_dm".to_owned()),
            room_type: None,
        };
        let mut conn = self.app.db.get().await.unwrap();
        let resolution = rooms::Resolution::Portal {
            bridge_id: BRIDGE,
            portal: &portal,
            created_ts: Some(self.now().timestamp_millis()),
        };
        rooms::resolve(&mut conn, room_id, &resolution)
            .await
            .unwrap();
        for member in members {
            self.sql(&format!(
                "INSERT INTO tributary.room_members (room_id, user_id, membership)
                 VALUES ('{room_id}', '{member}', 'join')"
            ))
            .await;
        }
        let ids = [room_id.to_owned()];
        map_rooms(&mut conn, &self.app.bridges, &ids).await.unwrap();
        let rooms = rooms::load(&conn, &ids).await.unwrap();
        rooms[room_id].mapped.as_ref().unwrap().conversation_id
    }

    /// An event of now that nothing else is like.
    pub(crate) fn event(&self, room_id: &str, sender: &str, kind: &str, content: &Value) -> Value {
        let nth = self.events.fetch_add(1, Ordering::SeqCst);
        json!({
            "type": kind, "room_id": room_id, "sender": sender, "event_id": format!("$event{nth}"),
            "origin_server_ts": self.now().timestamp_millis(), "unsigned": {"age": 0},
            "content": content,
        })
    }

    /// A text message.
    pub(crate) fn message(&self, room_id: &str, sender: &str, body: &str) -> Value {
        let content = json!({"msgtype": "m.text", "body": body});
        self.event(room_id, sender, "m.room.message", &content)
    }

    /// Pushes events as the homeserver does.
    pub(crate) async fn push(&self, events: &[Value]) {
        self.transaction(&json!({"events": events})).await;
    }

    /// Pushes this body.
    pub(crate) async fn transaction(&self, body: &Value) {
        let (id, body) = (new_id().to_string(), body.to_string());
        self.app
            .ingest
            .transaction(&id, body.as_bytes())
            .await
            .unwrap();
    }

    /// Appends frames to a user's stream, as whatever makes them does.
    pub(crate) async fn append(&self, user_id: &str, kinds: &[FrameKind]) {
        let frame = |&kind| Frame {
            user_id: user_id.to_owned(),
            kind,
        };
        let frames: Vec<_> = kinds.iter().map(frame).collect();
        let conn = self.app.db.get().await.unwrap();
        let heads = stream::append(&conn, &frames).await.unwrap();
        self.app.feed.advance(&heads);
    }
}

fn replica(config: Config, database: &TestDatabase, clock: &TestClock) -> Arc<App> {
    let (db, stop) = (database.pool(), CancellationToken::new());
    let (feed, relay) = Relay::new();
    tokio::spawn(relay.run(db.clone(), database.url.clone(), stop.clone()));
    let identity = Identity {
        sender_bot: "@tributary:lab.local".to_owned(),
        hs_token: SecretString::from("hs"),
    };
    let app = App::new(config, &identity, db, feed, clock.clock(), stop.clone());
    let app = Arc::new(app.unwrap());
    let following = Arc::clone(&app);
    tokio::spawn(stop.run_until_cancelled_owned(async move { following.sessions.follow().await }));
    app
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
