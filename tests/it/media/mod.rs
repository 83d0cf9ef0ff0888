//! The archive of media: what is fetched, kept, and deleted.

mod bucket;
mod crash;
mod deletion;
mod encrypted;
mod faults;
mod homeserver;
mod s3;
mod stored;
mod thousand;

use std::{path::Path, sync::Arc, time::Duration};

use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tributary::{
    config,
    db::stream,
    jobs::{
        Handlers, KindLimits, Runner, Timing, Waker,
        archive::{Archive, Rhythm},
        clear_media::ClearMedia,
        media_watch::MediaWatch,
    },
    matrix::client::{self, CallLimits},
    media::Store,
    model::media::ContentHash,
};

use self::{
    homeserver::{AS_TOKEN, Answer, Homeserver, mxc},
    s3::S3,
};
use crate::support::{
    eventually, within,
    world::{Customer, World},
};

const ROOM: &str = "!dm:lab.local";
const GHOST: &str = "@facebook_2001:lab.local";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a picture";
const MIB: usize = 1 << 20;
/// Without optimisation hashing takes long, and a busy machine longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where the store is.
enum Place {
    Folder(TempDir),
    Bucket(S3),
}

/// A world with a homeserver that has files, and a store.
struct House {
    world: World,
    homeserver: Homeserver,
    place: Place,
    config: config::Media,
    alice: Customer,
    rhythm: Rhythm,
    limits: CallLimits,
    stale: Duration,
}

impl House {
    /// With a folder.
    async fn new() -> Self {
        Self::at(Place::Folder(tempfile::tempdir().unwrap())).await
    }

    /// With each kind of store.
    async fn of_each_kind() -> [Self; 2] {
        [
            Self::new().await,
            Self::at(Place::Bucket(S3::start().await)).await,
        ]
    }

    async fn at(place: Place) -> Self {
        let world = World::new().await;
        let alice = world.customer("alice", "1001").await;
        world.direct(ROOM, &alice, "1001", "2001").await;
        let config = match &place {
            Place::Bucket(s3) => s3.config(),
            Place::Folder(folder) => config::Media {
                store: format!("file:{}", folder.path().display()),
                ..config::Media::default()
            },
        };
        let rhythm = Rhythm {
            linger: Duration::ZERO,
            look: Duration::from_millis(20),
            first_pause: Duration::from_millis(20),
            max_attempts: 3,
            patience: Duration::from_mins(1),
            after_a_kill: Duration::from_hours(1),
        };
        Self {
            homeserver: Homeserver::start().await,
            world,
            place,
            config,
            alice,
            rhythm,
            limits: CallLimits::default(),
            stale: Duration::from_hours(1),
        }
    }

    fn store(&self) -> Store {
        Store::open(&self.config).unwrap()
    }

    fn archive(&self) -> Archive {
        let homeserver = config::Homeserver {
            url: format!("http://{}", self.homeserver.address)
                .parse()
                .unwrap(),
            server_name: "lab.local".to_owned(),
        };
        Archive {
            ingest: self.world.ingest.clone(),
            homeserver: client::Homeserver::new(&homeserver, AS_TOKEN.into(), &self.limits)
                .unwrap(),
            store: self.store(),
            config: self.config.clone(),
            rhythm: self.rhythm,
        }
    }

    /// Starts what looks after media; it ends with the guard.
    fn start(&self) -> DropGuard {
        let stop = CancellationToken::new();
        let limits = || KindLimits {
            concurrency: 1,
            max_attempts: None,
        };
        let clear = ClearMedia {
            db: self.world.db.clone(),
            store: self.store(),
            stale: self.stale,
        };
        let runner = Runner::new(
            self.world.db.clone(),
            Handlers::default()
                .with(self.archive(), limits())
                .with(clear, limits()),
            Waker::new(Arc::clone(&self.world.ingest.jobs)),
            Timing::default(),
            stop.clone(),
        );
        tokio::spawn(runner.run());
        let watch = MediaWatch {
            stale: self.stale,
            every: Duration::from_millis(20),
            ..MediaWatch::new(self.world.ingest.clone(), self.config.on)
        };
        tokio::spawn(watch.run(stop.clone()));
        stop.drop_guard()
    }

    /// Pushes a message with a file.
    async fn sends(&self, event_id: &str, mxc: &str) {
        self.push(&[image(event_id, mxc)]).await;
    }

    async fn push(&self, events: &[Value]) {
        let id = tributary::model::new_id().to_string();
        self.world.push(&id, events).await;
    }

    /// One word of each row.
    async fn words(&self, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            word: String,
        }
        let mut conn = self.world.db.get().await.unwrap();
        let rows: Vec<Row> = sql_query(sql).load(&mut conn).await.unwrap();
        rows.into_iter().map(|row| row.word).collect()
    }

    async fn sql(&self, sql: &str) {
        let mut conn = self.world.db.get().await.unwrap();
        conn.batch_execute(sql).await.unwrap();
    }

    /// A column of a file's row.
    async fn column(&self, mxc: &str, column: &str) -> Option<String> {
        let sql = format!(
            "SELECT coalesce({column}::text, '') AS word FROM tributary.media WHERE mxc = '{mxc}'"
        );
        self.words(&sql).await.pop()
    }

    /// What became of a file.
    async fn settled(&self, mxc: &str) -> String {
        within(PATIENCE, "it is not settled", async || {
            let state = self.column(mxc, "state").await;
            state.filter(|state| state != "pending")
        })
        .await
    }

    /// The content of a file that is stored.
    async fn content(&self, mxc: &str) -> Vec<u8> {
        assert_eq!(self.settled(mxc).await, "stored");
        let hash = self.column(mxc, "encode(sha256, 'hex')").await.unwrap();
        let hash = from_hex(&hash);
        let content = read(&self.store(), &hash).await;
        assert_eq!(Sha256::digest(&content)[..], hash.0[..]);
        let size = self.column(mxc, "size").await.unwrap();
        assert_eq!(size, content.len().to_string());
        content
    }

    /// All files of the store, as they lie on the disk.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        match &self.place {
            Place::Folder(folder) => walk(folder.path(), &mut found),
            Place::Bucket(s3) => walk(s3.root.path(), &mut found),
        }
        // What the S3 server remembers of objects, also of those that are gone.
        found.retain(|name| {
            !name.ends_with(".internal.json")
                && (!name.ends_with(".metadata.json") || name.contains(".upload-"))
        });
        found.sort();
        found
    }

    /// Waits until neither the store nor a row of it holds anything.
    async fn is_empty(&self) {
        let rows = "SELECT (SELECT count(*) FROM tributary.media_objects)
                         + (SELECT count(*) FROM tributary.media_uploads) AS count";
        within(PATIENCE, "something is left in the store", async || {
            let is_empty = self.world.count(rows).await == 0 && self.files().is_empty();
            is_empty.then_some(())
        })
        .await;
    }

    /// The kinds of the frames that Alice got from a position on.
    async fn frames(&self, after: i64) -> Vec<String> {
        let conn = self.world.db.get().await.unwrap();
        let entries = stream::after(&conn, &self.alice.user_id, after, 1000).await;
        let kinds = entries
            .unwrap()
            .into_iter()
            .map(|entry| entry.kind.unwrap());
        kinds.map(|kind| kind.name().to_owned()).collect()
    }

    async fn position(&self) -> i64 {
        let mut conn = self.world.db.get().await.unwrap();
        let extent = stream::extent(&mut conn, &self.alice.user_id).await;
        extent.unwrap().position
    }
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    // What is deleted meanwhile is not there.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            walk(&entry.path(), found);
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
}

async fn read(store: &Store, hash: &ContentHash) -> Vec<u8> {
    let stream = store.get(hash, None).await.unwrap();
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    pieces.concat()
}

fn from_hex(hex: &str) -> ContentHash {
    let byte = |at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    ContentHash(std::array::from_fn(byte))
}

fn png() -> Answer {
    Answer::File("image/png", PNG.to_vec())
}

/// Bytes that nothing else is like.
fn bytes(size: usize, seed: u8) -> Vec<u8> {
    let mut content: Vec<u8> = (0_u8..=250).cycle().skip(seed.into()).take(size).collect();
    content[0] = seed;
    content
}

fn message(event_id: &str, content: &Value) -> Value {
    json!({
        "type": "m.room.message", "room_id": ROOM, "event_id": event_id, "sender": GHOST,
        "origin_server_ts": 1_700_000_000_000_i64, "unsigned": {"age": 10}, "content": content,
    })
}

fn image(event_id: &str, mxc: &str) -> Value {
    file(event_id, mxc, "m.image", "image/png")
}

fn file(event_id: &str, mxc: &str, kind: &str, mime_type: &str) -> Value {
    let info = json!({"mimetype": mime_type});
    message(
        event_id,
        &json!({"msgtype": kind, "body": "a.png", "url": mxc, "info": info}),
    )
}

fn redaction(event_id: &str, redacts: &str) -> Value {
    crate::support::world::redaction(ROOM, event_id, GHOST, redacts)
}
