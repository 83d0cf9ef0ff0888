//! The jobs as they are in the database, and how far they are.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Integer, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use tokio::sync::Mutex;

use crate::stack::Stack;

/// Tributary's tables, over one connection.
pub(super) struct Tables(Mutex<AsyncPgConnection>);

#[derive(Debug, QueryableByName)]
pub(super) struct Backfill {
    #[diesel(sql_type = Text)]
    pub(super) room_id: String,
    #[diesel(sql_type = Text)]
    pub(super) state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) reason: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) error: Option<String>,
    #[diesel(sql_type = Integer)]
    pub(super) attempts: i32,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Tables {
    pub(super) async fn of(stack: &Stack) -> Self {
        Self(Mutex::new(stack.database().await))
    }

    /// The last backfill of each room.
    pub(super) async fn backfills(&self) -> Vec<Backfill> {
        let sql = "SELECT DISTINCT ON (key) key AS room_id, state, reason, error, attempts
                   FROM tributary.jobs WHERE kind = 'backfill' ORDER BY key, created_at DESC";
        let mut conn = self.0.lock().await;
        sql_query(sql).load(&mut *conn).await.unwrap()
    }

    /// Whether a job of this kind and key has ended well.
    pub(super) async fn is_done(&self, kind: &str, key: &str) -> bool {
        let sql =
            "SELECT count(*) FROM tributary.jobs WHERE kind = $1 AND key = $2 AND state = 'done'";
        let query = sql_query(sql).bind::<Text, _>(kind).bind::<Text, _>(key);
        let mut conn = self.0.lock().await;
        let found: Count = query.get_result(&mut *conn).await.unwrap();
        found.count > 0
    }

    /// How many messages there are.
    pub(super) async fn messages(&self) -> i64 {
        let query = sql_query("SELECT count(*) FROM tributary.messages");
        let mut conn = self.0.lock().await;
        let found: Count = query.get_result(&mut *conn).await.unwrap();
        found.count
    }

    /// Lets the leases of a replica that is dead run out.
    pub(super) async fn expire_leases(&self) {
        let sql = "UPDATE tributary.jobs SET lease_until = now() WHERE state = 'running'";
        let mut conn = self.0.lock().await;
        sql_query(sql).execute(&mut *conn).await.unwrap();
    }
}
