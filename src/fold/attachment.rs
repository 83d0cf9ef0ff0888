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
