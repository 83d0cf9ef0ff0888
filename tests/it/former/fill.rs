//! The migration, for whoever had left before it.

use diesel_async::{AsyncConnection as _, AsyncMigrationHarness};
use diesel_migrations::MigrationHarness as _;
use secrecy::ExposeSecret as _;
use tributary::db::{self, Connection, migrate::MIGRATIONS};

use super::{BEFORE, GROUP, USER_A, left, person, view};
use crate::{api::conversations::GHOST, support::world::count};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_had_left_is_shown_what_it_was() {
    let archive = left().await;
    let app = &archive.app;
    let expected = view(app, USER_A).await;
    let url = app.database.url.expose_secret().to_owned();
    let mut harness = AsyncMigrationHarness::new(Connection::establish(&url).await.unwrap());
    let is_there = "SELECT count(*) FROM pg_class WHERE relname = 'former_people'";
    while count(&app.app.db, is_there).await > 0 {
        harness.revert_last_migration(MIGRATIONS).unwrap();
    }
    let old = format!(
        "SELECT count(*) FROM tributary.media WHERE mxc = '{}'",
        BEFORE[1]
    );
    assert_eq!(count(&app.app.db, &old).await, 0, "nothing showed it");
    let released = "SELECT count(*) FROM tributary.media_objects WHERE released_at IS NOT NULL";
    assert_eq!(count(&app.app.db, released).await, 2);

    db::migrate(&app.database.url).await.unwrap();
    // The archive fetches them again.
    for mxc in BEFORE {
        archive.store(mxc, "image/png", mxc.as_bytes()).await;
    }
    let found = view(app, USER_A).await;
    assert_eq!(found["title"], expected["title"]);
    assert_ne!(found["avatarUrl"], serde_json::Value::Null);
    let people = |view: &serde_json::Value| view["participants"].as_array().unwrap().len();
    assert_eq!(people(&found), people(&expected));
    let grace = person(&found, GHOST).unwrap();
    assert_eq!(grace["displayName"], "Grace");
    let picture = grace["avatarUrl"].as_str().unwrap();
    assert_eq!(app.get(USER_A, picture).await.text, BEFORE[1]);
    assert_eq!(found["matrixRoomId"], GROUP);
}
