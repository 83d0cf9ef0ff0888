//! The regular expression of a bridge's ghosts.

use regex::Regex;

/// Compiles `ghosts` so that it matches whole Matrix ids only.
///
/// # Errors
///
/// When it is no regular expression, has no group named `id`, or uses what Python's `re`
/// does not know: Synapse compiles the same expression from the registration. The text is
/// read after the key's name.
pub fn compile(ghosts: &str) -> Result<Regex, String> {
    // Alone first: what only compiles inside the wrapping, such as `a)|(b`, is no expression.
    let regex = Regex::new(ghosts)
        .and_then(|_| Regex::new(&format!("^(?:{ghosts})$")))
        .map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            format!("is no regular expression: {reason}")
        })?;
    if !regex.capture_names().flatten().any(|name| name == "id") {
        return Err("has no group named `id`".to_owned());
    }
    plain(ghosts)?;
    Ok(regex)
}

/// The same expression with plain groups instead of named ones, for the registration:
/// Python spells names differently from what the Matrix ecosystem's other tools accept.
///
/// # Errors
///
/// When Python's `re` would not take it; the text is read after the key's name.
pub fn plain(ghosts: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(ghosts.len());
    let mut rest = ghosts;
    let mut in_class = false;
    let mut quantified = false;
    while let Some(c) = rest.chars().next() {
        let token = token(rest, in_class)?;
        let is_quantifier = !in_class && matches!(c, '*' | '+' | '{');
        if is_quantifier && quantified {
            return Err(unknown_to_python("a repeated repetition"));
        }
        quantified = is_quantifier || (!in_class && matches!(c, '?' | '}'));
        match c {
            '[' if in_class => return Err(unknown_to_python("a class inside a class")),
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        plain.push_str(if c == '(' && !in_class {
            group(token)
        } else {
            token
        });
        rest = &rest[token.len()..];
    }
    Ok(plain)
}

/// The server name that all ids end with, as far as the expression spells one out.
#[must_use]
pub fn server_name(ghosts: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '\\');
    let spelt = ghosts
        .trim_end_matches('$')
        .rsplit(|c| !is_plain(c))
        .next()?;
    let (_, server_name) = spelt.split_once(':')?;
    Some(server_name.replace('\\', ""))
}

/// The next piece that has to be looked at as a whole.
fn token(rest: &str, in_class: bool) -> Result<&str, String> {
    let mut chars = rest.char_indices();
    let first = chars.next().map(|(_, c)| c);
    match first {
        Some('\\') => {
            let escaped = chars.next().map_or('\\', |(_, c)| c);
            if escaped.is_ascii_alphanumeric() && !"dDwWsSbBntrfv".contains(escaped) {
                return Err(unknown_to_python(&format!("`\\{escaped}`")));
            }
            Ok(&rest[..=escaped.len_utf8()])
        }
        Some('(') if !in_class && rest.starts_with("(?") => {
            if rest.starts_with("(?:") {
                return Ok(&rest[..3]);
            }
            let named = rest.starts_with("(?<") || rest.starts_with("(?P<");
            match rest.find('>') {
                Some(end) if named => Ok(&rest[..=end]),
                _ => Err(unknown_to_python("a group that is neither named nor `(?:`")),
            }
        }
        Some(c) if in_class && matches!(c, '&' | '-' | '~') && rest[1..].starts_with(c) => {
            Err(unknown_to_python("set operations inside a class"))
        }
        _ => Ok(chars.next().map_or(rest, |(next, _)| &rest[..next])),
    }
}

fn group(token: &str) -> &str {
    if token == "(?:" { token } else { "(" }
}

fn unknown_to_python(what: &str) -> String {
    format!("has {what}, which Python's `re`, and so Synapse, does not take")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_known_where_it_is_spelt_out() {
        for (ghosts, spelt) in [
            (r"@facebook_(?<id>.+):lab\.local", Some("lab.local")),
            (r"@facebook_(?<id>.+):lab.local$", Some("lab.local")),
            (
                r"@f_(?<id>\d+):matrix\.a-b\.example:8448",
                Some("matrix.a-b.example:8448"),
            ),
            (r"@f_(?<id>\d+):.*", None),
            (r"@f_(?<id>\d+):(?:a|b)\.example", None),
            (r"@f_(?<id>.+)", None),
        ] {
            assert_eq!(server_name(ghosts).as_deref(), spelt, "{ghosts}");
        }
    }

    #[test]
    fn the_named_group_becomes_plain() {
        for (named, expected) in [
            (
                r"@facebook_(?<id>.+):lab\.local",
                r"@facebook_(.+):lab\.local",
            ),
            (
                r"@meta_(?P<id>[0-9]{1,20}):(?:a|b)",
                r"@meta_([0-9]{1,20}):(?:a|b)",
            ),
            (r"@a\(?(?<id>[(?<x>]+?)", r"@a\(?([(?<x>]+?)"),
        ] {
            assert_eq!(plain(named).as_deref(), Ok(expected));
            assert!(compile(named).is_ok(), "{named}");
        }
    }

    #[test]
    fn it_matches_whole_ids() {
        let regex = compile(r"@facebook_(?<id>[^:]+):lab\.local|@fb_.+").unwrap();
        let id = |mxid: &str| Some(regex.captures(mxid)?.name("id")?.as_str().to_owned());
        assert_eq!(id("@facebook_100:lab.local").as_deref(), Some("100"));
        assert_eq!(id("x@facebook_100:lab.local"), None);
        assert_eq!(id("@facebook_100:lab.local.evil"), None);
    }

    #[test]
    fn what_only_rust_understands_is_refused() {
        for only_rust in [
            r"@(?<id>\p{L}+)",
            r"@(?<id>[a-z&&[^x]])",
            r"@(?<id>[[:alpha:]]+)",
            r"(?i)@(?<id>.+)",
            r"@(?<id>\x{40}+)",
            r"@(?<id>a**)",
            r"@(?<id>a{2}+)",
        ] {
            let error = compile(only_rust).unwrap_err();
            assert!(error.contains("Python"), "{only_rust}: {error}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert!(compile("@facebook_.+").unwrap_err().contains("`id`"));
        assert!(compile("@a(?<id>.+)b)|(?:c").is_err());
        assert!(
            compile("@facebook_(?<id>.+")
                .unwrap_err()
                .contains("unclosed group")
        );
    }
}
