//! What is found by what is typed.

use serde_json::json;

use super::{events, found, marked, search};
use crate::api::{
    conversations::{ALICE, GHOST, ROOM, alice_and_bob, only},
    world::{text, text_at},
};

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_however_they_are_written() {
    let app = alice_and_bob().await;
    let bodies = [
        ("$de", "Grüße aus der Straße"),
        ("$fr", "on se voit à l’Opéra, déjà ?"),
        ("$tr", "IŞIK İstanbul"),
        ("$ar", "يا أَحمَد"),
        ("$zh", "我们明天去北京吧"),
        ("$ja", "東京タワーで会おう"),
        ("$th", "สวัสดีครับ"),
        ("$emoji", "😀 see you 😀"),
    ];
    let events: Vec<_> = bodies.map(|(id, body)| text(ROOM, GHOST, id, body)).into();
    app.push_events("1", &events).await;
    for (q, id) in [
        ("grusse strasse", "$de"),
        ("GRÜSSE", "$de"),
        ("opera deja", "$fr"),
        ("l'opéra", "$fr"),
        ("\"se voit\"", "$fr"),
        ("ısık istanbul", "$tr"),
        ("احمد", "$ar"),
        ("北京", "$zh"),
        ("明天去", "$zh"),
        ("タワー", "$ja"),
        ("ครับ", "$th"),
        ("😀", "$emoji"),
        ("se* yo", "$emoji"),
    ] {
        assert_eq!(found(&app, "user_alice", q).await, [id], "{q}");
    }
    for q in ["stras ", "\"voit se\"", "京北", "grusse opera", "seen"] {
        assert_eq!(found(&app, "user_alice", q).await, [""; 0], "{q}");
    }
    assert_eq!(found(&app, "user_bob", "strasse").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_told_in_code_units() {
    let app = alice_and_bob().await;
    let at = crate::api::world::now();
    let mut file = text_at(ROOM, GHOST, "$file", "the invoice, finally", at + 1);
    file["content"] = json!({"msgtype": "m.file", "body": "the Invoice", "filename": "Rechnung-Müller.pdf",
                            "url": "mxc://lab.local/1"});
    let body = "<b>😀 Müller</b> & MÜLLER";
    app.push_events("1", &[text_at(ROOM, GHOST, "$text", body, at), file])
        .await;
    let page = search(&app, "user_alice", &[("q", "muller")]).await.json();
    assert_eq!(events(&page), ["$file", "$text"]);
    let [file, text] = [&page["items"][0], &page["items"][1]];
    assert_eq!(
        marked(&text["body"], &text["inBody"]),
        "<b>😀 [Müller]</b> & [MÜLLER]"
    );
    assert_eq!(text["inFilename"], json!([]));
    let filename = &file["attachments"][0]["filename"];
    assert_eq!(
        marked(filename, &file["inFilename"]),
        "Rechnung-[Müller].pdf"
    );
    // A message is as everywhere else.
    let path = format!("/api/messages/{}", text["id"].as_str().unwrap());
    let mut whole = app.get("user_alice", &path).await.json();
    whole.as_object_mut().unwrap().remove("content");
    for place in ["inBody", "inFilename"] {
        whole[place] = text[place].clone();
    }
    assert_eq!(&whole, text);
    assert_eq!(
        found(&app, "user_alice", "invoice rechnung ").await,
        ["$file"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_comes_before_the_newest() {
    let app = alice_and_bob().await;
    let now = crate::api::world::now();
    let events = [
        text_at(ROOM, GHOST, "$1", "pizza!", now - 5_000),
        text_at(
            ROOM,
            GHOST,
            "$2",
            "maybe some pizza or something else, I do not know",
            now - 4_000,
        ),
        text_at(
            ROOM,
            ALICE,
            "$3",
            "the pizzas of the whole wide world",
            now - 3_000,
        ),
    ];
    app.push_events("1", &events).await;
    let of = async |order| {
        let query = [("q", "pizza"), ("order", order)];
        super::events(&search(&app, "user_alice", &query).await.json())
    };
    assert_eq!(of("newest").await, ["$3", "$2", "$1"]);
    assert_eq!(of("best").await[0], "$1");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_typed_is_answered_or_refused() {
    let app = alice_and_bob().await;
    app.push_events("1", &[text(ROOM, GHOST, "$1", "hello")])
        .await;
    let id = only(&app, "user_alice").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let long = "a".repeat(1001);
    let huge = "word ".repeat(2_000);
    for query in [
        vec![("q", long.as_str())],
        vec![("q", &huge)],
        vec![],
        vec![("q", "a"), ("order", "worst")],
        vec![("q", "a"), ("limit", "0")],
        vec![("q", "a"), ("limit", "201")],
        vec![("q", "a"), ("cursor", "x")],
        vec![("q", "a"), ("conversationID", &id)],
    ] {
        let answer = search(&app, "user_alice", &query).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_request"),
            "{query:?}"
        );
    }
    for query in [vec![], vec![("q", "a"), ("order", "worst")]] {
        let refusal = search(&app, "user_alice", &query).await.json();
        let detail = refusal["detail"].as_str().unwrap();
        for name in ["q", "conversationId", "order", "limit", "cursor"] {
            assert!(detail.contains(&format!(" {name},")), "{detail}");
        }
        assert!(!detail.contains("worst"), "{detail}");
    }
    for q in [
        "",
        " ",
        "?!",
        "\0",
        "\"",
        "***",
        "' OR 1=1 --",
        ":* & | !",
        "@@ <->",
        "\\",
        "\u{fffd}",
        "\u{301}",
    ] {
        for order in ["newest", "best"] {
            let answer = search(&app, "user_alice", &[("q", q), ("order", order)]).await;
            let empty = json!({"items": [], "nextCursor": null, "conversations": []});
            assert_eq!((answer.status, answer.json()), (200, empty), "{q:?}");
        }
    }
    for conversation in ["x", "00000000-0000-0000-0000-000000000000", &id] {
        let query = [("q", "hello"), ("conversationId", conversation)];
        assert_eq!(search(&app, "user_bob", &query).await.status, 404);
    }
    let query = [("q", "hello"), ("conversationId", id.as_str())];
    assert_eq!(
        events(&search(&app, "user_alice", &query).await.json()),
        ["$1"]
    );
}

/// A sentence that was copied from a message finds it, with quotes or without.
#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_sentence_is_found() {
    let app = alice_and_bob().await;
    let sentence = "As soon as the ferry has left we sit down at the pier, eat what is left of the \
                    bread and wait for the gulls, who have known us for years";
    let other = sentence.replace("for years", "for days");
    let events = [
        text(ROOM, GHOST, "$1", sentence),
        text(ROOM, GHOST, "$2", &other),
    ];
    app.push_events("1", &events).await;
    assert_eq!(found(&app, "user_alice", sentence).await.len(), 2);
    let quoted = format!("\"{sentence}\"");
    assert_eq!(found(&app, "user_alice", &quoted).await, ["$1"]);
    let long = [("q", &*"a".repeat(1001))];
    assert_eq!(
        search(&app, "user_alice", &long).await.code(),
        "invalid_request"
    );
}
