//! The text of extensible events, which clients that don't know the event's type show
//! instead (MSC1767, and polls by MSC3381), stable and unstable names.

use serde_json::{Map, Value};

/// Where a text may stand, itself or as a list of representations.
const TEXTS: [&str; 4] = [
    "m.text",
    "org.matrix.msc1767.text",
    "m.message",
    "org.matrix.msc1767.message",
];
/// What holds the text of a poll.
const POLLS: [&str; 4] = [
    "m.poll",
    "m.poll.start",
    "org.matrix.msc3381.poll.start",
    "org.matrix.msc3381.v2.poll",
];

/// The plain text of a content; none for one that is not extensible.
#[must_use]
pub fn text(content: &Map<String, Value>) -> Option<String> {
    representation(content, is_plain).or_else(|| {
        let question = POLLS
            .iter()
            .find_map(|poll| content.get(*poll)?.get("question")?.as_object())?;
        representation(question, is_plain).or_else(|| {
            let body = question.get("body").and_then(Value::as_str);
            body.map(str::to_owned)
        })
    })
}

/// The HTML of a content, not yet safe to show.
#[must_use]
pub fn html(content: &Map<String, Value>) -> Option<String> {
    let html = content.get("org.matrix.msc1767.html");
    html.and_then(Value::as_str)
        .map(str::to_owned)
        .or_else(|| representation(content, |mime| mime == Some("text/html")))
}

fn is_plain(mime: Option<&str>) -> bool {
    matches!(mime, None | Some("text/plain"))
}

fn representation(
    content: &Map<String, Value>,
    wanted: impl Fn(Option<&str>) -> bool,
) -> Option<String> {
    TEXTS.iter().find_map(|key| match content.get(*key)? {
        Value::String(text) => wanted(None).then(|| text.clone()),
        Value::Array(all) => all.iter().find_map(|one| {
            let mime = one.get("mimetype").and_then(Value::as_str);
            let body = one.get("body").and_then(Value::as_str)?;
            wanted(mime).then(|| body.to_owned())
        }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(content: &Value) -> (Option<String>, Option<String>) {
        let content = content.as_object().unwrap();
        (text(content), html(content))
    }

    #[test]
    fn the_text_is_found_wherever_it_stands() {
        let question = json!({"org.matrix.msc1767.text": "Where?"});
        for (content, expected) in [
            (json!({"m.text": "a"}), "a"),
            (json!({"org.matrix.msc1767.text": "a"}), "a"),
            (
                json!({"m.text": [{"body": "<b>", "mimetype": "text/html"}, {"body": "a"}]}),
                "a",
            ),
            (
                json!({"org.matrix.msc1767.message": [{"body": "a", "mimetype": "text/plain"}]}),
                "a",
            ),
            (
                json!({"org.matrix.msc3381.poll.start": {"question": question}}),
                "Where?",
            ),
            (
                json!({"m.poll": {"question": {"m.text": [{"body": "Where?"}]}}}),
                "Where?",
            ),
        ] {
            assert_eq!(of(&content).0.as_deref(), Some(expected), "{content}");
        }
    }

    #[test]
    fn html_is_what_says_so() {
        let content =
            json!({"m.text": [{"body": "<b>a</b>", "mimetype": "text/html"}, {"body": "a"}]});
        assert_eq!(of(&content), (Some("a".into()), Some("<b>a</b>".into())));
        assert_eq!(
            of(&json!({"org.matrix.msc1767.html": "<i>"})).1.as_deref(),
            Some("<i>")
        );
    }

    #[test]
    fn what_has_no_text_is_not_extensible() {
        for content in [
            json!({}),
            json!({"body": "a"}),
            json!({"m.text": 5}),
            json!({"m.text": [1, {"body": 2}]}),
            json!({"m.poll": "x"}),
            json!({"m.poll": {"question": []}}),
        ] {
            assert_eq!(of(&content), (None, None), "{content}");
        }
    }
}
