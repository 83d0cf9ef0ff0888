//! What no page may be handed, found without an HTML parser: what comes out of
//! the sanitizer is serialised, so its tags can be read as they are written.

/// Elements that run, load or send something, or whose content is not markup.
const HARMFUL: [&str; 25] = [
    "applet",
    "audio",
    "base",
    "button",
    "embed",
    "form",
    "frame",
    "iframe",
    "img",
    "input",
    "link",
    "math",
    "meta",
    "mx-reply",
    "noscript",
    "object",
    "picture",
    "plaintext",
    "script",
    "style",
    "svg",
    "template",
    "textarea",
    "video",
    "xmp",
];
/// Schemes of URLs that run something.
const RUN: [&str; 3] = ["data:", "javascript:", "vbscript:"];

/// # Panics
///
/// When a web page that shows this would do more than show it.
pub fn assert_harmless(html: &str) {
    let mut rest = html;
    while let Some((_, tag)) = rest.split_once('<') {
        let tag = tag.strip_prefix('/').unwrap_or(tag);
        let end = tag
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(tag.len());
        let name = tag[..end].to_ascii_lowercase();
        assert!(!name.is_empty(), "a < that begins no element");
        assert!(!HARMFUL.contains(&name.as_str()), "an element {name}");
        rest = attributes(&tag[end..]);
    }
}

/// Reads a tag's attributes; returns what follows the tag.
fn attributes(tag: &str) -> &str {
    let mut rest = tag.trim_start();
    loop {
        if let Some(behind) = rest.strip_prefix('>') {
            return behind;
        }
        let (name, value) = rest.split_once("=\"").unwrap_or((rest, ""));
        assert!(
            name.chars().all(|c| c.is_ascii_alphabetic() || c == '-'),
            "an attribute that cannot be read"
        );
        let (value, behind) = value.split_once('"').unwrap_or((value, ""));
        assert!(!behind.is_empty(), "a tag that does not end");
        attribute(&name.to_ascii_lowercase(), value);
        rest = behind.trim_start();
    }
}

fn attribute(name: &str, value: &str) {
    let harmful = name.starts_with("on") || ["formaction", "srcdoc", "style"].contains(&name);
    assert!(!harmful, "an attribute {name}");
    // As a browser reads it (URL Standard, "basic URL parser"): without regard to
    // case, to spaces and controls before it, and to tabs and newlines in it.
    let url: String = value
        .trim_start_matches(|c: char| c <= ' ')
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .collect();
    let url = url.to_ascii_lowercase();
    assert!(
        !["href", "src", "cite"].contains(&name)
            || !RUN.iter().any(|scheme| url.starts_with(scheme)),
        "a URL that runs something"
    );
}
