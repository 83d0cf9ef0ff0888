//! What people send comes into the store, from a real bridge and a real homeserver.

use std::path::Path;

use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    people::{Customer, conversations, customer},
    stack::Stack,
};

const MIB: usize = 1 << 20;

/// A customer's chat with Carol, and the store.
struct Chat {
    stack: Stack,
    customer: Customer,
    store: TempDir,
    id: String,
    room_id: String,
    carol: String,
}

impl Chat {
    async fn new(name: &str, remote_id: &str) -> Self {
        let store = tempfile::tempdir().unwrap();
        let place = format!("file:{}", store.path().display());
        let stack = Stack::start_anew(&[("MEDIA__STORE", &place)]).await;
        let customer = customer(&stack, name, remote_id, true).await;
        let carol = format!("18{}", customer.remote_id);
        let mut chat = Self {
            stack,
            customer,
            store,
            id: String::new(),
            room_id: String::new(),
            carol,
        };
        chat.room_id = chat.shows(&picture("carol")).await;
        chat.id = chat
            .stack
            .eventually("the chat is there", async || {
                let all = conversations(&chat.stack, &chat.customer).await;
                Some(all.first()?["id"].as_str()?.to_owned())
            })
            .await;
        chat
    }

    /// The chat, in which Carol has this picture; answers its room.
    async fn shows(&self, avatar: &[u8]) -> String {
        let body = json!({
            "remoteId": self.customer.remote_id, "chatId": self.carol, "type": "dm",
            "members": [{"id": self.carol, "name": "Carol", "avatar": STANDARD.encode(avatar)}],
        });
        let chat = self.stack.remote("/chat", body).await;
        chat["roomId"].as_str().unwrap().to_owned()
    }

    /// Something that Carol does on Messenger.
    async fn carol(&self, path: &str, more: &Value) -> Value {
        let mut body = json!({
            "remoteId": self.customer.remote_id, "chatId": self.carol, "senderId": self.carol,
        });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        self.stack.remote(path, body).await
    }

    /// Carol sends a file; answers what the message is on Messenger and in Matrix.
    async fn sends(&self, msgtype: &str, mime_type: &str, content: &[u8]) -> (String, String) {
        let media = json!({
            "filename": "a.file", "mimeType": mime_type, "data": STANDARD.encode(content),
            "voice": msgtype == "m.audio",
        });
        let sent = self
            .carol("/message", &json!({"msgtype": msgtype, "media": media}))
            .await;
        let text = |key: &str| sent[key].as_str().unwrap().to_owned();
        (text("messageId"), text("eventId"))
    }

    /// Waits until the attachment of a message is stored, as its viewer sees it.
    async fn stored(&self, event_id: &str) -> Value {
        let path = format!("/api/conversations/{}/messages", self.id);
        self.stack
            .eventually("the file is stored", async || {
                let all = self.stack.get_all(&self.customer.clerk, &path).await;
                let message = all.into_iter().find(|m| m["matrixEventId"] == event_id)?;
                let attachment = message["attachments"][0].clone();
                (attachment["state"] == "stored").then_some(attachment)
            })
            .await
    }

    fn holds(&self, content: &[u8]) -> bool {
        let name = hex(&Sha256::digest(content));
        let object = self
            .store
            .path()
            .join("objects")
            .join(&name[..2])
            .join(&name);
        std::fs::read(object).is_ok_and(|held| held == content)
    }

    async fn picture_of_carol(&self) -> Option<String> {
        let path = format!("/api/conversations/{}", self.id);
        let conversation = self.stack.get(&self.customer.clerk, &path).await;
        let people = conversation["participants"].as_array()?;
        let carol = people.iter().find(|p| p["externalId"] == self.carol)?;
        carol["avatarUrl"].as_str().map(str::to_owned)
    }

    /// A request of the customer's own Matrix client.
    async fn matrix(&self, method: &str, path: &str, body: Vec<u8>) -> Value {
        let url = format!("{}{path}", self.stack.fact("/synapse_url"));
        let answer = self
            .stack
            .http
            .request(method.parse().unwrap(), url)
            .bearer_auth(&self.customer.user.access_token)
            .body(body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn picture(of: &str) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n", of.as_bytes()].concat()
}

fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            if entry.path().is_dir() {
                count(&entry.path())
            } else {
                1
            }
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_through_the_bridge_is_kept_until_it_is_unsent() {
    let chat = Chat::new("nina", "19").await;
    let carol = picture("carol");
    chat.stack
        .eventually("Carol's picture is shown", async || {
            chat.picture_of_carol().await
        })
        .await;
    assert!(chat.holds(&carol));

    let mut sent = Vec::new();
    for (msgtype, kind, mime_type, head) in [
        ("m.image", "image", "image/png", &b"\x89PNG\r\n\x1a\n"[..]),
        ("m.video", "video", "video/mp4", b"\0\0\0\x20ftypisom"),
        ("m.audio", "voice", "audio/ogg", b"OggS"),
        ("m.file", "file", "application/pdf", b"%PDF-1.7"),
        (
            "m.sticker",
            "sticker",
            "image/webp",
            b"RIFF\x01\x02\x03\x04WEBP",
        ),
    ] {
        let content = [head, msgtype.as_bytes()].concat();
        let (message_id, event_id) = chat.sends(msgtype, mime_type, &content).await;
        let attachment = chat.stored(&event_id).await;
        assert_eq!(
            (&attachment["kind"], &attachment["mimeType"]),
            (&json!(kind), &json!(mime_type))
        );
        assert!(chat.holds(&content), "{kind}");
        sent.push((message_id, content));
    }
    assert_eq!(count(chat.store.path()), 6);

    for (message_id, _) in &sent {
        chat.carol("/unsend", &json!({"messageId": message_id}))
            .await;
    }
    chat.stack
        .eventually("what was unsent is gone", async || {
            (count(chat.store.path()) == 1).then_some(())
        })
        .await;
    assert!(chat.holds(&carol));
    let other = picture("carol at the sea");
    chat.shows(&other).await;
    chat.stack
        .eventually("the new picture stands for the old one", async || {
            (chat.holds(&other) && !chat.holds(&carol)).then_some(())
        })
        .await;
}

#[expect(clippy::print_stdout, reason = "figures for whoever runs it")]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_20_mib_is_kept_soon_after_its_message() {
    let chat = Chat::new("olga", "20").await;
    let content: Vec<u8> = (0_u8..=250).cycle().take(20 * MIB).collect();
    let (_, event_id) = chat.sends("m.file", "application/x-data", &content).await;
    let sent = Instant::now();
    chat.stored(&event_id).await;
    println!(
        "20 MiB were kept {:.1?} after their message",
        sent.elapsed()
    );
    assert!(chat.holds(&content));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_encrypts_is_kept_as_it_was_before() {
    let chat = Chat::new("pia", "21").await;
    let content = picture("encrypted");
    let (key, iv) = ([9; 32], [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut encrypted = content.clone();
    ctr::Ctr64BE::<aes::Aes256>::new(&key.into(), &iv.into()).apply_keystream(&mut encrypted);
    let hash = STANDARD_NO_PAD.encode(Sha256::digest(&encrypted));
    let uploaded = chat
        .matrix("POST", "/_matrix/media/v3/upload", encrypted)
        .await;
    let message = json!({
        "msgtype": "m.image", "body": "a.png", "info": {"mimetype": "image/png"},
        "file": {
            "url": uploaded["content_uri"], "v": "v2", "iv": STANDARD_NO_PAD.encode(iv),
            "key": {"kty": "oct", "alg": "A256CTR", "ext": true, "key_ops": ["encrypt", "decrypt"],
                    "k": URL_SAFE_NO_PAD.encode(key)},
            "hashes": {"sha256": hash},
        },
    });
    let path = format!(
        "/_matrix/client/v3/rooms/{}/send/m.room.message/1",
        chat.room_id
    );
    let sent = chat
        .matrix("PUT", &path, message.to_string().into_bytes())
        .await;
    chat.stored(sent["event_id"].as_str().unwrap()).await;
    assert!(chat.holds(&content));
}
