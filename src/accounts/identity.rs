//! Who somebody says they are: pure.

use ruma::UserId;

use super::Refused;
use crate::matrix::bridges::{Bridge, Bridges};

/// As for every Matrix identifier; the columns are indexed.
const MAX_ID_BYTES: usize = 255;

/// Whether a Matrix id can be a customer's: a person on this homeserver.
pub(super) fn check_claim(
    matrix_user_id: &str,
    server_name: &str,
    bridges: &Bridges,
) -> Result<(), Refused> {
    let user = <&UserId>::try_from(matrix_user_id)
        .map_err(|_| Refused::Invalid("matrixUserId is no Matrix user id"))?;
    if matrix_user_id.len() > MAX_ID_BYTES || matrix_user_id.contains(char::is_control) {
        return Err(Refused::Invalid("matrixUserId is no Matrix user id"));
    }
    if user.server_name().as_str() != server_name {
        return Err(Refused::Forbidden("matrixUserId is not of this homeserver"));
    }
    // An application service can have a token made for anybody in its namespace.
    if bridges.is_ours(matrix_user_id) {
        return Err(Refused::Forbidden(
            "matrixUserId is a bridge's, not a person's",
        ));
    }
    Ok(())
}

/// The remote id in a `bridgeUserId`, which may also be the ghost's Matrix id, or
/// the person's own, which says nothing.
pub(super) fn remote_id(
    given: &str,
    bridge: &Bridge,
    matrix_user_id: &str,
) -> Result<Option<String>, Refused> {
    let given = given.trim();
    if given.is_empty() || given == matrix_user_id {
        return Ok(None);
    }
    let remote_id = bridge.external_id(given).unwrap_or(given);
    let is_matrix_id = remote_id.starts_with('@') && remote_id.contains(':');
    if is_matrix_id || remote_id.len() > MAX_ID_BYTES || remote_id.contains(char::is_control) {
        return Err(Refused::Invalid(
            "bridgeUserId is neither a remote id nor a ghost of the bridge",
        ));
    }
    Ok(Some(remote_id.to_owned()))
}

/// Text of somebody else's, fit to be stored: no U+0000, not empty, at most `most` characters.
pub(super) fn storable(text: &str, most: usize) -> Option<String> {
    let text = text.trim();
    let kept = text.chars().take(most);
    let clean = kept.map(|c| {
        if c == '\0' {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    });
    (!text.is_empty()).then(|| clean.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn bridges() -> Bridges {
        let bridge = config::Bridge {
            id: "meta".into(),
            network: "facebook".into(),
            bot: "@facebookbot:lab.local".into(),
            ghosts: r"@facebook_(?<id>.+):lab\.local".into(),
            as_token: None,
            provisioning_url: None,
            provisioning_secret: None,
            silent_after_seconds: 1800,
        };
        Bridges::new(&[bridge], "@tributary:lab.local".into()).unwrap()
    }

    fn claim(matrix_user_id: &str) -> Option<&'static str> {
        check_claim(matrix_user_id, "lab.local", &bridges())
            .err()
            .map(|refused| refused.code())
    }

    #[test]
    fn only_a_person_of_this_homeserver_owns_anything() {
        assert_eq!(claim("@alice:lab.local"), None);
        let long = format!("@{}:lab.local", "a".repeat(255));
        for (word, ids) in [
            (
                "invalid_request",
                ["", "alice", "@alice", "@a\u{0}b:lab.local", &long],
            ),
            (
                "forbidden",
                [
                    "@alice:other.local",
                    "@alice:lab.local:8448",
                    "@facebook_12:lab.local",
                    "@facebookbot:lab.local",
                    "@tributary:lab.local",
                ],
            ),
        ] {
            for id in ids {
                assert_eq!(claim(id), Some(word), "{id:?}");
            }
        }
    }

    #[test]
    fn a_bridge_user_id_comes_in_three_forms() {
        let bridges = bridges();
        let bridge = bridges.get("meta").unwrap();
        let remote = |given| remote_id(given, bridge, "@alice:lab.local");
        assert_eq!(remote(" 100012 ").unwrap().as_deref(), Some("100012"));
        assert_eq!(
            remote("@facebook_100012:lab.local").unwrap().as_deref(),
            Some("100012")
        );
        assert_eq!(remote("@alice:lab.local").unwrap(), None);
        assert_eq!(remote("").unwrap(), None);
        for wrong in ["@bob:lab.local", "1\u{0}2", &"1".repeat(256)] {
            assert!(remote(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn text_is_made_fit_for_the_database() {
        assert_eq!(storable(" a\u{0}b ", 10).as_deref(), Some("a\u{fffd}b"));
        assert_eq!(storable("äöü", 2).as_deref(), Some("äö"));
        assert_eq!(storable("  ", 2), None);
    }
}
