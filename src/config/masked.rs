//! Showing a configuration without its secrets.
//!
//! `secrecy` gives its strings no `Serialize`: a secret field that forgets to name one of
//! these functions does not compile.

use secrecy::SecretString;
use serde::{Serialize, Serializer};
use url::Url;

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// An optional secret.
#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
pub(super) fn secret<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| MASK).serialize(serializer)
}

/// A URL, without its password.
pub(super) fn url<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    without_secrets(url.as_str()).serialize(serializer)
}

/// An optional URL, without its password.
#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
pub(super) fn optional_url<S: Serializer>(
    url: &Option<Url>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let url = url.as_ref().map(|url| without_secrets(url.as_str()));
    url.serialize(serializer)
}

/// The URL of a media store, without its keys.
pub(super) fn store<S: Serializer>(store: &str, serializer: S) -> Result<S::Ok, S::Error> {
    without_secrets(store).serialize(serializer)
}

/// A URL whose password and secret parameters are masked; if it cannot be parsed, nothing
/// of it is shown.
pub(super) fn without_secrets(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else {
        return MASK.to_owned();
    };
    if parsed.password().is_some() && parsed.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    if parsed.query_pairs().any(|(name, _)| is_secret(&name)) {
        let pairs: Vec<_> = parsed.query_pairs().into_owned().collect();
        let mut query = parsed.query_pairs_mut();
        query.clear();
        for (name, value) in pairs {
            let value = if is_secret(&name) { MASK } else { &value };
            query.append_pair(&name, value);
        }
    }
    parsed.to_string()
}

fn is_secret(parameter: &str) -> bool {
    let parameter = parameter.to_lowercase();
    ["password", "secret", "token", "key"]
        .iter()
        .any(|word| parameter.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_keys_are_masked() {
        for (url, shown) in [
            ("postgres://u:hunter2@db/t", "postgres://u:***@db/t"),
            (
                "postgres:///t?password=hunter2&host=/s",
                "postgres:///t?password=***&host=%2Fs",
            ),
            (
                "s3://b?secret_access_key=hunter2",
                "s3://b?secret_access_key=***",
            ),
            ("https://matrix.example.org/", "https://matrix.example.org/"),
            ("hunter2", "***"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
