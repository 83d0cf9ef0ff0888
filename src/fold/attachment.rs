//! The file of a message: `url`, or `file` when it is encrypted (specification,
//! "m.room.message msgtypes" and "Sending encrypted attachments").

use serde_json::{Map, Value};

use crate::model::change::Attachment;

/// The same as for an event id, on either side of the slash.
const MAX_PART_BYTES: usize = 255;
/// What says that an audio file is somebody speaking.
const VOICE: [&str; 3] = [
    "org.matrix.msc3245.voice.v2",
    "org.matrix.msc3245.voice",
    "m.voice",
];

/// The file that a content of this `msgtype`, or event type, names.
#[must_use]
pub fn fold(kind: &str, content: &Map<String, Value>) -> Option<Attachment> {
    let is_voice = VOICE.iter().any(|key| content.contains_key(*key));
    let attachment_kind = match kind {
        "m.image" => "image",
        "m.video" => "video",
        "m.audio" if is_voice => "voice",
        "m.audio" => "audio",
        "m.file" => "file",
        "m.sticker" => "sticker",
        _ => return None,
    };
    let of_file = content.get("file").and_then(|file| file.get("url"));
    let mxc = content.get("url").or(of_file)?.as_str()?;
    let info = content.get("info");
    let number = |key: &str| whole(info?.get(key)?);
    let text = |key: &str| content.get(key).and_then(Value::as_str);
    // Without a `filename` the body is the name; that of a sticker describes it.
    let filename = text("filename").or_else(|| text("body").filter(|_| kind != "m.sticker"));
    Some(Attachment {
        mxc: is_mxc(mxc).then(|| mxc.to_owned())?,
        kind: attachment_kind,
        filename: filename.filter(|name| !name.is_empty()).map(str::to_owned),
        mime_type: info
            .and_then(|info| info.get("mimetype")?.as_str())
            .filter(|mime| (1..=MAX_PART_BYTES).contains(&mime.len()))
            .map(str::to_owned),
        size: number("size"),
        width: number("w").and_then(|w| i32::try_from(w).ok()),
        height: number("h").and_then(|h| i32::try_from(h).ok()),
        duration_ms: number("duration"),
    })
}

fn is_mxc(address: &str) -> bool {
    let parts = address
        .strip_prefix("mxc://")
        .and_then(|rest| rest.split_once('/'));
    parts.is_some_and(|(server, id)| {
        [server, id].iter().all(|part| {
            (1..=MAX_PART_BYTES).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
        })
    })
}

/// A count, which some clients write as a float.
fn whole(number: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, and what is too large for a float's integers is nonsense"
    )]
    let from_float = |float: f64| float as i64;
    number
        .as_i64()
        .or_else(|| number.as_f64().map(from_float))
        .filter(|number| (0..=1 << 53).contains(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(kind: &str, content: &Value) -> Option<Attachment> {
        fold(kind, content.as_object().unwrap())
    }

    #[test]
    fn it_is_what_its_message_says() {
        let content = json!({
            "body": "a caption", "filename": "a.jpg", "url": "mxc://lab.local/abc",
            "info": {"mimetype": "image/jpeg", "size": 5, "w": 640.0, "h": 480, "duration": 1500},
        });
        let expected = Attachment {
            mxc: "mxc://lab.local/abc".into(),
            kind: "image",
            filename: Some("a.jpg".into()),
            mime_type: Some("image/jpeg".into()),
            size: Some(5),
            width: Some(640),
            height: Some(480),
            duration_ms: Some(1500),
        };
        assert_eq!(of("m.image", &content), Some(expected));
    }

    #[test]
    fn each_kind_has_its_name() {
        let file = json!({"body": "a.ogg", "url": "mxc://a/b"});
        let voice = json!({"body": "a.ogg", "url": "mxc://a/b", "org.matrix.msc3245.voice": {}});
        for (kind, content, name, filename) in [
            ("m.image", &file, "image", Some("a.ogg")),
            ("m.video", &file, "video", Some("a.ogg")),
            ("m.audio", &file, "audio", Some("a.ogg")),
            ("m.audio", &voice, "voice", Some("a.ogg")),
            ("m.file", &voice, "file", Some("a.ogg")),
            ("m.sticker", &file, "sticker", None),
        ] {
            let attachment = of(kind, content).unwrap();
            assert_eq!(
                (attachment.kind, attachment.filename.as_deref()),
                (name, filename)
            );
        }
        assert_eq!(of("m.text", &file), None);
    }

    #[test]
    fn an_encrypted_one_is_found_in_its_file() {
        let content = json!({"body": "a", "file": {"url": "mxc://a/b", "key": {}, "iv": "x"}});
        assert_eq!(of("m.file", &content).unwrap().mxc, "mxc://a/b");
    }

    #[test]
    fn what_is_no_address_is_no_attachment() {
        for url in [
            json!(5),
            json!("https://example.org/a.jpg"),
            json!("mxc://"),
            json!("mxc://a"),
            json!("mxc://a/"),
            json!("mxc:///b"),
            json!("mxc://a/b/c"),
            json!("mxc://a/b c"),
            json!("mxc://a/\u{e4}"),
            json!(format!("mxc://a/{}", "b".repeat(256))),
        ] {
            assert_eq!(
                of("m.image", &json!({"body": "a", "url": url})),
                None,
                "{url}"
            );
        }
    }

    #[test]
    fn nonsense_in_its_info_is_not_known() {
        for number in [json!(-1), json!(1e300), json!("5"), json!(null), json!([])] {
            let info = json!({"size": number, "w": number, "h": number, "duration": number, "mimetype": number});
            let content = json!({"body": "", "url": "mxc://a/b", "info": info});
            let attachment = of("m.image", &content).unwrap();
            assert_eq!(
                (attachment.size, attachment.width, attachment.duration_ms),
                (None, None, None)
            );
        }
        let wide = json!({"url": "mxc://a/b", "info": {"w": 1_u64 << 40, "size": 1_u64 << 40}});
        let attachment = of("m.image", &wide).unwrap();
        assert_eq!((attachment.width, attachment.size), (None, Some(1 << 40)));
        assert_eq!(
            of("m.image", &json!({"url": "mxc://a/b", "info": 5}))
                .unwrap()
                .size,
            None
        );
    }
}
