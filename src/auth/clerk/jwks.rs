//! PURE: a JSON Web Key Set (RFC 7517), as far as RS256 goes.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use crate::auth::rsa::PublicKey;

/// Keys by `kid`.
pub(super) type KeysById = HashMap<String, Arc<PublicKey>>;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct RsaJwk {
    kty: String,
    kid: String,
    n: String,
    e: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
}

/// The keys of a set that can verify a session token; the others are for somebody else.
/// `None` when there is none of ours: that is no set to replace a good one with.
pub(super) fn parse(json: &[u8]) -> Option<KeysById> {
    let set: Set = serde_json::from_slice(json).ok()?;
    let keys: KeysById = set.keys.into_iter().filter_map(usable).collect();
    (!keys.is_empty()).then_some(keys)
}

fn usable(jwk: Value) -> Option<(String, Arc<PublicKey>)> {
    let jwk: RsaJwk = serde_json::from_value(jwk).ok()?;
    let ours = jwk.kty == "RSA"
        && jwk.alg.is_none_or(|alg| alg == "RS256")
        && jwk.usage.is_none_or(|usage| usage == "sig");
    let key = PublicKey::from_components(&jwk.n, &jwk.e).ok()?;
    ours.then(|| (jwk.kid, Arc::new(key)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::testing::test_key;

    fn ids(keys: &Value) -> Option<Vec<String>> {
        let set = parse(json!({ "keys": keys }).to_string().as_bytes())?;
        Some(set.into_keys().collect())
    }

    fn with(name: &str, value: impl Into<Value>) -> Value {
        let mut jwk = test_key().jwk("theirs");
        jwk[name] = value.into();
        jwk
    }

    #[test]
    fn keys_for_somebody_else_are_left_out() {
        let ours = test_key().jwk("ours");
        for theirs in [
            json!({"kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA"}),
            json!({"kty": "OKP", "kid": "ed"}),
            json!("a text"),
            with("kty", "EC"),
            with("alg", "RS512"),
            with("use", "enc"),
            with("kid", Value::Null),
            with("n", "AQAB"),
            with("n", "not base64!"),
            with("e", "="),
        ] {
            assert_eq!(
                ids(&json!([theirs, ours])),
                Some(vec!["ours".to_owned()]),
                "{theirs}"
            );
            assert_eq!(ids(&json!([theirs])), None, "{theirs}");
        }
    }

    #[test]
    fn what_a_key_need_not_say_may_be_absent() {
        let mut jwk = test_key().jwk("ours");
        let members = jwk.as_object_mut().expect("an object");
        members.remove("use");
        members.remove("alg");
        assert_eq!(ids(&json!([jwk])), Some(vec!["ours".to_owned()]));
    }

    #[test]
    fn what_is_no_set_gives_no_keys() {
        for json in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"keys": {}}"#,
            r#"{"keys": []}"#,
            "<html>",
        ] {
            assert!(parse(json.as_bytes()).is_none(), "{json}");
        }
    }
}
