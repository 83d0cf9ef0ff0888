//! Statements that go out together, and statements that are kept.

use diesel_async::{AsyncConnection as _, RunQueryDsl as _, SimpleAsyncConnection as _};
use tokio::sync::Notify;
use tributary::db::{Connection, Database, Result, rooms};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_kept_unless_a_pooler_is_before_the_database() {
    let database = TestDatabase::new().await;
    let pooled = Database::behind_pooler(&database.url, 1).unwrap();
    for (db, kept) in [(database.pool(), 1), (pooled, 0)] {
        let mut conn = db.get().await.unwrap();
        // From the first, so that nothing overtakes it that is sent along with it.
        assert_eq!(prepared(&mut conn).await, kept);
        for _ in 0..3 {
            let locked = conn.transaction(async |conn| lock(conn).await);
            locked.await.unwrap();
        }
        assert_eq!(prepared(&mut conn).await, kept);
    }
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
    eventually("the lock is free", async || {
        (held(&other).await == 0).then_some(())
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
