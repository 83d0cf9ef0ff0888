//! From what was written to what a key holds.

use std::net::SocketAddr;

use serde_yaml::Value;
use url::Url;

use super::{schema::Kind, tree::Tree};

/// Why a value cannot be taken. Neither part quotes the value: it may be a secret.
pub(super) struct Wrong {
    /// What is wrong, read after the key's name.
    pub(super) what: String,
    /// What would be right.
    pub(super) right: String,
}

impl Wrong {
    /// From its two parts.
    pub(super) fn new(what: impl Into<String>, right: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            right: right.into(),
        }
    }
}

/// Takes a value of the file for a key of this kind.
pub(super) fn from_yaml(kind: Kind, tree: Tree) -> Result<Value, Wrong> {
    match (kind, tree) {
        (Kind::Number(least, most), Tree::Number(number)) if (least..=most).contains(&number) => {
            Ok(number.into())
        }
        (Kind::Flag, Tree::Flag(flag)) => Ok(flag.into()),
        (Kind::Texts | Kind::Secrets, Tree::List(items)) => {
            items.into_iter().map(text_value).collect()
        }
        (Kind::Texts | Kind::Number(..) | Kind::Flag, _) => Err(mistaken(kind)),
        (_, Tree::Text(text)) => from_text(kind, text),
        (Kind::Text | Kind::Secret | Kind::Secrets, _) => Err(Wrong::new(
            "is no string",
            "a string, in quotes if it looks like a number, a list or a mapping",
        )),
        _ => Err(mistaken(kind)),
    }
}

/// Takes the text of a variable or a file for a key of this kind.
pub(super) fn from_text(kind: Kind, text: String) -> Result<Value, Wrong> {
    if text.is_empty() && !matches!(kind, Kind::Texts) {
        return Err(Wrong::new("is empty", "a value, or leave the key out"));
    }
    match kind {
        // Who writes a list of keys must not get one long key that nobody has.
        Kind::Secrets if is_bracketed(&text) => match serde_yaml::from_str(&text) {
            Ok(tree @ Tree::List(_)) => from_yaml(kind, tree),
            _ => Err(mistaken(Kind::Texts)),
        },
        Kind::Text | Kind::Secret | Kind::Secrets | Kind::Path => Ok(text.into()),
        Kind::Url => url(&text).map(Into::into),
        Kind::Address if text.parse::<SocketAddr>().is_ok() => Ok(text.into()),
        Kind::Choice(words) if words.contains(&text.as_str()) => Ok(text.into()),
        Kind::Number(..) | Kind::Flag => match serde_yaml::from_str(text.trim()) {
            Ok(tree @ (Tree::Number(_) | Tree::Flag(_))) => from_yaml(kind, tree),
            _ => Err(mistaken(kind)),
        },
        Kind::Texts => texts(&text),
        _ => Err(mistaken(kind)),
    }
}

fn is_bracketed(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('[') && text.ends_with(']')
}

/// A list in a variable: YAML in brackets, or separated by commas.
fn texts(text: &str) -> Result<Value, Wrong> {
    if text.trim_start().starts_with('[') {
        let tree = serde_yaml::from_str(text).unwrap_or(Tree::Other);
        return from_yaml(Kind::Texts, tree);
    }
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    Ok(items.map(Value::from).collect())
}

fn text_value(tree: Tree) -> Result<Value, Wrong> {
    match tree {
        Tree::Text(text) if !text.is_empty() => Ok(text.into()),
        _ => Err(Wrong::new(
            "has an item that is empty or no string",
            "a list of strings, in quotes if they look like numbers",
        )),
    }
}

fn url(text: &str) -> Result<String, Wrong> {
    let parsed = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    parsed
        .map(|_| text.to_owned())
        .ok_or_else(|| mistaken(Kind::Url))
}

fn mistaken(kind: Kind) -> Wrong {
    let (what, right) = match kind {
        Kind::Url => (
            "is no web address",
            "a URL such as `https://matrix.example.org`, `http` or `https`, without `?` or `#`",
        ),
        Kind::Address => (
            "is no address to listen on",
            "an IP address and a port, such as `127.0.0.1:29330`",
        ),
        Kind::Flag => ("is neither true nor false", "`true` or `false`"),
        Kind::Texts => ("is no list", "a list of strings such as `[\"a\", \"b\"]`"),
        Kind::Path => ("is no path", "the path of a file or folder, in quotes"),
        Kind::Number(least, most) => {
            return Wrong::new(
                "is no whole number in its range",
                format!("a number from {least} to {most}"),
            );
        }
        Kind::Choice(words) => {
            return Wrong::new(
                "is not one of its choices",
                format!("one of: {}", words.join(", ")),
            );
        }
        _ => ("cannot be read", "a value of the right kind"),
    };
    Wrong::new(what, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: Kind, text: &str) -> Option<Value> {
        from_text(kind, text.to_owned()).ok()
    }

    #[test]
    fn secrets_stay_strings_whatever_they_look_like() {
        for secret in ["0123", "[a, b]", "true", "null", "${X}"] {
            assert_eq!(text(Kind::Secret, secret), Some(Value::from(secret)));
        }
        for secret in ["0123", "a,b", "[a", "true", "null", "${X}"] {
            assert_eq!(text(Kind::Secrets, secret), Some(Value::from(secret)));
        }
        assert_eq!(text(Kind::Secret, ""), None);
    }

    #[test]
    fn several_keys_may_stand_in_one_variable() {
        let keys = |keys: &[&str]| Some(keys.iter().copied().map(Value::from).collect());
        assert_eq!(text(Kind::Secrets, "[a, b]"), keys(&["a", "b"]));
        assert_eq!(text(Kind::Secrets, r#" ["0123"] "#), keys(&["0123"]));
        for wrong in ["[123, b]", "[a, ]b]", "[a: b]", "[[a]]"] {
            assert_eq!(text(Kind::Secrets, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_unquoted_number_is_no_secret() {
        assert!(from_yaml(Kind::Secret, Tree::Number(123)).is_err());
    }

    #[test]
    fn numbers_have_bounds() {
        let kind = Kind::Number(1, 1000);
        assert_eq!(text(kind, "1000"), Some(Value::from(1000)));
        for wrong in ["0", "1001", "-1", "1.5", "many", "true", ""] {
            assert_eq!(text(kind, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lists_are_yaml_or_separated_by_commas() {
        let list = Some(["a", "b"].into_iter().map(Value::from).collect());
        assert_eq!(text(Kind::Texts, "[a, b]"), list);
        assert_eq!(text(Kind::Texts, "a, b"), list);
        assert_eq!(text(Kind::Texts, ""), Some(Value::Sequence(Vec::new())));
        assert_eq!(text(Kind::Texts, "[a"), None);
    }

    #[test]
    fn addresses_and_urls() {
        assert!(text(Kind::Address, "[::1]:80").is_some());
        assert!(text(Kind::Address, "localhost:80").is_none());
        assert!(text(Kind::Url, "https://a.example/b").is_some());
        for wrong in [
            "ftp://a.example",
            "a.example",
            "https://a.example/?q",
            "https://",
        ] {
            assert!(text(Kind::Url, wrong).is_none(), "{wrong}");
        }
    }
}
