//! A JWT in its compact form (RFC 7519), taken apart without being believed.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::Value;

use super::Refusal;

const LONGEST: usize = 8 * 1024;

/// A token's three parts.
pub(super) struct Jwt<'t> {
    pub(super) header: Members,
    pub(super) claims: Members,
    /// What the signature signs.
    pub(super) message: &'t str,
    /// Still base64url, though known to be.
    pub(super) signature: &'t str,
}

impl<'t> Jwt<'t> {
    pub(super) fn split(token: &'t str) -> Result<Self, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::Unauthorized("too_long"));
        }
        let malformed = Refusal::Unauthorized("malformed");
        let (message, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = message.split_once('.').ok_or(malformed)?;
        match URL_SAFE_NO_PAD.decode(signature) {
            Ok(bytes) if !bytes.is_empty() => {}
            _ => return Err(malformed),
        }
        Ok(Self {
            header: members(header)?,
            claims: members(claims)?,
            message,
            signature,
        })
    }
}

fn members(part: &str) -> Result<Members, Refusal> {
    let malformed = Refusal::Unauthorized("malformed");
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed)?;
    serde_json::from_slice(&json).map_err(|_| malformed)
}

/// The members of a JSON object, each name once: with two, who reads the first and who reads
/// the last would see different tokens (RFC 7519 section 4).
pub(super) struct Members(BTreeMap<String, Value>);

impl Members {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;

        impl<'de> Visitor<'de> for Unique {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that names each member once")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Unique)
    }
}
