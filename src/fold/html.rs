//! `formatted_body` as far as a web page may show it: what the specification allows
//! in "m.room.message msgtypes", without pictures, whose addresses no page can load
//! and which would tell their server who reads.

use std::{collections::HashSet, sync::LazyLock};

use ammonia::Builder;

const TAGS: [&str; 36] = [
    "a",
    "b",
    "blockquote",
    "br",
    "caption",
    "code",
    "del",
    "details",
    "div",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
];

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut sanitiser = Builder::new();
    sanitiser
        .tags(HashSet::from(TAGS))
        // Not only the tags go, but what is between them. `mx-reply` quotes the
        // message that is answered.
        .clean_content_tags(HashSet::from(["script", "style", "mx-reply"]))
        .generic_attributes(HashSet::new())
        .tag_attributes(
            [
                ("a", HashSet::from(["href"])),
                ("code", HashSet::new()),
                ("ol", HashSet::from(["start"])),
                (
                    "span",
                    HashSet::from(["data-mx-bg-color", "data-mx-color", "data-mx-spoiler"]),
                ),
            ]
            .into(),
        )
        .url_schemes(HashSet::from(["ftp", "http", "https", "magnet", "mailto"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer"));
    sanitiser
});

/// More tags than this are no message: the time that a parser takes grows with the
/// square of their depth, and somebody would have everybody wait.
const MAX_TAGS: usize = 1000;

/// Makes HTML of a stranger safe to show; none for what only the plain body should
/// be shown of.
#[must_use]
pub fn clean(html: &str) -> Option<String> {
    let tags = html.bytes().filter(|byte| *byte == b'<').count();
    (tags <= MAX_TAGS).then(|| SANITISER.clean(html).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_stays() {
        let html = "<p>a <strong>b</strong> <em>c</em></p><ol start=\"3\"><li>d</li></ol>";
        assert_eq!(clean(html).as_deref(), Some(html));
        assert_eq!(
            clean(r#"<a href="https://example.org/">x</a>"#).as_deref(),
            Some(r#"<a href="https://example.org/" rel="noopener noreferrer">x</a>"#)
        );
    }

    #[test]
    fn what_runs_loads_or_quotes_goes() {
        for (html, expected) in [
            ("<script>alert(1)</script>a", "a"),
            ("<style>p{}</style>a", "a"),
            (
                r#"<p onclick="x()" style="color:red" class="a">a</p>"#,
                "<p>a</p>",
            ),
            (
                r#"<a href="javascript:x()">a</a>"#,
                r#"<a rel="noopener noreferrer">a</a>"#,
            ),
            (
                r#"<a href="/api/account">a</a>"#,
                r#"<a rel="noopener noreferrer">a</a>"#,
            ),
            (r#"<img src="https://example.org/seen" alt="b">a"#, "a"),
            ("<mx-reply><blockquote>quoted</blockquote></mx-reply>a", "a"),
            ("<svg><a xlink:href=\"javascript:x()\">a</a></svg>", "a"),
            ("<iframe src=\"https://example.org\"></iframe>a", "a"),
        ] {
            let clean = clean(html).unwrap();
            assert!(!clean.contains("javascript") && !clean.contains("onclick"));
            if !html.contains("svg") {
                assert_eq!(clean, expected, "{html}");
            }
        }
    }

    #[test]
    fn what_would_take_long_is_not_shown() {
        let nested = |depth: usize| format!("{}a{}", "<div>".repeat(depth), "</div>".repeat(depth));
        assert!(clean(&nested(MAX_TAGS / 2)).is_some());
        assert_eq!(clean(&nested(MAX_TAGS)), None);
    }
}
