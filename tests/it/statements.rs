//! Statements that go out together, and statements that are kept.

use std::collections::BTreeSet;

use chrono::DateTime;
use diesel_async::{AsyncConnection as _, RunQueryDsl as _, SimpleAsyncConnection as _};
use tokio::sync::Notify;
use tributary::db::{
    Connection, Database, Result, rooms,
    viewers::{self, ReadThrough, Seen, View},
};

use crate::support::{eventually, postgres::TestDatabase, world::World};

const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_behind_a_lock_is_what_its_holder_committed() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct("!dm", &alice, "1001", "2001").await;
    let room = ["!dm".to_owned()];
    let mut holder = world.db.get().await.unwrap();
    let mut waiter = world.db.get().await.unwrap();
    // The second time the waiter has its statements prepared, and sends them at once.
    for enabled in [false, true, false] {
        holder.batch_execute("BEGIN").await.unwrap();
        rooms::lock(&holder, &room).await.unwrap();
        let write = format!("UPDATE tributary.rooms SET enabled = {enabled}");
        holder.batch_execute(&write).await.unwrap();
        let read = waiter.transaction(async |conn| rooms::lock_and_load(conn, &room).await);
        let commit = async {
            eventually("nobody waits", async || {
                (world.count(WAITING).await == 1).then_some(())
            })
            .await;
            holder.batch_execute("COMMIT").await.unwrap();
        };
        let (read, ()) = tokio::join!(read, commit);
        assert_eq!(read.unwrap()["!dm"].enabled, enabled);
    }
}

/// Two rooms of one conversation may be written at once, which share its viewers' rows.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_viewer_has_read_meanwhile_stays_read() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct("!dm", &alice, "1001", "2001").await;
    let (mut one, mut other) = (world.db.get().await.unwrap(), world.db.get().await.unwrap());
    let of = "SELECT user_id, conversation_id FROM tributary.conversation_access";
    let view: View = diesel::sql_query(of).get_result(&mut one).await.unwrap();
    let seen = |event_id: &str, seconds, counts| Seen {
        view: view.clone(),
        at: DateTime::from_timestamp(seconds, 0).unwrap(),
        event_id: event_id.to_owned(),
        counts,
    };
    let own = seen("$own", 2_000_000_020, false);
    let read = ReadThrough {
        view: view.clone(),
        at: own.at,
        event_id: own.event_id.clone(),
    };
    one.batch_execute("BEGIN").await.unwrap();
    viewers::add(&one, &[own], &[read]).await.unwrap();
    let late = async {
        other.batch_execute("BEGIN").await.unwrap();
        let theirs = [seen("$theirs", 2_000_000_010, true)];
        let uncounted = viewers::add(&other, &theirs, &[]).await.unwrap();
        other.batch_execute("COMMIT").await.unwrap();
        assert_eq!(uncounted, []);
    };
    let commit = async {
        let waits = "SELECT count(*) FROM pg_stat_activity
             WHERE wait_event_type = 'Lock' AND datname = current_database()";
        eventually("nobody waits", async || {
            (world.count(waits).await == 1).then_some(())
        })
        .await;
        one.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(late, commit);
    let kept = "SELECT count(*) FROM tributary.conversation_access
         WHERE read_through_event = '$own' AND unread_count = 0";
    assert_eq!(world.count(kept).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_kept_unless_a_pooler_is_before_the_database() {
    let database = TestDatabase::new().await;
    let pooled = Database::behind_pooler(&database.url, 1).unwrap();
    for (db, kept) in [(database.pool(), 1), (pooled, 0)] {
        let mut conn = db.get().await.unwrap();
        conn.prepare().await.unwrap();
        assert_eq!(prepared(&mut conn).await, kept);
        for _ in 0..3 {
            let locked = conn.transaction(async |conn| lock(conn).await);
            locked.await.unwrap();
        }
        assert_eq!(prepared(&mut conn).await, kept);
    }
}

/// Behind a pooler settings are the role's, which may have none.
#[tokio::test(flavor = "multi_thread")]
async fn no_busy_transaction_is_compiled() {
    #[derive(diesel::QueryableByName)]
    struct Settings {
        #[diesel(sql_type = diesel::sql_types::Text)]
        jit: String,
    }
    let database = TestDatabase::new().await;
    let db = Database::behind_pooler(&database.url, 1).unwrap();
    let mut conn = db.get().await.unwrap();
    conn.batch_execute("SET jit = on").await.unwrap();
    conn.begin().await.unwrap();
    let asked = diesel::sql_query("SELECT current_setting('jit') AS jit");
    let settings: Settings = asked.get_result(&mut conn).await.unwrap();
    assert_eq!(settings.jit, "off");
    conn.roll_back().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_given_up_holds_nothing() {
    let database = TestDatabase::new().await;
    let db = database.pool();
    // Idle ones, so that nobody takes the given up one out of the pool by chance.
    let (other, idle) = (db.get().await.unwrap(), db.get().await.unwrap());
    let mut conn = db.get().await.unwrap();
    drop(idle);
    let locked = Notify::new();
    let work = conn.transaction::<(), diesel::result::Error, _>(async |conn| {
        lock(conn).await?;
        locked.notify_one();
        std::future::pending().await
    });
    tokio::select! {
        done = work => panic!("{done:?}"),
        () = locked.notified() => {}
    }
    drop(conn);
    nobody_holds_a_lock(&other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_begins_with_its_statements_holds_nothing_either() {
    let database = TestDatabase::new().await;
    let db = database.pool();
    let (other, idle) = (db.get().await.unwrap(), db.get().await.unwrap());
    drop(idle);
    for end in ["commit", "roll back", "leave", "neither"] {
        let conn = db.get().await.unwrap();
        // As the first of those that go out together it is before all of them.
        let begun = futures_util::future::try_join(conn.begin(), lock(&conn)).await;
        begun.unwrap();
        assert_eq!(held(&other).await, 1);
        match end {
            "commit" => conn.commit().await.unwrap(),
            "roll back" => conn.roll_back().await.unwrap(),
            "leave" => conn.leave(),
            _ => {}
        }
        drop(conn);
        nobody_holds_a_lock(&other).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_transaction_is_not_in_it_any_more() {
    let database = TestDatabase::new().await;
    let db = Database::new(&database.url, 1).unwrap();
    let mut pids = BTreeSet::new();
    for _ in 0..20 {
        let conn = db.get().await.unwrap();
        conn.begin().await.unwrap();
        assert_eq!(plan_cache_mode(&conn).await.mode, "force_generic_plan");
        conn.leave();
        drop(conn);
        // The same connection, which has not been waited for.
        let next = plan_cache_mode(&db.get().await.unwrap()).await;
        assert_eq!(next.mode, "force_custom_plan");
        pids.insert(next.pid);
    }
    assert_eq!(pids.len(), 1);
}

#[derive(diesel::QueryableByName)]
struct Setting {
    #[diesel(sql_type = diesel::sql_types::Text)]
    mode: String,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    pid: i32,
}

async fn plan_cache_mode(mut conn: &Connection) -> Setting {
    diesel::sql_query("SELECT current_setting('plan_cache_mode') AS mode, pg_backend_pid() AS pid")
        .get_result(&mut conn)
        .await
        .unwrap()
}

async fn nobody_holds_a_lock(conn: &Connection) {
    eventually("the lock is free", async || {
        (held(conn).await == 0).then_some(())
    })
    .await;
}

async fn held(mut conn: &Connection) -> i64 {
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    diesel::sql_query(held)
        .get_result::<Count>(&mut conn)
        .await
        .unwrap()
        .count
}

async fn lock(conn: &Connection) -> Result<()> {
    rooms::lock(conn, &["!dm".to_owned()]).await
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

async fn prepared(conn: &mut Connection) -> i64 {
    diesel::sql_query(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%pg_advisory_xact%'
         AND statement NOT LIKE '%pg_prepared_statements%'",
    )
    .get_result::<Count>(conn)
    .await
    .unwrap()
    .count
}
