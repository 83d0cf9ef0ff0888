//! Backups, and what a restore makes of them. The drill on a real homeserver is
//! `tests/e2e/restore.rs`.

use std::path::Path;

use chrono::TimeDelta;
use diesel_async::SimpleAsyncConnection as _;
use tempfile::TempDir;
use tributary::{
    backup::{self, Options, Restored, tombstones},
    db::{self, Database},
    media::Store,
    model::{media::ContentHash, new_id},
};
use uuid::Uuid;

use crate::{
    api::conversations::with_alice_and_bob,
    support::{app::TestApp, postgres::TestDatabase, world::count},
};

const WITH_FILES: Options = Options {
    files: true,
    keep: None,
};

/// A Tributary with people, and a place for its backups.
struct Stage {
    app: TestApp,
    media: TempDir,
    backups: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let store = tempfile::tempdir().unwrap();
        let place = format!("file:{}", store.path().display());
        let app = TestApp::with(|config| config.media.store = place).await;
        Self {
            app: with_alice_and_bob(app).await,
            media: store,
            backups: tempfile::tempdir().unwrap(),
        }
    }

    fn store(&self) -> &Store {
        &self.app.app.media
    }

    /// Stores a file as the archive does.
    async fn file(&self, content: &str) -> ContentHash {
        let mut upload = self.store().upload(new_id());
        upload.write(content.as_bytes()).await.unwrap();
        let finished = upload.finish().await.unwrap();
        let hash = finished.hash;
        self.store().keep(finished).await.unwrap();
        let mut conn = self.app.app.db.get().await.unwrap();
        let sql = format!(
            "INSERT INTO tributary.media_objects (sha256, stored_at) VALUES ('\\x{hash}', now());
             INSERT INTO tributary.media (mxc, state, sha256, size, mime_type, settled_at)
             VALUES ('mxc://lab.local/{content}', 'stored', '\\x{hash}', {}, 'text/plain', now())",
            content.len()
        );
        conn.batch_execute(&sql).await.unwrap();
        hash
    }

    async fn back_up(&self) -> backup::manifest::Manifest {
        let (url, to) = (&self.app.database.url, self.backups.path());
        let taken = backup::take(url, self.store(), to, WITH_FILES).await;
        taken.unwrap().1
    }

    /// A new database with the newest backup in it.
    async fn restored(&self) -> (TestDatabase, Restored) {
        let database = TestDatabase::bare().await;
        let (folder, manifest) = backup::open(self.backups.path()).unwrap();
        backup::restore(&database.url, &folder, &manifest)
            .await
            .unwrap();
        let files = backup::restore_files(&database.url, self.store(), &folder, true).await;
        (database, files.unwrap())
    }

    async fn connection(&self, user_id: &str) -> Uuid {
        let mut conn = self.app.app.db.get().await.unwrap();
        let all = db::read::connections::list(&mut conn, user_id, None).await;
        all.unwrap()[0].id
    }

    async fn write_journal(&self) {
        let db = self.app.app.db.clone();
        let mut journal = tombstones::Journal::new(db, self.store().clone());
        journal.write(self.app.app.clock.now()).await.unwrap();
    }
}

async fn epoch(db: &Database) -> Uuid {
    db::stream::epoch(&mut db.get().await.unwrap())
        .await
        .unwrap()
}

fn is_private(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(folder).unwrap().permissions().mode();
    format!("{mode:o}").ends_with("00")
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_from_wherever_they_are_or_are_fetched_again() {
    let stage = Stage::new().await;
    stage.file("kept").await;
    let lost = stage.file("lost").await;
    let gone = stage.file("gone").await;
    stage.store().delete(&gone).await.unwrap();
    let manifest = stage.back_up().await;
    assert_eq!(manifest.gone, [gone.to_string()]);
    assert_eq!((manifest.objects, manifest.bytes), (3, 12));
    stage.store().delete(&lost).await.unwrap();
    let later = stage.file("later").await;

    let (database, files) = stage.restored().await;
    let expected = Restored {
        there: 1,
        copied: 1,
        missing: 1,
        unknown: 1,
    };
    assert_eq!(files, expected);
    assert!(stage.store().has(&lost).await.unwrap());
    let pool = database.pool();
    let pending = "SELECT count(*) FROM tributary.media
                   WHERE mxc = 'mxc://lab.local/gone' AND state = 'pending' AND sha256 IS NULL";
    assert_eq!(count(&pool, pending).await, 1);
    let leaving = format!("sha256 = '\\x{later}' AND released_at IS NOT NULL");
    for (which, rows) in [("released_at IS NULL", 2), (leaving.as_str(), 1)] {
        let sql = format!("SELECT count(*) FROM tributary.media_objects WHERE {which}");
        assert_eq!(count(&pool, &sql).await, rows, "{which}");
    }
    assert_ne!(epoch(&pool).await, epoch(&stage.app.app.db).await);
    assert!(
        db::migrate::is_current(&mut pool.get().await.unwrap())
            .await
            .unwrap()
    );
    assert!(db::migrate(&database.url).await.unwrap().is_empty());
    let (folder, manifest) = backup::open(stage.backups.path()).unwrap();
    assert!(is_private(&folder));
    assert!(db::backup::is_unfinished(&pool).await.unwrap());
    db::backup::finish(&database.url).await.unwrap();
    assert!(!db::backup::is_unfinished(&pool).await.unwrap());
    assert!(!db::backup::is_unfinished(&stage.app.app.db).await.unwrap());
    let again = backup::restore(&database.url, &folder, &manifest).await;
    assert!(again.unwrap_err().to_string().contains("not empty"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_let_go_since_is_let_go_again_and_who_was_before_is_not() {
    let stage = Stage::new().await;
    let (alice, bob) = (
        stage.connection("user_alice").await,
        stage.connection("user_bob").await,
    );
    let accounts = &stage.app.app.accounts;
    accounts
        .disconnect("user_bob", bob, false, None)
        .await
        .unwrap();
    stage.back_up().await;
    accounts
        .disconnect("user_alice", alice, true, None)
        .await
        .unwrap();
    accounts.delete("user_bob", None).await.unwrap();
    stage.write_journal().await;
    // Nobody is named.
    let journal = tombstones::read(stage.store()).await.unwrap();
    assert_eq!(journal.len(), 3);
    let told = serde_json::to_string(&journal).unwrap();
    assert!(!told.contains("user_"), "{told}");

    let (database, _) = stage.restored().await;
    let restored = TestApp::on(database).await;
    let list = restored
        .get("user_alice", "/api/conversations")
        .await
        .json();
    assert_eq!(
        list["items"].as_array().unwrap().len(),
        1,
        "before it is done again"
    );
    let applied = tombstones::apply(&restored.app, journal.clone())
        .await
        .unwrap();
    assert_eq!(applied, 2);
    let list = restored
        .get("user_alice", "/api/conversations")
        .await
        .json();
    assert_eq!(list["items"], serde_json::json!([]));
    let left = "SELECT count(*) FROM tributary.messenger_connections
                WHERE disconnected_at IS NULL OR user_id = 'user_bob'";
    assert_eq!(count(&restored.app.db, left).await, 0);
    // Again, it finds nobody, or does no harm.
    tombstones::apply(&restored.app, journal).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_store_did_not_take_for_an_hour_is_written_then() {
    let stage = Stage::new().await;
    let app = &stage.app.app;
    let mut journal = tombstones::Journal::new(app.db.clone(), stage.store().clone());
    let now = app.clock.now();
    journal.write(now).await.unwrap();
    // No folder can be made there.
    let in_the_way = stage.media.path().join("journal");
    std::fs::write(&in_the_way, "").unwrap();
    app.accounts.delete("user_bob", None).await.unwrap();
    assert!(journal.write(now).await.is_err());
    std::fs::remove_file(&in_the_way).unwrap();
    journal.write(now + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(tombstones::read(stage.store()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backup_knows_is_not_done_again_when_the_audit_has_forgotten_it() {
    let stage = Stage::new().await;
    stage
        .app
        .app
        .accounts
        .delete("user_bob", None)
        .await
        .unwrap();
    stage.write_journal().await;
    let journal = tombstones::read(stage.store()).await.unwrap();
    let erased_at = journal[0].at;
    let just_after = tombstones::since(journal.clone(), erased_at + TimeDelta::minutes(1));
    assert_eq!(just_after, journal);
    let later = tombstones::since(journal, erased_at + TimeDelta::days(2));
    assert_eq!(later, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_backup_at_a_time_is_made_in_a_folder() {
    let stage = Stage::new().await;
    let held = std::fs::File::create(stage.backups.path().join(".lock")).unwrap();
    held.lock().unwrap();
    let (url, to) = (&stage.app.database.url, stage.backups.path());
    let refused = backup::take(url, stage.store(), to, WITH_FILES).await;
    assert!(refused.unwrap_err().to_string().contains("another backup"));
    drop(held);
    stage.back_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_backup_right_behind_another_gets_a_name_of_its_own() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        stage.back_up().await;
    }
    let made = std::fs::read_dir(stage.backups.path()).unwrap();
    let made = made.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with('Z')
    });
    assert_eq!(made.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_refused_before_anything_is_touched() {
    let stage = Stage::new().await;
    stage.back_up().await;
    let (folder, _) = backup::open(stage.backups.path()).unwrap();
    for name in ["database.dump", "objects.tsv"] {
        let path = folder.join(name);
        let whole = std::fs::read(&path).unwrap();
        // As long as it was: a byte of it is another one, or it lacks its end.
        let mut broken = whole.clone();
        broken.push(b'x');
        broken.rotate_right(1);
        broken.pop();
        for broken in [&broken[..], &whole[..whole.len().saturating_sub(1)]] {
            std::fs::write(&path, broken).unwrap();
            if broken == whole {
                continue;
            }
            let refused = backup::open(stage.backups.path()).unwrap_err().to_string();
            assert!(refused.contains(&format!("{name} is broken")), "{refused}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(backup::open(stage.backups.path()).is_err());
        std::fs::write(&path, whole).unwrap();
        backup::open(stage.backups.path()).unwrap();
    }
    // One of before has no checksums.
    let manifest = folder.join("manifest.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    json.as_object_mut().unwrap().remove("checksums").unwrap();
    std::fs::write(&manifest, json.to_string()).unwrap();
    backup::open(stage.backups.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_fills_is_compared_from_the_backup_on() {
    let stage = Stage::new().await;
    let mut conn = stage.app.app.db.get().await.unwrap();
    let sql = "UPDATE tributary.rooms SET backfill = false
               WHERE room_id = (SELECT min(room_id) FROM tributary.room_grants WHERE until_at IS NULL)";
    conn.batch_execute(sql).await.unwrap();
    let manifest = stage.back_up().await;
    let (database, _) = stage.restored().await;
    let queued = backup::compare_unfilled(&database.url, manifest.taken_at).await;
    assert_eq!(queued.unwrap(), 1);
    let pool = database.pool();
    let sql = format!(
        "SELECT count(*) FROM tributary.jobs j JOIN tributary.rooms r ON r.room_id = j.key
         WHERE j.kind = 'reconcile' AND j.state = 'queued' AND NOT r.backfill
           AND (j.payload ->> 'since')::timestamptz = '{}'",
        manifest.taken_at.to_rfc3339()
    );
    assert_eq!(count(&pool, &sql).await, 1);
}
