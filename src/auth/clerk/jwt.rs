//! A JWT in its compact form (RFC 7519), taken apart without being believed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
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
    let json = str::from_utf8(&json).map_err(|_| malformed)?;
    serde_json::from_str(json).map_err(|_| malformed)
}

/// The members of a header or of claims that are judged. Whatever else there is belongs to the
/// owner of the Clerk instance, who may add any JSON to session tokens: it is not even kept.
const JUDGED: [&str; 14] = [
    "act", "alg", "azp", "cat", "crit", "exp", "iat", "iss", "kid", "nbf", "sid", "sts", "sub",
    "typ",
];

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
                let (mut members, mut names) = (BTreeMap::new(), BTreeSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if JUDGED.contains(&name.as_str()) {
                        let Flat(value) = map.next_value()?;
                        members.insert(name.clone(), value);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                    if !names.insert(name) {
                        return Err(A::Error::custom("a member twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Unique)
    }
}

/// A value as far as anybody here looks into it: what is in an array or an object is read
/// past. A stranger can fill one with thousands of values, and no claim of ours is one.
struct Flat(Value);

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shallow;

        impl<'de> Visitor<'de> for Shallow {
            type Value = Flat;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E: Error>(self) -> Result<Flat, E> {
                Ok(Flat(Value::Null))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Flat, E> {
                Ok(Flat(value.into()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Flat, E> {
                Ok(Flat(value.into()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Flat, E> {
                Ok(Flat(value.into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Flat, E> {
                Ok(Flat(value.into()))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Flat, E> {
                Ok(Flat(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Flat, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Flat(Value::Array(Vec::new())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flat, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Flat(Value::Object(serde_json::Map::new())))
            }
        }

        deserializer.deserialize_any(Shallow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_far_as_they_are_looked_into() {
        let text = r#"{"sub":"a\u00e9","exp":18446744073709551615,"iat":-1,"nbf":0.5,"sts":true,
                       "azp":null,"crit":[[1],{"x":1,"x":2}],"act":{"x":{"y":[]}},"o":{"x":1}}"#;
        let Members(read) = serde_json::from_str(text).unwrap();
        let expected = serde_json::json!({
            "sub": "aé", "exp": u64::MAX, "iat": -1, "nbf": 0.5, "sts": true,
            "azp": null, "crit": [], "act": {},
        });
        assert_eq!(serde_json::to_value(read).unwrap(), expected);
        for wrong in [r#"{"a":1,"a":1}"#, r#"{"a":[}"#, r#"{"a":[1}"#, "[]"] {
            assert!(serde_json::from_str::<Members>(wrong).is_err(), "{wrong}");
        }
        let deep = format!(r#"{{"a":{}}}"#, "[".repeat(4000));
        assert!(serde_json::from_str::<Members>(&deep).is_err());
    }
}
