//! What a file is: by its first bytes, and by what was said of it.

/// So many bytes are looked at.
pub const HEAD_BYTES: usize = 512;

/// What is nothing else.
pub const UNKNOWN: &str = "application/octet-stream";

/// Where it begins, and what it is.
type Mark = (usize, &'static [u8]);

/// Type, and its marks. The first that fits.
const MARKS: &[(&str, &[Mark])] = &[
    ("image/png", &[(0, b"\x89PNG\r\n\x1a\n")]),
    ("image/jpeg", &[(0, b"\xff\xd8\xff")]),
    ("image/gif", &[(0, b"GIF87a")]),
    ("image/gif", &[(0, b"GIF89a")]),
    ("image/webp", &[(0, b"RIFF"), (8, b"WEBP")]),
    ("image/bmp", &[(0, b"BM"), (6, b"\0\0\0\0")]),
    ("image/tiff", &[(0, b"II*\0")]),
    ("image/tiff", &[(0, b"MM\0*")]),
    ("image/x-icon", &[(0, b"\0\0\x01\0")]),
    ("image/jxl", &[(0, b"\0\0\0\x0cJXL \r\n\x87\n")]),
    ("image/avif", &[(4, b"ftypavif")]),
    ("image/heic", &[(4, b"ftyphei")]),
    ("image/heic", &[(4, b"ftypmif1")]),
    ("audio/mp4", &[(4, b"ftypM4A")]),
    ("video/quicktime", &[(4, b"ftypqt")]),
    ("video/3gpp", &[(4, b"ftyp3g")]),
    ("video/mp4", &[(4, b"ftyp")]),
    ("video/webm", &[(0, b"\x1a\x45\xdf\xa3")]),
    ("video/x-msvideo", &[(0, b"RIFF"), (8, b"AVI ")]),
    ("audio/wav", &[(0, b"RIFF"), (8, b"WAVE")]),
    ("audio/ogg", &[(0, b"OggS")]),
    ("audio/flac", &[(0, b"fLaC")]),
    ("audio/amr", &[(0, b"#!AMR")]),
    ("audio/mpeg", &[(0, b"ID3\x02")]),
    ("audio/mpeg", &[(0, b"ID3\x03")]),
    ("audio/mpeg", &[(0, b"ID3\x04")]),
    ("audio/aac", &[(0, b"\xff\xf1")]),
    ("audio/aac", &[(0, b"\xff\xf9")]),
    ("audio/mpeg", &[(0, b"\xff\xfb")]),
    ("audio/mpeg", &[(0, b"\xff\xf3")]),
    ("audio/mpeg", &[(0, b"\xff\xf2")]),
    ("application/pdf", &[(0, b"%PDF-")]),
    ("application/zip", &[(0, b"PK\x03\x04")]),
    ("application/zip", &[(0, b"PK\x05\x06")]),
    ("application/gzip", &[(0, b"\x1f\x8b")]),
    ("application/vnd.rar", &[(0, b"Rar!\x1a\x07")]),
    ("application/x-7z-compressed", &[(0, b"7z\xbc\xaf\x27\x1c")]),
    ("application/wasm", &[(0, b"\0asm")]),
    ("application/x-elf", &[(0, b"\x7fELF")]),
    (
        "application/vnd.microsoft.portable-executable",
        &[(0, b"MZ\x90\0")],
    ),
    ("application/x-sh", &[(0, b"#!")]),
    ("application/rtf", &[(0, b"{\\rtf")]),
];

/// What a browser would run, by what it begins with, in lower case and without what is
/// before it: white space and comments.
const MARKUP: &[(&str, &str)] = &[
    ("image/svg+xml", "<svg"),
    ("text/html", "<!doctype html"),
    ("text/html", "<html"),
    ("text/html", "<head"),
    ("text/html", "<body"),
    ("text/html", "<script"),
    ("text/html", "<iframe"),
    ("text/xml", "<?xml"),
];

/// Types that are containers of what was said of them: the mark is that of the first.
const WITHIN: &[(&str, &[&str])] = &[
    ("application/zip", &["application/"]),
    ("audio/ogg", &["video/ogg", "application/ogg"]),
    (
        "video/webm",
        &["audio/webm", "video/x-matroska", "audio/x-matroska"],
    ),
    (
        "video/mp4",
        &[
            "audio/mp4",
            "audio/x-m4a",
            "video/quicktime",
            "video/x-m4v",
            "video/3gpp",
        ],
    ),
    ("video/3gpp", &["audio/3gpp", "video/3gpp2"]),
    ("audio/mp4", &["audio/x-m4a", "audio/m4a", "audio/aac"]),
    (
        "audio/wav",
        &["audio/x-wav", "audio/wave", "audio/vnd.wave"],
    ),
    ("audio/mpeg", &["audio/mp3"]),
    ("audio/flac", &["audio/x-flac"]),
    ("image/heic", &["image/heif"]),
    ("image/x-icon", &["image/vnd.microsoft.icon"]),
    ("text/xml", &["application/"]),
    ("application/gzip", &["application/"]),
];

/// What a file really is: what its `head` shows, or what was declared, as long as the two
/// can be true together.
#[must_use]
pub fn verified(head: &[u8], declared: Option<&str>) -> String {
    let declared = declared.and_then(essence);
    let shown = shown(head);
    match (shown, declared) {
        (Some(shown), Some(declared)) if is_within(&declared, shown) => declared,
        (Some(shown), _) => shown.to_owned(),
        // It would have shown.
        (None, Some(declared)) if has_mark(&declared) => UNKNOWN.to_owned(),
        (None, Some(declared)) => declared,
        (None, None) => UNKNOWN.to_owned(),
    }
}

/// Type and subtype alone, in lower case; none when it is no type.
#[must_use]
pub fn essence(mime_type: &str) -> Option<String> {
    let essence = mime_type.split(';').next()?.trim().to_ascii_lowercase();
    let (kind, subtype) = essence.split_once('/')?;
    let is_name = |part: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        (1..=127).contains(&part.len()) && part.bytes().all(known)
    };
    (is_name(kind) && is_name(subtype)).then_some(essence)
}

/// Whether a type fits one of these patterns, such as `image/*`.
#[must_use]
pub fn is_allowed(mime_type: &str, patterns: &[String]) -> bool {
    let fits = |pattern: &str, part: &str| pattern == "*" || pattern.eq_ignore_ascii_case(part);
    patterns.iter().any(|pattern| {
        let both = pattern.split_once('/').zip(mime_type.split_once('/'));
        both.is_some_and(|((kind, subtype), of)| fits(kind, of.0) && fits(subtype, of.1))
    })
}

fn shown(head: &[u8]) -> Option<&'static str> {
    let head = &head[..head.len().min(HEAD_BYTES)];
    let has = |(at, mark): &Mark| {
        let rest = head.get(*at..);
        rest.is_some_and(|rest| rest.starts_with(mark))
    };
    let marked = MARKS.iter().find(|(_, marks)| marks.iter().all(has));
    marked.map(|(kind, _)| *kind).or_else(|| markup(head))
}

fn markup(head: &[u8]) -> Option<&'static str> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut text = text.trim_start();
    while let Some((_, rest)) = text.strip_prefix("<!--").and_then(|c| c.split_once("-->")) {
        text = rest.trim_start();
    }
    if text.starts_with("<?xml") && text.contains("<svg") {
        return Some("image/svg+xml");
    }
    if text.starts_with("<?xml") && text.contains("<html") {
        return Some("application/xhtml+xml");
    }
    let found = MARKUP.iter().find(|(_, begins)| text.starts_with(begins));
    found.map(|(kind, _)| *kind)
}

fn is_within(declared: &str, shown: &str) -> bool {
    let inside = WITHIN.iter().find(|(outside, _)| *outside == shown);
    declared == shown
        || inside.is_some_and(|(_, inside)| {
            inside.iter().any(|one| {
                declared == *one
                    || one.ends_with('/') && declared.starts_with(one) && !has_mark(declared)
            })
        })
}

fn has_mark(mime_type: &str) -> bool {
    let marks = MARKS.iter().map(|(kind, _)| *kind);
    let markup = ["image/svg+xml", "application/xhtml+xml"];
    marks.chain(markup).any(|kind| kind == mime_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const MP4: &[u8] = b"\0\0\0\x20ftypisom";

    #[test]
    fn its_bytes_count_more_than_words() {
        for (head, declared, kind) in [
            (PNG, Some("image/png"), "image/png"),
            (PNG, Some("image/jpeg"), "image/png"),
            (PNG, Some("text/html"), "image/png"),
            (PNG, None, "image/png"),
            (b"\xff\xd8\xff\xe0", Some("image/png"), "image/jpeg"),
            (b"RIFF\x01\x02\x03\x04WEBP", None, "image/webp"),
            (b"<!DOCTYPE HTML>", Some("image/png"), "text/html"),
            (b"\xef\xbb\xbf \n<script>", Some("text/plain"), "text/html"),
            (b"<!-- a --><svg>", Some("image/png"), "image/svg+xml"),
            (b"<?xml version='1.0'?><svg>", None, "image/svg+xml"),
            (
                b"<?xml version='1.0'?><html>",
                Some("application/xml"),
                "application/xhtml+xml",
            ),
            (
                b"MZ\x90\0\x03",
                Some("image/gif"),
                "application/vnd.microsoft.portable-executable",
            ),
        ] {
            assert_eq!(verified(head, declared), kind, "{declared:?}");
        }
    }

    #[test]
    fn what_was_said_may_be_more_exact() {
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        for (head, declared) in [
            (&b"PK\x03\x04"[..], docx),
            (b"OggS", "video/ogg"),
            (MP4, "audio/mp4"),
            (MP4, "video/quicktime"),
            (b"hello", "text/plain"),
            (b"BMW or MZ?", "text/plain"),
            (b"a great WAVE", "text/plain"),
            (b"a,b", "text/csv"),
        ] {
            assert_eq!(verified(head, Some(declared)), declared);
        }
        assert_eq!(verified(MP4, Some("image/png")), "video/mp4");
        assert_eq!(
            verified(b"PK\x03\x04", Some("application/pdf")),
            "application/zip"
        );
    }

    #[test]
    fn what_would_have_shown_is_not_believed() {
        for declared in ["image/png", "video/mp4", "image/svg+xml", "application/pdf"] {
            assert_eq!(verified(b"hello", Some(declared)), UNKNOWN);
        }
        for nonsense in ["", "image", "image/", "a b/c", "image/p\r\nng"] {
            assert_eq!(verified(b"hello", Some(nonsense)), UNKNOWN, "{nonsense}");
        }
        assert_eq!(verified(b"", None), UNKNOWN);
    }

    #[test]
    fn parameters_and_case_are_of_no_consequence() {
        let said = "Text/Plain; charset=utf-8";
        assert_eq!(verified(b"hello", Some(said)), "text/plain");
    }

    #[test]
    fn patterns_stand_for_types() {
        let patterns = ["image/*".to_owned(), "Application/PDF".to_owned()];
        assert!(is_allowed("image/png", &patterns));
        assert!(is_allowed("application/pdf", &patterns));
        for other in ["video/mp4", "application/zip", "image"] {
            assert!(!is_allowed(other, &patterns), "{other}");
        }
        assert!(is_allowed("a/b", &["*/*".to_owned()]));
        assert!(!is_allowed("a/b", &[]));
    }
}
