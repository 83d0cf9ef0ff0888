//! A house with Alice's chats in it, and four others who know each other's ids.

use std::{collections::BTreeSet, sync::OnceLock};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tributary::model::new_id;
use uuid::Uuid;

use crate::{
    support::{app::Answer, live::World, serve},
    ws::client::{Client, Server},
};

/// In everything that only Alice may see: texts, names, ids of rooms, events and people.
pub(super) const MARK: &str = "quagga";

pub(super) const ALICE: &str = "user_alice";
const ALICE_MATRIX: &str = "@alice:lab.local";
const FRIEND: &str = "@facebook_1:lab.local";
const DIRECT: &str = "!quagga-direct:lab.local";
const OLD: &str = "!quagga-old:lab.local";
const NEW: &str = "!new:lab.local";
const LEFT: &str = "!left:lab.local";

/// Somebody who is not Alice.
pub(super) struct Other {
    pub(super) user_id: &'static str,
    matrix_user_id: Option<&'static str>,
    /// The chat of Alice's that they are or were in.
    shares: Option<&'static str>,
}

/// Everybody else.
pub(super) const OTHERS: [Other; 4] = [
    Other {
        user_id: "user_with_another_account",
        matrix_user_id: Some("@ben:lab.local"),
        shares: None,
    },
    Other {
        user_id: "user_in_the_new_room",
        matrix_user_id: Some("@cleo:lab.local"),
        shares: Some("shared"),
    },
    Other {
        user_id: "user_who_left",
        matrix_user_id: Some("@dora:lab.local"),
        shares: Some("left"),
    },
    Other {
        user_id: "user_without_a_connection",
        matrix_user_id: None,
        shares: None,
    },
];

/// Ids of one kind.
pub(super) type Ids = BTreeSet<Uuid>;

/// What one of the others must not get at.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    pub(super) conversations: Ids,
    pub(super) messages: Ids,
    pub(super) connections: Ids,
    pub(super) media: Ids,
    participants: Ids,
}

impl Hidden {
    /// Fails when an answer has anything that is hidden.
    pub(super) fn check(&self, what: &str, text: &str) {
        assert!(!text.contains(MARK), "{what} tells {text}");
        let all = [
            &self.conversations,
            &self.messages,
            &self.connections,
            &self.media,
            &self.participants,
        ];
        for id in all.into_iter().flatten() {
            assert!(
                !text.contains(&id.to_string()),
                "{what} tells of {id}: {text}"
            );
        }
    }
}

pub(super) struct House {
    pub(super) world: World,
    pub(super) sockets: Server,
    base: String,
    http: reqwest::Client,
    shared: Uuid,
    left: Uuid,
    /// All files, whoever may see them.
    files: OnceLock<Ids>,
    _folder: TempDir,
}

impl House {
    pub(super) async fn new() -> Self {
        let limits = json!({"per_ip_per_second": 100_000, "per_user_per_second": 100_000,
                            "burst": 100_000});
        let folder = tempfile::tempdir().unwrap();
        let media = json!({"store": format!("file:{}", folder.path().display())});
        // Sockets are not read before everything was tried, which may outlive a token.
        let patient = json!({"heartbeat_seconds": 600, "auth_grace_seconds": 3600});
        let settings = json!({"limits": limits, "media": media, "websocket": patient});
        let world = World::with(settings).await;
        world.connect(ALICE, ALICE_MATRIX).await;
        for other in &OTHERS {
            if let Some(matrix_user_id) = other.matrix_user_id {
                world.connect(other.user_id, matrix_user_id).await;
                let own = format!("!of-{}", other.user_id);
                world.room(&own, &[matrix_user_id, FRIEND]).await;
            }
        }
        let [cleo, dora] = [1, 2].map(|nth: usize| OTHERS[nth].matrix_user_id.unwrap());
        world
            .room(DIRECT, &[ALICE_MATRIX, "@facebook_quagga1:lab.local"])
            .await;
        let old_people = [ALICE_MATRIX, FRIEND, "@facebook_quagga2:lab.local"];
        world.room_of(OLD, "shared", &old_people).await;
        let shared = world
            .room_of(NEW, "shared", &[ALICE_MATRIX, cleo, FRIEND])
            .await;
        let left = world.room(LEFT, &[ALICE_MATRIX, dora, FRIEND]).await;
        Self {
            sockets: Server::start(&world),
            base: serve(&world.app).await,
            http: reqwest::Client::new(),
            world,
            shared,
            left,
            files: OnceLock::new(),
            _folder: folder,
        }
    }

    /// Everybody says something; what is not for others carries the mark.
    pub(super) async fn live(&self) {
        self.in_the_direct_chat().await;
        self.in_the_old_room().await;
        self.in_the_new_room().await;
        self.in_the_room_that_dora_leaves().await;
        for other in OTHERS.iter().filter(|other| other.matrix_user_id.is_some()) {
            let own = format!("!of-{}", other.user_id);
            self.say(&own, FRIEND, &format!("$own-{}", other.user_id), "own")
                .await;
        }
        self.archive().await;
    }

    /// Stores what the messages brought; one content is enough for all.
    async fn archive(&self) {
        let store = &self.world.app.media;
        let mut upload = store.upload(new_id());
        upload.write(b"a picture of a quagga").await.unwrap();
        let finished = upload.finish().await.unwrap();
        let hash = finished.hash;
        store.keep(finished).await.unwrap();
        let sql = format!(
            r"INSERT INTO tributary.media_objects (sha256, stored_at) VALUES ('\x{hash}', now());
              UPDATE tributary.media SET state = 'stored', sha256 = '\x{hash}', size = 21,
                     mime_type = 'image/png', settled_at = now()"
        );
        self.world.sql(&sql).await;
        self.files.set(self.hidden_from(None).await.media).unwrap();
    }

    /// All files, whoever may see them.
    pub(super) fn files(&self) -> &Ids {
        self.files.get().expect("something has been said")
    }

    async fn in_the_direct_chat(&self) {
        let ghost = "@facebook_quagga1:lab.local";
        self.name(DIRECT, "$quagga-name", "quagga chat").await;
        let face = json!({"membership": "join", "displayname": "Quagga",
                          "avatar_url": "mxc://lab.local/quagga-face"});
        self.event(
            DIRECT,
            ghost,
            "$quagga-ghost",
            "m.room.member",
            Some(ghost),
            face,
        )
        .await;
        self.say(DIRECT, ghost, "$quagga-1", "quagga one").await;
        self.say(DIRECT, ALICE_MATRIX, "$quagga-2", "quagga two")
            .await;
        self.edit(DIRECT, ghost, "$quagga-3", "$quagga-1", "quagga edited")
            .await;
        self.react(DIRECT, ALICE_MATRIX, "$quagga-4", "$quagga-1", "quagga!")
            .await;
        let file = json!({"msgtype": "m.image", "body": "quagga.png", "url": "mxc://lab.local/quagga",
                          "info": {"mimetype": "image/png", "size": 3}});
        self.event(DIRECT, ghost, "$quagga-5", "m.room.message", None, file)
            .await;
        let typing =
            json!({"type": "m.typing", "room_id": DIRECT, "content": {"user_ids": [ghost]}});
        let receipt = json!({"type": "m.receipt", "room_id": DIRECT, "content": {
            "$quagga-2": {"m.read": {ghost: {"ts": self.world.now().timestamp_millis()}}}}});
        self.world
            .transaction(&json!({"events": [], "ephemeral": [typing, receipt]}))
            .await;
    }

    async fn in_the_old_room(&self) {
        let only_here = "@facebook_quagga2:lab.local";
        self.name(OLD, "$quagga-old-name", "quagga group").await;
        self.member(OLD, only_here, "$quagga-old-ghost", "join", "Quagga of old")
            .await;
        self.say(
            OLD,
            only_here,
            "$quagga-old-1",
            "quagga before it was made anew",
        )
        .await;
        self.say(OLD, ALICE_MATRIX, "$quagga-old-2", "quagga and quagga")
            .await;
    }

    async fn in_the_new_room(&self) {
        self.name(NEW, "$new-name", "everybody").await;
        self.say(NEW, FRIEND, "$new-1", "for everybody").await;
    }

    async fn in_the_room_that_dora_leaves(&self) {
        let dora = OTHERS[2].matrix_user_id.unwrap();
        self.name(LEFT, "$left-name", "with dora").await;
        self.say(LEFT, FRIEND, "$left-1", "while dora was here")
            .await;
        self.member(LEFT, dora, "$left-dora", "leave", "Dora").await;
        let new = "@facebook_quagga3:lab.local";
        self.name(LEFT, "$quagga-renamed", "quagga without dora")
            .await;
        self.member(LEFT, new, "$quagga-new", "join", "Quagga the new one")
            .await;
        self.say(LEFT, new, "$quagga-6", "quagga after dora").await;
        self.edit(
            LEFT,
            FRIEND,
            "$quagga-7",
            "$left-1",
            "quagga edit after dora",
        )
        .await;
        self.react(LEFT, new, "$quagga-8", "$left-1", "quagga")
            .await;
    }

    async fn say(&self, room: &str, sender: &str, id: &str, body: &str) {
        let content = json!({"msgtype": "m.text", "body": body});
        self.event(room, sender, id, "m.room.message", None, content)
            .await;
    }

    async fn edit(&self, room: &str, sender: &str, id: &str, target: &str, body: &str) {
        let content = json!({
            "msgtype": "m.text", "body": format!("* {body}"),
            "m.new_content": {"msgtype": "m.text", "body": body},
            "m.relates_to": {"rel_type": "m.replace", "event_id": target},
        });
        self.event(room, sender, id, "m.room.message", None, content)
            .await;
    }

    async fn react(&self, room: &str, sender: &str, id: &str, target: &str, key: &str) {
        let content =
            json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}});
        self.event(room, sender, id, "m.reaction", None, content)
            .await;
    }

    async fn name(&self, room: &str, id: &str, name: &str) {
        let content = json!({"name": name});
        self.event(room, FRIEND, id, "m.room.name", Some(""), content)
            .await;
    }

    async fn member(&self, room: &str, who: &str, id: &str, membership: &str, name: &str) {
        let content = json!({"membership": membership, "displayname": name});
        self.event(room, who, id, "m.room.member", Some(who), content)
            .await;
    }

    async fn event(
        &self,
        room: &str,
        sender: &str,
        id: &str,
        kind: &str,
        state_key: Option<&str>,
        content: Value,
    ) {
        let mut event = self.world.event(room, sender, kind, &content);
        event["event_id"] = id.into();
        if let Some(state_key) = state_key {
            event["state_key"] = state_key.into();
        }
        self.world.push(&[event]).await;
    }

    pub(super) fn request(&self, user_id: &str, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        request.bearer_auth(self.world.token(user_id))
    }

    pub(super) async fn get(&self, user_id: &str, path: &str) -> Answer {
        Answer::of(self.request(user_id, Method::GET, path)).await
    }

    /// The description that the router gives of itself.
    pub(super) async fn description(&self) -> Value {
        self.get(ALICE, "/openapi.json").await.json()
    }

    async fn items(&self, path: &str) -> Vec<Value> {
        let answer = self.get(ALICE, path).await.json();
        answer["items"].as_array().unwrap().clone()
    }

    /// Everything of Alice's that an account has, as hidden from whoever `shares` nothing.
    pub(super) async fn hidden_from(&self, other: Option<&Other>) -> Hidden {
        let shared = match other.and_then(|other| other.shares) {
            Some("shared") => Some(self.shared),
            Some("left") => Some(self.left),
            _ => None,
        };
        let mut hidden = Hidden::default();
        for conversation in self.items("/api/conversations").await {
            let id = uuid(&conversation["id"]);
            let is_shared = shared == Some(id);
            let is_hidden = |text: &Value| !is_shared || text.as_str().unwrap().contains(MARK);
            if !is_shared {
                hidden.conversations.insert(id);
            }
            let path = format!("/api/conversations/{id}");
            for message in self.items(&format!("{path}/messages")).await {
                if is_hidden(&message["matrixEventId"]) {
                    hidden.messages.insert(uuid(&message["id"]));
                    let files = message["attachments"].as_array().unwrap();
                    let files = files.iter().map(|file| uuid(&file["mediaId"]));
                    hidden.media.extend(files);
                }
            }
            let whole = self.get(ALICE, &path).await.json();
            for person in whole["participants"].as_array().unwrap() {
                if is_hidden(&person["matrixUserId"]) {
                    hidden.participants.insert(uuid(&person["id"]));
                    let face = person["avatarUrl"].as_str();
                    let face = face.and_then(|path| path.strip_prefix("/api/media/"));
                    hidden
                        .media
                        .extend(face.map(|id| id.parse::<Uuid>().unwrap()));
                }
            }
        }
        let status = self.get(ALICE, "/api/messenger/status").await.json();
        hidden.connections.insert(uuid(&status["connectionId"]));
        hidden
    }

    /// The others' sockets, from before anything is said.
    pub(super) async fn listen(&self) -> Vec<Client> {
        let mut clients = Vec::new();
        for other in &OTHERS {
            clients.push(self.sockets.live(&self.world, other.user_id).await);
        }
        clients
    }
}

fn uuid(value: &Value) -> Uuid {
    value.as_str().unwrap().parse().unwrap()
}
