//! A restore drill: what was lost comes from the homeserver again, and what was taken back since
//! the backup does not come back with it.

use std::{fs, path::Path, process::Output};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use diesel_async::SimpleAsyncConnection as _;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::{
    people::{Customer, conversations, customer},
    stack::Stack,
};

const FILE: &[u8] = b"%PDF-1.7 a file that nobody else has sent";

/// What a friend does in the direct chat with a customer.
async fn friend(stack: &Stack, customer: &Customer, path: &str, more: Value) -> Value {
    let chat = format!("23{}", customer.remote_id);
    let mut body = json!({"remoteId": customer.remote_id, "chatId": chat, "senderId": chat});
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    stack.remote(path, body).await
}

/// The chat of a customer with a friend.
async fn chat(stack: &Stack, customer: &Customer) {
    let person = format!("23{}", customer.remote_id);
    let members = json!([{"id": person, "name": "Dave"}]);
    let chat = json!({
        "remoteId": customer.remote_id, "chatId": person, "type": "dm", "members": members,
    });
    stack.remote("/chat", chat).await;
}

/// The messages of a customer's only conversation, by their text.
async fn messages(stack: &Stack, customer: &Customer) -> Vec<Value> {
    let all = conversations(stack, customer).await;
    let Some(id) = all.first().and_then(|c| c["id"].as_str()) else {
        return Vec::new();
    };
    let path = format!("/api/conversations/{id}/messages");
    stack.get_all(&customer.clerk, &path).await
}

async fn shown(stack: &Stack, customer: &Customer, body: &str) -> Value {
    stack
        .eventually(body, async || {
            let all = messages(stack, customer).await;
            all.into_iter()
                .find(|m| m["body"] == body && m["deletedAt"].is_null())
        })
        .await
}

fn has_worked(output: &Output) {
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("postgres://"));
}

/// The tombstones in a folder that are whole: one that is being written has another name.
fn tombstones_in(folder: &Path) -> usize {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_whole = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|of| of == "json");
    names.filter(is_whole).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_comes_again_and_what_was_taken_back_does_not() {
    let (store, backups) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let place = format!("file:{}", store.path().display());
    let mut stack = Stack::start_anew(&[("MEDIA__STORE", &place)]).await;
    let alice = customer(&stack, "alice", "1", true).await;
    let bob = customer(&stack, "bob", "2", true).await;
    for customer in [&alice, &bob] {
        chat(&stack, customer).await;
    }
    friend(&stack, &alice, "/message", json!({"text": "before"})).await;
    let regretted = friend(&stack, &alice, "/message", json!({"text": "regretted"})).await;
    friend(&stack, &bob, "/message", json!({"text": "for bob"})).await;
    let media =
        json!({"filename": "a.pdf", "mimeType": "application/pdf", "data": STANDARD.encode(FILE)});
    friend(
        &stack,
        &alice,
        "/message",
        json!({"msgtype": "m.file", "media": media}),
    )
    .await;
    for (customer, body) in [(&alice, "before"), (&alice, "regretted"), (&bob, "for bob")] {
        shown(&stack, customer, body).await;
    }
    let media_id = stored(&stack, &alice).await;

    let to = backups.path().to_str().unwrap();
    has_worked(&stack.run(&["backup", "--files", "--to", to]));

    friend(&stack, &alice, "/message", json!({"text": "after"})).await;
    let unsend = json!({"messageId": regretted["messageId"]});
    friend(&stack, &alice, "/unsend", unsend).await;
    shown(&stack, &alice, "after").await;
    stack
        .eventually("it is unsent", async || {
            let all = messages(&stack, &alice).await;
            all.iter().any(|m| m["deletedAt"].is_string()).then_some(())
        })
        .await;
    let list = stack.get(&alice.clerk, "/api/conversations").await;
    let cursor = list["cursor"].as_str().unwrap().to_owned();
    let erased = stack.http.delete(stack.url("/api/account"));
    let erased = erased
        .bearer_auth(stack.session_token(&bob.clerk))
        .send()
        .await;
    assert_eq!(erased.unwrap().status(), 204);
    stack
        .eventually("the erasure is written beside the files", async || {
            (tombstones_in(&store.path().join("journal")) == 1).then_some(())
        })
        .await;

    // The database is gone, and so is the folder with the files.
    stack.kill_tributary();
    fs::remove_dir_all(store.path().join("objects")).unwrap();
    stack.point_to_new_database().await;
    has_worked(&stack.run(&["restore", "--from", to]));
    let again = stack.run(&["restore", "--from", to]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("not empty"),
        "{again:?}"
    );
    stack.start_tributary().await;

    assert!(
        conversations(&stack, &bob).await.is_empty(),
        "the erased came back"
    );
    assert_eq!(first_but_hello(&stack, &alice, &cursor).await, "resync");
    shown(&stack, &alice, "before").await;
    shown(&stack, &alice, "after").await;
    stack
        .eventually("what was unsent is gone", async || {
            let all = messages(&stack, &alice).await;
            (!all.iter().any(|m| m["body"] == "regretted")).then_some(())
        })
        .await;
    let file = stack.http.get(stack.url(&format!("/api/media/{media_id}")));
    let file = file
        .bearer_auth(stack.session_token(&alice.clerk))
        .send()
        .await
        .unwrap();
    assert_eq!(file.status(), 200);
    assert_eq!(&file.bytes().await.unwrap()[..], FILE);
    // Nothing of what came in since has brought back who wanted to be gone.
    friend(&stack, &alice, "/message", json!({"text": "later"})).await;
    shown(&stack, &alice, "later").await;
    assert!(
        conversations(&stack, &bob).await.is_empty(),
        "the erased came back"
    );
    let kept = format!(
        "DO $$ BEGIN ASSERT NOT EXISTS (SELECT 1 FROM tributary.messages WHERE body = 'for bob');
         ASSERT NOT EXISTS (SELECT 1 FROM tributary.messenger_connections WHERE user_id = '{}'
                            AND disconnected_at IS NULL); END $$",
        bob.clerk
    );
    stack
        .eventually("what the erased had is deleted", async || {
            let mut conn = stack.database().await;
            conn.batch_execute(&kept).await.ok()
        })
        .await;
}

/// Waits until the only file of a customer is stored; its id.
async fn stored(stack: &Stack, customer: &Customer) -> String {
    stack
        .eventually("the file is stored", async || {
            let all = messages(stack, customer).await;
            let mut files = all
                .iter()
                .flat_map(|m| m["attachments"].as_array().unwrap());
            let file = files.find(|file| file["state"] == "stored")?;
            Some(file["mediaId"].as_str()?.to_owned())
        })
        .await
}

/// The kind of the frame behind `hello`, on a socket that resumes at a cursor.
async fn first_but_hello(stack: &Stack, customer: &Customer, cursor: &str) -> String {
    let url = stack.url("/ws").replace("http", "ws") + "?since=" + cursor;
    let mut request = url.into_client_request().unwrap();
    let protocols = format!(
        "tributary.v1, bearer.{}",
        stack.session_token(&customer.clerk)
    );
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocols.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        let text = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let frame: Value = serde_json::from_str(&text).unwrap();
        kinds.push(frame["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds[0], "hello");
    kinds.remove(1)
}
