//! The fuzzer's seeds through the fuzzer's checks, without a fuzzer.

#![cfg(test)]

#[path = "../fuzz/src/lib.rs"]
mod properties;

use std::{fs, panic::catch_unwind, path::Path};

use properties::{check, html, strings};
use serde_json::{json, value::to_raw_value};
use tributary::{fold, matrix::decode};

#[test]
fn every_seed_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let seeds: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!seeds.is_empty());
    let broken: Vec<_> = seeds
        .iter()
        .filter(|seed| {
            let body = fs::read(seed).unwrap();
            catch_unwind(|| check(&body)).is_err()
        })
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn harm_is_recognised() {
    for harmless in [
        "",
        "a &lt; b",
        r#"<a href="https://a/" rel="x">a</a><br><b>c</b>"#,
        r#"<a href="java script:a">a</a>"#,
    ] {
        html::assert_harmless(harmless);
    }
    for harmful in [
        "<script>",
        "<p onclick=\"a\">",
        "<p style=\"a\">",
        "<a href=\" \u{1}java\nScript:a\">",
        "<p onclick=a>",
        "a < b",
        "<!--a-->",
        "<b",
    ] {
        assert!(
            catch_unwind(|| html::assert_harmless(harmful)).is_err(),
            "{harmful}"
        );
    }
}

#[test]
fn the_strings_of_a_fact_are_found() {
    let raw = json!({
        "event_id": "$e", "room_id": "!r", "sender": "@a:b", "type": "m.room.message",
        "origin_server_ts": 1, "content": {
            "msgtype": "m.text", "body": "\\0 \"\t\u{7f}é", "a\0": "room_id: \"",
            "format": "org.matrix.custom.html", "formatted_body": "<b>b</b>",
            "m.relates_to": {"m.in_reply_to": {"event_id": "$replied"}},
        },
    });
    let event = decode::decode(&to_raw_value(&raw).unwrap(), None, properties::now()).unwrap();
    let found = strings::of(&fold::fold(&event).unwrap());
    for (field, text) in [
        ("event_id", "$e"),
        ("room_id", "!r"),
        ("body", "\\0 \"\t\u{7f}é"),
        ("formatted_body", "<b>b</b>"),
        ("reply_to", "$replied"),
        ("content", "a\u{fffd}"),
    ] {
        assert!(
            found.contains(&(field.to_owned(), text.to_owned())),
            "{field}: {found:?}"
        );
    }
    assert_eq!(strings::of(&"a\0")[0].1, "a\0");
}
