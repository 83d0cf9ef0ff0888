//! Everything that can happen to a message, between Messenger, Matrix and the web page.

mod chat;
mod mirror;
mod words;

use serde_json::{Value, json};

use self::chat::{Chat, Said, file};
use crate::{people::customer, stack::Stack};

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_messages_is_shown_told_and_found_again() {
    // Files that come into the store are told as well, whenever that is (`media`).
    let mut stack = Stack::start_anew(&[("MEDIA__ON", "false")]).await;
    let ivy = customer(&stack, "ivy", "13", true).await;
    let mut chat = Chat::new(&stack, &ivy).await;
    assert_eq!(chat.unread().await, 1);

    let one = chat.says("carol", "one").await;
    chat.told("created carol: one, 2 unread").await;
    files_come_with_their_messages(&mut chat).await;
    messages_change(&mut chat, &one).await;
    people_and_names_change(&mut chat, &one).await;
    let redacted_edit = the_customer_writes_too(&mut chat).await;
    who_has_read_a_thread_has_not_read_the_rest(&mut chat, &one).await;
    nothing_else_is_told(&mut chat).await;
    the_api_agrees(&chat).await;
    drop(chat);

    let before = mirror::of(&stack, &ivy).await;
    assert_eq!(stack.stop_tributary(), Some(0));
    mirror::forget(&stack).await;
    stack.start_tributary().await;
    mirror::eventually_filled(&stack, &ivy).await;
    let mut after = mirror::of(&stack, &ivy).await;
    // The homeserver no longer says what it replaced: who has not seen it before
    // cannot tell it from a message.
    after.retain(|shown| shown["matrixEventId"] != redacted_edit);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
}

async fn files_come_with_their_messages(chat: &mut Chat<'_>) {
    let image = json!({"width": 32, "height": 24});
    let voice = json!({"durationMs": 3100, "voice": true});
    for (message, told) in [
        (
            json!({"text": "look", "msgtype": "m.image", "media": file("a.png", "image/png", &image)}),
            "created carol: look [image a.png image/png 5 B 32x24 - ms pending], 3 unread",
        ),
        (
            json!({"msgtype": "m.audio", "media": file("a.ogg", "audio/ogg", &voice)}),
            "created carol: a.ogg [voice a.ogg audio/ogg 5 B -x- 3100 ms pending], 4 unread",
        ),
        (
            json!({"msgtype": "m.file", "media": file("a.pdf", "application/pdf", &json!({}))}),
            "created carol: a.pdf [file a.pdf application/pdf 5 B -x- - ms pending], 5 unread",
        ),
        (
            json!({"text": "wave", "msgtype": "m.sticker", "media": file("a.webp", "image/webp", &image)}),
            "created carol: wave [sticker - image/webp 6 B 32x24 - ms pending], 6 unread",
        ),
        (
            json!({"text": "here", "msgtype": "m.location", "geoUri": "geo:48.8584,2.2945"}),
            "created carol: here, 7 unread",
        ),
    ] {
        chat.sends("carol", message).await;
        chat.told(told).await;
    }
}

async fn messages_change(chat: &mut Chat<'_>, one: &Said) {
    let of = |more: Value| with(&json!({"messageId": one.message_id}), &more);
    for text in ["one!", "one!!"] {
        chat.remote("/edit", "carol", of(json!({"text": text})))
            .await;
        chat.told(&format!("updated carol: {text} (edited)")).await;
    }
    for (person, emoji, told) in [
        ("carol", "👍", "updated carol: one!! (edited) 👍carol"),
        ("dave", "👍", "updated carol: one!! (edited) 👍carol+dave"),
        (
            "ivy",
            "❤",
            "updated carol: one!! (edited) 👍carol+dave ❤ivy",
        ),
    ] {
        chat.remote("/react", person, of(json!({"emoji": emoji})))
            .await;
        chat.told(told).await;
    }
    chat.remote("/react", "carol", of(json!({"remove": true})))
        .await;
    chat.told("updated carol: one!! (edited) 👍dave ❤ivy").await;

    let answer = chat
        .sends("dave", json!({"text": "two", "replyTo": one.message_id}))
        .await;
    chat.told("created dave: two (to one), 8 unread").await;
    let three = chat.says("dave", "three").await;
    chat.told("created dave: three, 9 unread").await;
    chat.remote("/unsend", "dave", json!({"messageId": three.message_id}))
        .await;
    chat.told("updated dave: (deleted)").await;
    // It was unread.
    chat.told("conversation Team, 8 unread, Carol Dave").await;
    assert_eq!(chat.unread().await, 8);
    assert_ne!(answer.event_id, three.event_id);
}

async fn people_and_names_change(chat: &mut Chat<'_>, one: &Said) {
    chat.renamed("Crew", "Carol").await;
    chat.told("conversation Crew, 8 unread, Carol Dave").await;
    chat.renamed("Crew", "Caroline").await;
    chat.told("conversation Crew, 8 unread, Caroline Dave")
        .await;
    chat.remote("/typing", "carol", json!({"timeoutMs": 30_000}))
        .await;
    chat.told("typing carol").await;
    chat.remote("/typing", "carol", json!({"timeoutMs": 0}))
        .await;
    chat.told("typing ").await;
    chat.remote("/read", "dave", json!({"messageId": one.message_id}))
        .await;
    chat.told("receipt dave: one").await;
}

async fn the_customer_writes_too(chat: &mut Chat<'_>) -> String {
    chat.says("ivy", "from my phone").await;
    chat.told("created ivy: from my phone, 0 unread").await;

    let text = |body: &str| json!({"msgtype": "m.text", "body": body});
    let mine = chat.event("m.room.message", text("from my desk")).await;
    chat.told("created ivy: from my desk, 0 unread").await;
    let mut edits = Vec::new();
    for body in ["from my desk!", "from my desk!!"] {
        let edit = json!({
            "msgtype": "m.text", "body": format!("* {body}"), "m.new_content": text(body),
            "m.relates_to": {"rel_type": "m.replace", "event_id": mine},
        });
        edits.push(chat.event("m.room.message", edit).await);
        chat.told(&format!("updated ivy: {body} (edited)")).await;
    }
    chat.redact(&edits[1]).await;
    chat.told("updated ivy: from my desk! (edited)").await;
    let reaction = json!({
        "m.relates_to": {"rel_type": "m.annotation", "event_id": mine, "key": "👍"},
    });
    chat.event("m.reaction", reaction).await;
    chat.told("updated ivy: from my desk! (edited) 👍ivy").await;
    edits.remove(1)
}

async fn who_has_read_a_thread_has_not_read_the_rest(chat: &mut Chat<'_>, one: &Said) {
    let thread = json!({
        "msgtype": "m.text", "body": "aside", "m.relates_to": {
            "rel_type": "m.thread", "event_id": one.event_id, "is_falling_back": true,
            "m.in_reply_to": {"event_id": one.event_id},
        },
    });
    let aside = chat.event("m.room.message", thread).await;
    chat.told("created ivy: aside (below one), 0 unread").await;
    chat.says("carol", "unread").await;
    chat.told("created carol: unread, 1 unread").await;
    let thread = json!({"thread_id": one.event_id});
    chat.matrix("POST", &["receipt", "m.read", &aside], thread)
        .await;
    chat.told("receipt ivy: aside").await;
    assert_eq!(chat.unread().await, 1);
}

/// What came without having been waited for would come before this.
async fn nothing_else_is_told(chat: &mut Chat<'_>) {
    let last = chat.says("carol", "the end").await;
    chat.told("created carol: the end, 2 unread").await;
    chat.matrix("POST", &["receipt", "m.read", &last.event_id], json!({}))
        .await;
    chat.told_both([
        "conversation Crew, 0 unread, Caroline Dave",
        "receipt ivy: the end",
    ])
    .await;
}

async fn the_api_agrees(chat: &Chat<'_>) {
    let messages = chat.messages().await;
    let lines: Vec<_> = messages.iter().map(|m| chat.words.message(m)).collect();
    assert_eq!(
        lines,
        [
            "carol: hello",
            "carol: one!! (edited) 👍dave ❤ivy",
            "carol: look [image a.png image/png 5 B 32x24 - ms pending]",
            "carol: a.ogg [voice a.ogg audio/ogg 5 B -x- 3100 ms pending]",
            "carol: a.pdf [file a.pdf application/pdf 5 B -x- - ms pending]",
            "carol: wave [sticker - image/webp 6 B 32x24 - ms pending]",
            "carol: here",
            "dave: two (to one)",
            "dave: (deleted)",
            "ivy: from my phone",
            "ivy: from my desk! (edited) 👍ivy",
            "ivy: aside (below one)",
            "carol: unread",
            "carol: the end",
        ]
    );
    let versions = async |message: &Value| {
        let full = chat.full(message).await;
        let bodies = full["versions"].as_array().unwrap().iter();
        bodies
            .map(|v| v["body"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(&messages[1]).await, ["one", "one!", "one!!"]);
    assert_eq!(
        versions(&messages[10]).await,
        ["from my desk", "from my desk!"]
    );
    let place = chat.full(&messages[6]).await;
    assert_eq!(place["type"], "m.location");
    assert_eq!(place["content"]["geo_uri"], "geo:48.8584,2.2945");
    let conversation = chat.conversation().await;
    assert_eq!(
        (&conversation["title"], &conversation["isGroup"]),
        (&json!("Crew"), &json!(true))
    );
    assert_eq!(conversation["lastMessage"], messages[13]);
}

fn with(body: &Value, more: &Value) -> Value {
    let mut body = body.as_object().unwrap().clone();
    body.extend(more.as_object().unwrap().clone());
    Value::Object(body)
}
