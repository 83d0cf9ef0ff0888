//! The audit is kept as long as is configured.

use tributary::jobs::audit_retention::clear;

use crate::support::{app::TestApp, world::count};

/// Rows of these ages in days, `per_age` of each.
async fn age(app: &TestApp, ages: &[i32], per_age: i32) {
    let ages = ages.iter().map(ToString::to_string).collect::<Vec<_>>();
    let sql = format!(
        "INSERT INTO tributary.audit (id, at, actor, action, outcome)
         SELECT tributary.uuid_v7(), now() - make_interval(days => age, secs => n), 'admin', 'x', 'ok'
         FROM unnest(ARRAY[{}]) AS age, generate_series(1, {per_age}) AS n",
        ages.join(", ")
    );
    let mut conn = app.app.db.get().await.unwrap();
    diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut conn)
        .await
        .unwrap();
}

async fn rows(app: &TestApp) -> i64 {
    count(&app.app.db, "SELECT count(*) FROM tributary.audit").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_configured_goes_and_the_rest_stays() {
    let app = TestApp::with(|config| config.admin.audit_days = 30).await;
    age(&app, &[0, 1, 29, 30, 31, 400], 10).await;
    assert_eq!(clear(&app.app).await.unwrap(), 30);
    assert_eq!(rows(&app).await, 30);
    assert_eq!(clear(&app.app).await.unwrap(), 0);
}

/// Whether or not a webhook ever comes again.
#[tokio::test(flavor = "multi_thread")]
async fn what_webhooks_said_goes_when_no_token_can_be_of_it() {
    let app = TestApp::start().await;
    let sql = "INSERT INTO tributary.ended_sessions (id, ended_at)
                   VALUES ('user_old', now() - interval '1 hour'), ('user_new', now());
               INSERT INTO tributary.webhook_deliveries (id, received_at)
                   VALUES ('msg_old', now() - interval '2 hours'), ('msg_new', now())";
    let mut conn = app.app.db.get().await.unwrap();
    diesel_async::SimpleAsyncConnection::batch_execute(&mut *conn, sql)
        .await
        .unwrap();
    app.app.sessions.forget().await.unwrap();
    for left in ["ended_sessions", "webhook_deliveries"] {
        let new = format!("SELECT count(*) FROM tributary.{left} WHERE id LIKE '%new'");
        let all = format!("SELECT count(*) FROM tributary.{left}");
        let found = (
            count(&app.app.db, &new).await,
            count(&app.app.db, &all).await,
        );
        assert_eq!(found, (1, 1), "{left}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_is_kept_unless_it_is_configured() {
    let app = TestApp::start().await;
    age(&app, &[364, 366], 1).await;
    assert_eq!(clear(&app.app).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_was_never_cleared_is_cleared_in_bounded_steps() {
    let app = TestApp::start().await;
    age(&app, &[366], 100_500).await;
    age(&app, &[1], 5).await;
    assert_eq!(clear(&app.app).await.unwrap(), 100_000);
    assert_eq!(clear(&app.app).await.unwrap(), 500);
    assert_eq!(rows(&app).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_it() {
    let app = TestApp::start().await;
    age(&app, &[366], 5_500).await;
    let (one, other) = tokio::join!(clear(&app.app), clear(&app.app));
    let mut deleted = one.unwrap() + other.unwrap();
    // Each leaves what the other holds; the next look finds what is left.
    deleted += clear(&app.app).await.unwrap();
    assert_eq!((deleted, rows(&app).await), (5_500, 0));
}
