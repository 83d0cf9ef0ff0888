//! `/api/media`.

mod get;
mod ranges;
mod redirects;
mod thumbnails;
mod tickets;

use diesel::{QueryableByName, sql_query, sql_types::Uuid as SqlUuid};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tributary::{
    config::Config,
    model::{media::ContentHash, new_id},
};
use uuid::Uuid;

use crate::api::{
    app::{Answer, TestApp},
    conversations::{GHOST, ROOM, with_alice_and_bob},
    world::now,
};

/// Alice with a direct chat and Bob with nothing, and a folder for files.
pub(crate) struct Archive {
    pub(crate) app: TestApp,
    _folder: TempDir,
}

impl Archive {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("file:{}", folder.path().display());
        let app = TestApp::with(|config| {
            config.media.store = store;
            change(config);
        });
        Self {
            app: with_alice_and_bob(app.await).await,
            _folder: folder,
        }
    }

    /// A message of Alice's chat with a file, which is stored; the file's id.
    pub(crate) async fn sent(
        &self,
        event_id: &str,
        name: &str,
        kind: &str,
        content: &[u8],
    ) -> Uuid {
        let mxc = format!("mxc://lab.local/{}", event_id.trim_start_matches('$'));
        self.app
            .push_events(event_id, &[file(event_id, &mxc, name, kind)])
            .await;
        self.store(&mxc, kind, content).await;
        self.id(&mxc).await
    }

    /// Puts a file into the store, and says that it is there.
    pub(crate) async fn store(&self, mxc: &str, mime_type: &str, content: &[u8]) -> ContentHash {
        let store = &self.app.app.media;
        let mut upload = store.upload(new_id());
        upload.write(content).await.unwrap();
        let finished = upload.finish().await.unwrap();
        let (hash, size) = (finished.hash, finished.size);
        store.keep(finished).await.unwrap();
        self.sql(&format!(
            r"INSERT INTO tributary.media_objects (sha256, stored_at) VALUES ('\x{hash}', now())
              ON CONFLICT DO NOTHING;
              UPDATE tributary.media SET state = 'stored', sha256 = '\x{hash}', size = {size},
                     mime_type = '{mime_type}', settled_at = now() WHERE mxc = '{mxc}'"
        ))
        .await;
        hash
    }

    /// The id of a file that something names.
    pub(crate) async fn id(&self, mxc: &str) -> Uuid {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = SqlUuid)]
            id: Uuid,
        }
        let mut conn = self.app.app.db.get().await.unwrap();
        let query = format!("SELECT id FROM tributary.media WHERE mxc = '{mxc}'");
        let row: Row = sql_query(query).get_result(&mut conn).await.unwrap();
        row.id
    }

    pub(crate) async fn sql(&self, sql: &str) {
        let mut conn = self.app.app.db.get().await.unwrap();
        conn.batch_execute(sql).await.unwrap();
    }

    fn alice(&self, method: Method, id: Uuid) -> RequestBuilder {
        self.app.viewer("user_alice", method, &path(id))
    }

    pub(crate) async fn get(&self, user: &str, id: Uuid) -> Answer {
        self.app.get(user, &path(id)).await
    }

    /// What Alice is given for these files.
    pub(crate) async fn tickets(&self, user: &str, ids: &[Uuid]) -> Value {
        let request = self.app.viewer(user, Method::POST, "/api/media/tickets");
        let answer = Answer::of(request.json(&json!({"ids": ids}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// A ticket of Alice's.
    async fn ticket(&self, id: Uuid) -> String {
        let tickets = self.tickets("user_alice", &[id]).await;
        let ticket = &tickets["tickets"][id.to_string()];
        ticket.as_str().expect("a ticket").to_owned()
    }

    /// What whoever has a ticket, and nothing else, is sent.
    async fn shown(&self, id: Uuid, ticket: &str) -> Answer {
        let path = format!("{}?ticket={ticket}", path(id));
        Answer::of(self.app.request(Method::GET, &path)).await
    }
}

fn path(id: Uuid) -> String {
    format!("/api/media/{id}")
}

/// A message of Grace's with a file.
fn file(event_id: &str, mxc: &str, name: &str, mime_type: &str) -> Value {
    json!({
        "event_id": event_id, "room_id": ROOM, "sender": GHOST, "type": "m.room.message",
        "origin_server_ts": now(), "unsigned": {"age": 1},
        "content": {"msgtype": "m.file", "body": name, "url": mxc, "info": {"mimetype": mime_type}},
    })
}

/// The same answer as for an id that nobody has.
pub(crate) async fn is_like_missing(archive: &Archive, user: &str, id: Uuid) {
    let missing = archive.get(user, Uuid::from_u128(7)).await;
    assert_eq!(
        (missing.status, missing.code().as_str()),
        (404, "not_found")
    );
    let answer = archive.get(user, id).await;
    assert_eq!((answer.status, &answer.text), (404, &missing.text));
}
