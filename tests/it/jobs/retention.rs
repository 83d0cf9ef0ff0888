//! What is kept for how long.

use serde_json::json;
use tributary::{
    db::{self, retention::Kept},
    jobs::retention,
};

use crate::support::{app::TestApp, world::count};

async fn clear(app: &tributary::app::App) -> Result<usize, db::Error> {
    retention::clear(app, Kept::Audit).await
}

/// Rows of these ages in days, `per_age` of each.
async fn age(app: &TestApp, ages: &[i32], per_age: i32) {
    let ages = ages.iter().map(ToString::to_string).collect::<Vec<_>>();
    let sql = format!(
        "INSERT INTO tributary.audit (id, at, actor, action, outcome)
         SELECT tributary.uuid_v7(), now() - make_interval(days => age, secs => n), 'admin', 'x', 'ok'
         FROM unnest(ARRAY[{}]) AS age, generate_series(1, {per_age}) AS n",
        ages.join(", ")
    );
    execute(app, &sql).await;
}

async fn execute(app: &TestApp, sql: &str) {
    let mut conn = app.app.db.get().await.unwrap();
    diesel_async::SimpleAsyncConnection::batch_execute(&mut *conn, sql)
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
    execute(&app, sql).await;
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

/// Each transaction takes a thousand: none holds more locks than that.
#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_was_never_cleared_is_cleared_in_bounded_steps() {
    let app = TestApp::start().await;
    age(&app, &[366], 3_500).await;
    age(&app, &[1], 5).await;
    execute(
        &app,
        "CREATE TABLE public.steps (rows bigint);
         CREATE FUNCTION public.step() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.steps SELECT count(*) FROM gone; RETURN NULL; END $$;
         CREATE TRIGGER step AFTER DELETE ON tributary.audit REFERENCING OLD TABLE AS gone
             FOR EACH STATEMENT EXECUTE FUNCTION public.step()",
    )
    .await;
    assert_eq!(clear(&app.app).await.unwrap(), 3_500);
    assert_eq!(rows(&app).await, 5);
    let most = "SELECT max(rows) AS count FROM public.steps";
    assert_eq!(count(&app.app.db, most).await, 1_000);
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

/// The ids that are left of a table whose rows are `old` and `new`, or kept for a reason.
async fn left(app: &TestApp, table: &str, id: &str) -> Vec<String> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        id: String,
    }
    let sql = format!("SELECT {id} AS id FROM tributary.{table} ORDER BY 1");
    let mut conn = app.app.db.get().await.unwrap();
    let rows: Vec<Row> = diesel_async::RunQueryDsl::load(diesel::sql_query(sql), &mut conn)
        .await
        .unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_have_ended_go_and_what_a_status_tells_stays() {
    let app = TestApp::start().await;
    execute(
        &app,
        "INSERT INTO tributary.messenger_connections (id, user_id, bridge_id, matrix_user_id, status, linked_at)
             VALUES ('00000000-0000-7000-8000-000000000001', 'user_a', 'meta', '@a:lab.local', 'CONNECTED', now());
         INSERT INTO tributary.conversations (id, bridge_id, network, protocol_id, channel_id, matrix_room_id)
             VALUES ('00000000-0000-7000-8000-000000000002', 'meta', 'facebook', 'p', 'c', '!seen');
         INSERT INTO tributary.rooms (room_id) VALUES ('!seen'), ('!left');
         INSERT INTO tributary.room_grants (connection_id, user_id, room_id, conversation_id, until_at)
             SELECT '00000000-0000-7000-8000-000000000001', 'user_a', room_id,
                    '00000000-0000-7000-8000-000000000002', CASE room_id WHEN '!left' THEN now() END
             FROM tributary.rooms;
         INSERT INTO tributary.jobs (id, kind, key, state, created_at, finished_at)
             SELECT tributary.uuid_v7(), kind, key, state, now() - age, now() - age
             FROM (VALUES ('reconcile', 'done old', 'done', interval '4 days'),
                          ('reconcile', 'done new', 'done', interval '2 days'),
                          ('discover', 'failed old', 'failed', interval '31 days'),
                          ('discover', 'failed new', 'failed', interval '4 days'),
                          ('discover', 'called off', 'cancelled', interval '31 days'),
                          ('backfill', '!seen', 'done', interval '400 days'),
                          ('backfill', '!left', 'done', interval '31 days')) AS j (kind, key, state, age);
         INSERT INTO tributary.jobs (id, kind, key, created_at)
             VALUES (tributary.uuid_v7(), 'discover', 'waits', now() - interval '400 days')",
    )
    .await;
    for kept in [Kept::JobsDone, Kept::JobsFailed, Kept::Backfills] {
        retention::clear(&app.app, kept).await.unwrap();
    }
    assert_eq!(
        left(&app, "jobs", "key").await,
        ["!seen", "done new", "failed new", "waits"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_goes() {
    let app = TestApp::with(|config| config.admin.audit_days = 30).await;
    execute(
        &app,
        "INSERT INTO tributary.messenger_connections
             (id, bridge_id, matrix_user_id, status, link_code_hash, link_code_expires_at)
         SELECT tributary.uuid_v7(), 'meta', name, 'PENDING', name::bytea, now() - age
         FROM (VALUES ('old', interval '2 hours'), ('new', interval '0')) AS c (name, age);
         INSERT INTO tributary.link_attempts (user_id, attempted_at)
             VALUES ('old', now() - interval '2 hours'), ('new', now());
         INSERT INTO tributary.report_attempts (address, attempted_at)
             VALUES ('old', now() - interval '2 hours'), ('new', now());
         INSERT INTO tributary.used_openid_tokens
             VALUES ('old', now() - interval '2 hours'), ('new', now());
         INSERT INTO tributary.erasures (id, cause, user_hash, requested_at, finished_at, conversations)
         SELECT tributary.uuid_v7(), 'account', name::bytea, now() - interval '40 days', now() - age, 0
         FROM (VALUES ('old', interval '31 days'), ('new', interval '29 days'), ('not through', NULL))
              AS e (name, age)",
    )
    .await;
    for kept in Kept::ALL {
        retention::clear(&app.app, kept).await.unwrap();
    }
    let text = |column: &str| format!("convert_from({column}, 'UTF8')");
    let code = "coalesce(encode(link_code_hash, 'escape'), 'none')";
    for (table, id, expected) in [
        ("messenger_connections", code, &["new", "none"][..]),
        ("link_attempts", "user_id", &["new"]),
        ("report_attempts", "address", &["new"]),
        ("used_openid_tokens", &text("token_hash"), &["new"]),
        ("erasures", &text("user_hash"), &["new", "not through"]),
    ] {
        assert_eq!(left(&app, table, id).await, expected, "{table}");
    }
}

/// A homeserver that comes back after months repeats what the ledger no longer knows.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_has_forgotten_still_has_no_second_effect() {
    let app = TestApp::start().await;
    execute(
        &app,
        "INSERT INTO tributary.messenger_connections (id, user_id, bridge_id, matrix_user_id, status, linked_at)
             VALUES ('00000000-0000-7000-8000-000000000001', 'user_a', 'meta', '@a:lab.local', 'CONNECTED', now());
         INSERT INTO tributary.conversations (id, bridge_id, network, protocol_id, channel_id, matrix_room_id)
             VALUES ('00000000-0000-7000-8000-000000000002', 'meta', 'facebook', 'p', 'c', '!room');
         INSERT INTO tributary.rooms (room_id, kind, bridge_id, protocol_id, channel_id, conversation_id)
             VALUES ('!room', 'portal', 'meta', 'p', 'c', '00000000-0000-7000-8000-000000000002');
         INSERT INTO tributary.room_members VALUES ('!room', '@a:lab.local', 'join');
         INSERT INTO tributary.room_grants (connection_id, user_id, room_id, conversation_id)
             VALUES ('00000000-0000-7000-8000-000000000001', 'user_a', '!room', '00000000-0000-7000-8000-000000000002');
         INSERT INTO tributary.conversation_access (user_id, conversation_id)
             VALUES ('user_a', '00000000-0000-7000-8000-000000000002')",
    )
    .await;
    let event = |id: &str| {
        json!({"type": "m.room.message", "room_id": "!room", "event_id": id,
               "sender": "@facebook_1:lab.local", "origin_server_ts": 1_700_000_000_000_i64,
               "content": {"msgtype": "m.text", "body": "hi"}})
    };
    app.push_events("1", &[event("$1")]).await;
    app.push_events("2", &[event("$2")]).await;
    let frames = "SELECT count(*) FROM tributary.outbox";
    let told = count(&app.app.db, frames).await;
    assert!(told > 0);
    execute(
        &app,
        "UPDATE tributary.transactions SET received_at = now() - interval '40 days' WHERE transaction_id = '1';
         UPDATE tributary.transactions SET received_at = now() - interval '31 days' WHERE transaction_id = '2'",
    )
    .await;
    // The newest says when the homeserver last pushed.
    let taken = retention::clear(&app.app, Kept::Transactions)
        .await
        .unwrap();
    assert_eq!(taken, 1);
    assert_eq!(left(&app, "transactions", "transaction_id").await, ["2"]);
    app.push_events("1", &[event("$1")]).await;
    assert_eq!(left(&app, "messages", "event_id").await, ["$1", "$2"]);
    assert_eq!(count(&app.app.db, frames).await, told);
}
