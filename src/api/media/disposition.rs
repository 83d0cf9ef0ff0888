//! PURE: as what a file is sent, and whether a browser shows it or saves it.
//!
//! Files come from strangers and are served beside the API and the console. So a browser
//! shows only what it cannot run, and saves everything else.

use std::fmt::Write as _;

/// What browsers show and cannot run: pictures without scripts, sound and moving pictures.
const SHOWN: [&str; 28] = [
    "audio/3gpp",
    "audio/aac",
    "audio/flac",
    "audio/m4a",
    "audio/mp3",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/opus",
    "audio/wav",
    "audio/wave",
    "audio/webm",
    "audio/x-flac",
    "audio/x-m4a",
    "audio/x-wav",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/3gpp",
    "video/mp4",
    "video/ogg",
    "video/quicktime",
    "video/webm",
    "video/x-m4v",
    "video/x-matroska",
];
/// What nobody knows more of.
pub(super) const UNKNOWN: &str = "application/octet-stream";
/// The longest name that is sent, in characters.
const LONGEST_NAME: usize = 180;

/// The `Content-Type` of a file of this MIME type.
///
/// It is the file's own, but for scripts and styles: a page of this origin, whose policy
/// lets it load its own, could be made to run them. With `nosniff` nothing else runs.
pub(super) fn content_type(mime_type: Option<&str>) -> String {
    let mime_type = mime_type.unwrap_or(UNKNOWN).trim().to_ascii_lowercase();
    let runs = [
        "javascript",
        "ecmascript",
        "jscript",
        "livescript",
        "text/css",
    ];
    let is_harmful = runs.iter().any(|word| mime_type.contains(word));
    if is_harmful || !is_media_type(&mime_type) {
        return UNKNOWN.to_owned();
    }
    mime_type
}

/// `type/subtype`, without parameters (RFC 9110 section 8.3.1).
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !part.is_empty() && part.bytes().all(known)
    };
    text.len() <= 127
        && text
            .split_once('/')
            .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// The `Content-Disposition` of a file of this type and name (RFC 6266).
pub(super) fn disposition(content_type: &str, filename: Option<&str>) -> String {
    let is_shown = SHOWN.contains(&content_type);
    let mut text = if is_shown { "inline" } else { "attachment" }.to_owned();
    let name = filename.map(safe_name).filter(|name| !name.is_empty());
    if let Some(name) = name {
        let plain: String = name.chars().map(plain).collect();
        // Writing to a string does not fail.
        let _ = write!(text, "; filename=\"{plain}\"");
        if plain != name {
            let _ = write!(text, "; filename*=UTF-8''{}", encode(&name));
        }
    }
    text
}

/// A name without folders, without what is not seen, and without what turns text around:
/// `gnp.exe` must not be saved as what reads `exe.png`.
fn safe_name(name: &str) -> String {
    let is_seen = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let separated = |c: char| if matches!(c, '/' | '\\') { '_' } else { c };
    let name: String = name.chars().filter(is_seen).map(separated).collect();
    let name = name.trim_matches(|c: char| c.is_whitespace() || c == '.');
    name.chars().take(LONGEST_NAME).collect()
}

/// What stands in a quoted string, for programs that know no other names.
fn plain(c: char) -> char {
    let is_plain = (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%');
    if is_plain { c } else { '_' }
}

/// RFC 8187 section 3.2.1.
fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_cannot_run_is_shown() {
        for shown in ["image/png", "image/jpeg", "video/mp4", "audio/ogg"] {
            assert_eq!(disposition(shown, None), "inline");
        }
        for saved in [
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "application/pdf",
            "application/javascript",
            "text/plain",
            "application/octet-stream",
            "application/zip",
            "image/x-icon",
            "multipart/x-mixed-replace",
            "application/x-shockwave-flash",
            "",
        ] {
            assert_eq!(disposition(saved, None), "attachment", "{saved}");
        }
    }

    #[test]
    fn the_type_is_the_files_own_but_for_what_pages_run() {
        for (mime_type, sent) in [
            (Some("image/PNG"), "image/png"),
            (Some("text/html"), "text/html"),
            (Some("image/svg+xml"), "image/svg+xml"),
            (
                Some("application/vnd.oasis.opendocument.text"),
                "application/vnd.oasis.opendocument.text",
            ),
            (None, UNKNOWN),
            (Some(""), UNKNOWN),
            (Some("image"), UNKNOWN),
            (Some("image/png; x=y"), UNKNOWN),
            (Some("image/png\r\nx: y"), UNKNOWN),
            (Some("text/javascript"), UNKNOWN),
            (Some("application/x-JavaScript"), UNKNOWN),
            (Some("text/jscript"), UNKNOWN),
            (Some("text/css"), UNKNOWN),
        ] {
            assert_eq!(content_type(mime_type), sent, "{mime_type:?}");
        }
    }

    #[test]
    fn names_are_written_for_all_programs() {
        for (name, written) in [
            ("a b.png", "inline; filename=\"a b.png\""),
            (
                "naïve.png",
                "inline; filename=\"na_ve.png\"; filename*=UTF-8''na%C3%AFve.png",
            ),
            (
                "a\"b\\c.png",
                "inline; filename=\"a_b_c.png\"; filename*=UTF-8''a%22b_c.png",
            ),
            (
                "100%.png",
                "inline; filename=\"100_.png\"; filename*=UTF-8''100%25.png",
            ),
            (
                "€ rates.png",
                "inline; filename=\"_ rates.png\"; filename*=UTF-8''%E2%82%AC%20rates.png",
            ),
            ("../../etc/passwd", "inline; filename=\"_.._etc_passwd\""),
            (
                "a\r\nSet-Cookie: x=y",
                "inline; filename=\"aSet-Cookie: x=y\"",
            ),
            ("\u{202e}gnp.exe", "inline; filename=\"gnp.exe\""),
            ("...", "inline"),
            ("", "inline"),
        ] {
            assert_eq!(disposition("image/png", Some(name)), written);
        }
    }

    proptest! {
        #[test]
        fn every_name_is_one_header_and_stays_in_its_quotes(name in any::<String>()) {
            let written = disposition("text/html", Some(&name));
            prop_assert!(HeaderValue::from_str(&written).is_ok() && written.is_ascii());
            prop_assert!(written.starts_with("attachment"));
            prop_assert!(matches!(written.matches('"').count(), 0 | 2));
            prop_assert!(!written.contains('\\') && !written.contains('/'));
        }

        #[test]
        fn every_type_is_one_header(mime_type in any::<String>()) {
            let sent = content_type(Some(&mime_type));
            prop_assert!(HeaderValue::from_str(&sent).is_ok() && sent.contains('/'));
        }
    }
}
