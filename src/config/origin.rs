//! Origins as browsers send them.

use url::{Origin, Url};

/// Checks one item of `server.allowed_origins`: `null`, `scheme://host[:port]` or a custom
/// scheme such as `app://local`, exactly as a browser spells it.
pub(super) fn check(origin: &str) -> Result<(), (&'static str, String)> {
    if origin == "null" {
        return Ok(());
    }
    if origin.contains('*') {
        let right = "every origin by itself: anybody's page could act for a signed-in user";
        return Err(("has a wildcard", right.to_owned()));
    }
    let Some((scheme, host)) = origin.split_once("://") else {
        let right = "`https://app.example.org`, `app://local` or `null`";
        return Err(("has an item that is no origin", right.to_owned()));
    };
    match Url::parse(origin).map(|url| url.origin()) {
        Ok(Origin::Opaque(_)) | Err(_) if is_custom(scheme, host) => Ok(()),
        Ok(parsed @ Origin::Tuple(..)) if parsed.ascii_serialization() == origin => Ok(()),
        Ok(parsed @ Origin::Tuple(..)) => {
            let right = format!("`{}`", parsed.ascii_serialization());
            Err(("has an item that no browser sends in this form", right))
        }
        _ => {
            let right = "`scheme://host[:port]`, lower-case and without a path";
            Err(("has an item that is no origin", right.to_owned()))
        }
    }
}

fn is_custom(scheme: &str, host: &str) -> bool {
    !matches!(scheme, "http" | "https" | "ws" | "wss" | "ftp")
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
        && !host.contains(|c: char| c.is_whitespace() || "/?#".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_and_shells_send() {
        for right in [
            "null",
            "https://app.example.org",
            "http://localhost:3000",
            "http://[::1]:3000",
            "app://local",
            "file://",
            "capacitor://localhost",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
    }

    #[test]
    fn what_would_never_match() {
        for (wrong, right) in [
            ("https://app.example.org/", "`https://app.example.org`"),
            ("https://app.example.org/path", "`https://app.example.org`"),
            ("https://App.Example.org", "`https://app.example.org`"),
            ("https://app.example.org:443", "`https://app.example.org`"),
        ] {
            assert_eq!(check(wrong).unwrap_err().1, right);
        }
        for wrong in [
            "*",
            "https://*.example.org",
            "app.example.org",
            "",
            "app://a/b",
            "https://",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
