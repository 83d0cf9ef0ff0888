//! Tributary's rooms on a database of their own: bridges, portals, pushes, a clock.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl as _;
use serde_json::{Value, json};
use tributary::{
    accounts::{Accounts, Report},
    auth::openid::OpenId,
    clock::Clock,
    config::Config,
    db::{self, Database, rooms::Resolution},
    ingest::Ingest,
    matrix::bridges::Bridges,
    model::{connection::Connection, portal::Portal},
    stream::Relay,
};

use super::{generous_limits, postgres::TestDatabase};

pub(crate) const ALICE: &str = "@alice:lab.local";
pub(crate) const BOB: &str = "@bob:lab.local";
pub(crate) const USER_A: &str = "user_a";
pub(crate) const USER_B: &str = "user_b";
pub(crate) const BOT: &str = "@facebookbot:lab.local";

pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) db: Database,
    pub(crate) ingest: Ingest,
    pub(crate) accounts: Accounts,
    pub(crate) clock: Clock,
    ahead: Arc<AtomicI64>,
    events: AtomicI64,
    // Last: everything else lets go of it first.
    pub(crate) database: TestDatabase,
}

/// A configuration that believes the companion; `changes` replaces whole sections.
pub(crate) fn config(changes: Value) -> Config {
    let mut config = json!({
        "homeserver": {"url": "http://127.0.0.1:9", "server_name": "lab.local"},
        "bridges": [{
            "id": "meta", "network": "facebook", "bot": BOT,
            "ghosts": "@facebook_(?<id>.+):lab\\.local", "as_token": "the-bridges-as-token",
        }],
        "database": {"url": "postgres://unused"},
        "manager": {"api_key": "the-manager-key", "ownership_proof": "trusted"},
        "limits": generous_limits(),
    });
    if let (Some(config), Value::Object(changes)) = (config.as_object_mut(), changes) {
        config.extend(changes);
    }
    serde_json::from_value(config).unwrap()
}

/// The same with a bridge that can be asked, at `url`.
pub(crate) fn askable(url: &str) -> Config {
    config(json!({"bridges": [{
        "id": "meta", "network": "facebook", "bot": BOT,
        "ghosts": "@facebook_(?<id>.+):lab\\.local", "as_token": "the-bridges-as-token",
        "provisioning_url": url, "provisioning_secret": "the-shared-secret",
    }]}))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config(json!({}))).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let database = TestDatabase::new().await;
        let ahead = Arc::new(AtomicI64::new(0));
        let (seconds, system) = (Arc::clone(&ahead), Clock::system());
        let clock = Clock::from_fn(move || {
            system.now() + TimeDelta::seconds(AtomicI64::load(&seconds, Ordering::SeqCst))
        });
        let db = database.pool();
        let ingest = ingest(&config, &db, &clock);
        let accounts = accounts(&config, &ingest);
        Self {
            config,
            db,
            ingest,
            accounts,
            clock,
            ahead,
            events: AtomicI64::new(0),
            database,
        }
    }

    /// The operations as another replica has them.
    pub(crate) fn replica(&self) -> Accounts {
        let ingest = ingest(&self.config, &self.database.pool(), &self.clock);
        accounts(&self.config, &ingest)
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: TimeDelta) {
        self.ahead.fetch_add(time.num_seconds(), Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A portal whose members are known, as discovery leaves it.
    pub(crate) async fn portal(&self, room_id: &str, receiver: &str, members: &[&str]) {
        let mut conn = self.db.get().await.unwrap();
        let portal = Portal {
            protocol_id: "facebookgo".into(),
            channel_id: format!("channel of {room_id}"),
            receiver: receiver.into(),
            room_type_v2: Some(
                if receiver.is_empty() {
                    "group_dm"
                } else {
                    "dm"
                }
                .into(),
            ),
            room_type: None,
        };
        let resolution = Resolution::Portal {
            bridge_id: "meta",
            portal: &portal,
            created_ts: Some(1),
        };
        db::rooms::resolve(&mut conn, room_id, &resolution)
            .await
            .unwrap();
        let members: Vec<_> = members
            .iter()
            .map(|user| ((*user).to_owned(), "join".to_owned()))
            .collect();
        db::members::replace(&mut conn, room_id, &members)
            .await
            .unwrap();
    }

    /// Pushes an event, as the homeserver does; returns its id.
    pub(crate) async fn event(
        &self,
        room_id: &str,
        sender: &str,
        kind: &str,
        state_key: Option<&str>,
        content: Value,
    ) -> String {
        let n = self.events.fetch_add(1, Ordering::SeqCst);
        let event_id = format!("$event{n}");
        let mut event = json!({
            "event_id": event_id, "room_id": room_id, "sender": sender, "type": kind,
            "origin_server_ts": self.now().timestamp_millis(), "content": content,
            "unsigned": {"age": 0},
        });
        if let Some(state_key) = state_key {
            event["state_key"] = state_key.into();
        }
        let body = json!({"events": [event]}).to_string();
        self.ingest
            .transaction(&format!("t{n}"), body.as_bytes())
            .await
            .unwrap();
        event_id
    }

    pub(crate) async fn message(&self, room_id: &str, sender: &str, body: &str) -> String {
        let content = json!({"msgtype": "m.text", "body": body});
        self.event(room_id, sender, "m.room.message", None, content)
            .await
    }

    pub(crate) async fn join(&self, room_id: &str, user_id: &str, name: &str, avatar: &str) {
        let content = json!({"membership": "join", "displayname": name, "avatar_url": avatar});
        self.event(room_id, user_id, "m.room.member", Some(user_id), content)
            .await;
    }

    /// What the companion reports; `more` adds to it.
    pub(crate) fn report_of(matrix_user_id: &str, more: Value) -> Report {
        let mut report = json!({"matrixUserId": matrix_user_id});
        if let (Some(report), Value::Object(more)) = (report.as_object_mut(), more) {
            report.extend(more);
        }
        serde_json::from_value(report).unwrap()
    }

    /// Reports a login and answers its code.
    pub(crate) async fn code(&self, matrix_user_id: &str) -> String {
        let report = Self::report_of(matrix_user_id, json!({}));
        let reported = self.accounts.report(&report, None).await.unwrap();
        reported.link_code.expect("it is not linked yet")
    }

    /// Reports a login and links it.
    pub(crate) async fn linked(&self, user_id: &str, matrix_user_id: &str) -> Connection {
        let code = self.code(matrix_user_id).await;
        self.accounts.link(user_id, &code, None).await.unwrap()
    }

    /// A user's connections, as `status` shows them.
    pub(crate) async fn connections(&self, user_id: &str) -> Vec<Connection> {
        let mut conn = self.db.get().await.unwrap();
        db::read::connections::list(&mut conn, user_id, None)
            .await
            .unwrap()
    }

    /// The kinds of a user's frames after a position.
    pub(crate) async fn frames(&self, user_id: &str, after: i64) -> Vec<&'static str> {
        let conn = self.db.get().await.unwrap();
        let entries = db::stream::after(&conn, user_id, after, 1000)
            .await
            .unwrap();
        entries
            .iter()
            .map(|entry| entry.kind.unwrap().name())
            .collect()
    }

    /// How far a user's stream goes.
    pub(crate) async fn position(&self, user_id: &str) -> i64 {
        let mut conn = self.db.get().await.unwrap();
        db::stream::extent(&mut conn, user_id)
            .await
            .unwrap()
            .position
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let mut conn = self.db.get().await.unwrap();
        sql_query(sql).execute(&mut conn).await.unwrap();
    }

    /// The number that a `SELECT count(*) AS n` answers.
    pub(crate) async fn count(&self, from: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let mut conn = self.db.get().await.unwrap();
        let row: Row = sql_query(format!("SELECT count(*) AS n FROM tributary.{from}"))
            .get_result(&mut conn)
            .await
            .unwrap();
        row.n
    }

    /// The texts that a query answers in its column `t`.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Nullable<Text>)]
            t: Option<String>,
        }
        let mut conn = self.db.get().await.unwrap();
        let rows: Vec<Row> = sql_query(sql).load(&mut conn).await.unwrap();
        rows.into_iter()
            .map(|row| row.t.unwrap_or_default())
            .collect()
    }

    /// The tables in which a text occurs anywhere.
    pub(crate) async fn tables_with(&self, needle: &str) -> Vec<String> {
        let tables =
            "SELECT tablename::text AS t FROM pg_tables WHERE schemaname = 'tributary' ORDER BY 1";
        let mut found = Vec::new();
        for table in self.texts(tables).await {
            let rows = format!("{table} AS x WHERE position('{needle}' IN x::text) > 0");
            if self.count(&rows).await > 0 {
                found.push(table);
            }
        }
        found
    }
}

fn ingest(config: &Config, db: &Database, clock: &Clock) -> Ingest {
    // No relay runs: what the sockets would hear is read from the outbox here.
    let (feed, _relay) = Relay::new();
    let bridges = Bridges::new(&config.bridges, "@tributary:lab.local".into()).unwrap();
    Ingest {
        db: db.clone(),
        bridges: Arc::new(bridges),
        clock: clock.clone(),
        feed,
        jobs: Arc::default(),
    }
}

fn accounts(config: &Config, ingest: &Ingest) -> Accounts {
    let openid = OpenId::new(&config.homeserver).unwrap();
    Accounts::new(config, ingest.clone(), openid)
}
