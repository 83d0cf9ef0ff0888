//! A little world around ingest: customers, portals, and what Synapse would push.

use std::sync::Arc;

use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use serde_json::{Value, json};
use tributary::{
    clock::Clock,
    config,
    db::{self, Database},
    ingest::{self, Ingest},
    matrix::bridges::Bridges,
    model::portal::Portal,
    stream::Relay,
};

use super::{eventually, postgres::TestDatabase};

/// The bridge of every test.
pub(crate) fn bridge() -> config::Bridge {
    config::Bridge {
        id: "meta".into(),
        network: "facebook".into(),
        bot: "@facebookbot:lab.local".into(),
        ghosts: r"@facebook_(?<id>.+):lab\.local".into(),
        as_token: Some("bridge-as-token".into()),
        provisioning_url: None,
        provisioning_secret: None,
        silent_after_seconds: 1800,
    }
}

/// A database, and the pipeline on it.
pub(crate) struct World {
    // Held so that the database is there as long as this is,
    _database: Option<TestDatabase>,
    // and hints have somewhere to go.
    _relay: Relay,
    pub(crate) db: Database,
    pub(crate) ingest: Ingest,
}

/// A linked customer.
pub(crate) struct Customer {
    pub(crate) user_id: String,
    pub(crate) matrix_user_id: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new().await;
        let db = database.pool();
        Self {
            _database: Some(database),
            ..Self::on(db)
        }
    }

    /// On a migrated database that outlives it.
    pub(crate) fn on(db: Database) -> Self {
        let bridges = Bridges::new(&[bridge()], "@tributary:lab.local".into()).unwrap();
        let (feed, relay) = Relay::new();
        let ingest = Ingest {
            db: db.clone(),
            bridges: Arc::new(bridges),
            clock: Clock::system(),
            feed,
            jobs: Arc::default(),
        };
        Self {
            _database: None,
            _relay: relay,
            db,
            ingest,
        }
    }

    /// A Clerk user with a linked connection; `remote_id` is their own ghost's.
    pub(crate) async fn customer(&self, name: &str, remote_id: &str) -> Customer {
        let customer = Customer {
            user_id: format!("user_{name}"),
            matrix_user_id: format!("@{name}:lab.local"),
        };
        diesel::sql_query(
            "INSERT INTO tributary.messenger_connections
                 (id, user_id, bridge_id, matrix_user_id, bridge_user_id, status, linked_at)
             VALUES ($1, $2, 'meta', $3, $4, 'CONNECTED', now() - interval '1 day')",
        )
        .bind::<diesel::sql_types::Uuid, _>(tributary::model::new_id())
        .bind::<diesel::sql_types::Text, _>(&customer.user_id)
        .bind::<diesel::sql_types::Text, _>(&customer.matrix_user_id)
        .bind::<diesel::sql_types::Text, _>(remote_id)
        .execute(&mut self.db.get().await.unwrap())
        .await
        .unwrap();
        customer
    }

    /// A portal as discovery leaves it: resolved, its members known, mapped.
    pub(crate) async fn portal(&self, room_id: &str, portal: &Portal, members: &[&str]) {
        let mut conn = self.db.get().await.unwrap();
        let members: Vec<_> = members
            .iter()
            .map(|id| ((*id).to_owned(), "join".to_owned()))
            .collect();
        let rooms = [room_id.to_owned()];
        conn.transaction(async |conn| {
            db::rooms::lock(conn, &rooms).await?;
            let resolution = db::rooms::Resolution::Portal {
                bridge_id: "meta",
                portal,
                created_ts: Some(1),
            };
            db::rooms::resolve(conn, room_id, &resolution).await?;
            db::members::replace(conn, room_id, &members).await?;
            ingest::map_rooms(conn, &self.ingest.bridges, &rooms).await
        })
        .await
        .unwrap();
    }

    /// A direct chat between a customer and a ghost.
    pub(crate) async fn direct(
        &self,
        room_id: &str,
        customer: &Customer,
        receiver: &str,
        ghost: &str,
    ) {
        let portal = Portal {
            protocol_id: "facebookgo".into(),
            channel_id: ghost.to_owned(),
            receiver: receiver.to_owned(),
            room_type_v2: Some("dm".into()),
            room_type: Some("dm".into()),
        };
        let ghost = format!("@facebook_{ghost}:lab.local");
        self.portal(
            room_id,
            &portal,
            &[&customer.matrix_user_id, &ghost, "@facebookbot:lab.local"],
        )
        .await;
    }

    /// A group chat.
    pub(crate) async fn group(&self, room_id: &str, channel_id: &str, members: &[&str]) {
        let portal = Portal {
            protocol_id: "facebookgo".into(),
            channel_id: channel_id.to_owned(),
            receiver: String::new(),
            room_type_v2: None,
            room_type: None,
        };
        self.portal(room_id, &portal, members).await;
    }

    /// Pushes events as one transaction of this id.
    pub(crate) async fn push(&self, transaction_id: &str, events: &[Value]) {
        let body = json!({ "events": events }).to_string();
        self.ingest
            .transaction(transaction_id, body.as_bytes())
            .await
            .unwrap();
    }

    /// One number from the database.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        count(&self.db, sql).await
    }
}

/// One number, the column `count`.
pub(crate) async fn count(db: &Database, sql: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let mut conn = db.get().await.unwrap();
    diesel::sql_query(sql)
        .get_result::<Count>(&mut conn)
        .await
        .unwrap()
        .count
}

/// Waits until somebody waits for a lock of a table. Other tests' databases are copies of the same one,
/// in which a table has the same number.
pub(crate) async fn somebody_waits_for(pool: &Database, table: &str) {
    let waits = format!(
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE d.datname = current_database() AND NOT l.granted
           AND l.relation = 'tributary.{table}'::regclass"
    );
    eventually("nobody waits for the table", async || {
        (count(pool, &waits).await > 0).then_some(())
    })
    .await;
}

/// A text message, sent a moment ago.
pub(crate) fn text(room_id: &str, event_id: &str, sender: &str, body: &str) -> Value {
    json!({
        "type": "m.room.message", "room_id": room_id, "event_id": event_id, "sender": sender,
        "origin_server_ts": chrono_now(), "unsigned": {"age": 10},
        "content": {"msgtype": "m.text", "body": body},
    })
}

/// A redaction, with its target at both places.
pub(crate) fn redaction(room_id: &str, event_id: &str, sender: &str, redacts: &str) -> Value {
    json!({
        "type": "m.room.redaction", "room_id": room_id, "event_id": event_id, "sender": sender,
        "origin_server_ts": chrono_now(), "redacts": redacts, "content": {"redacts": redacts},
    })
}

/// A member event.
pub(crate) fn member(
    room_id: &str,
    event_id: &str,
    user_id: &str,
    membership: &str,
    name: &str,
) -> Value {
    json!({
        "type": "m.room.member", "room_id": room_id, "event_id": event_id, "sender": user_id,
        "state_key": user_id, "origin_server_ts": chrono_now(),
        "content": {"membership": membership, "displayname": name},
    })
}

/// Any other state event.
pub(crate) fn state(room_id: &str, event_id: &str, kind: &str, content: &Value) -> Value {
    json!({
        "type": kind, "room_id": room_id, "event_id": event_id, "sender": "@facebookbot:lab.local",
        "state_key": "", "origin_server_ts": chrono_now(), "content": content,
    })
}

fn chrono_now() -> i64 {
    Clock::system().now().timestamp_millis()
}
