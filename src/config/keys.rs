//! An API key, or several of them while one is rotated.

use secrecy::SecretString;
use serde::Deserialize;

/// One key or a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct ApiKeys(pub Vec<SecretString>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(SecretString),
    Many(Vec<SecretString>),
}

impl From<OneOrMany> for ApiKeys {
    fn from(keys: OneOrMany) -> Self {
        match keys {
            OneOrMany::One(key) => Self(vec![key]),
            OneOrMany::Many(keys) => Self(keys),
        }
    }
}
