//! What signs a user of the development key in at the console.
//!
//! A session token lives for minutes, a page for hours: somebody has to hand out new
//! ones. Whoever holds the key can make a user's pass, and whoever holds the pass gets
//! this user's tokens for as long as the key is the same.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::{clerk::is_id, dev::MintError, digest::sha256, rsa::SigningKey};

const DOMAIN: &str = "tributary/development-pass";

/// A user's pass: 22 characters of base64url.
///
/// It is a digest of a signature, which RS256 makes always alike and nobody without the
/// key can.
///
/// # Errors
///
/// [`MintError`] when there could be no token of this user.
pub fn pass_of(key_pem: &SecretString, user_id: &str) -> Result<SecretString, MintError> {
    if !is_id(user_id, "user_") {
        return Err(MintError::UserId);
    }
    let key = SigningKey::from_pem(key_pem.expose_secret())?;
    // No token's message: those have two parts of base64url with a dot between them.
    let signature = key.sign(&format!("{DOMAIN}:{user_id}"))?;
    let hash = sha256(DOMAIN, &signature);
    Ok(URL_SAFE_NO_PAD.encode(&hash[..16]).into())
}

/// Whether `given` is the user's pass.
#[must_use]
pub fn is_pass_of(key_pem: &SecretString, user_id: &str, given: &SecretString) -> bool {
    pass_of(key_pem, user_id).is_ok_and(|pass| {
        let hash = |text: &SecretString| sha256(DOMAIN, text.expose_secret());
        bool::from(hash(&pass).ct_eq(&hash(given)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::{other_key, test_key};

    #[test]
    fn a_pass_is_of_one_user_and_one_key() {
        let key = &test_key().pkcs8.as_str().into();
        let pass = pass_of(key, "user_a").unwrap();
        assert_eq!(pass.expose_secret().len(), 22);
        assert!(is_pass_of(key, "user_a", &pass));
        assert!(!is_pass_of(key, "user_b", &pass));
        assert!(!is_pass_of(
            &other_key().pkcs8.as_str().into(),
            "user_a",
            &pass
        ));
        for wrong in ["", "A", &format!("{}A", pass.expose_secret())] {
            assert!(!is_pass_of(key, "user_a", &(*wrong).into()), "{wrong}");
        }
    }

    #[test]
    fn only_what_clerk_could_call_a_user_has_one() {
        let key = &test_key().pkcs8.as_str().into();
        for user in ["", "alice", "user_", "user_a b", "org_a"] {
            assert!(pass_of(key, user).is_err(), "{user}");
        }
    }
}
