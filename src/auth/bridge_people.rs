//! Matrix ids that are nobody's account: ghosts, bridge bots and the sender bot.
//!
//! An application service can mint an OpenID token for any user in its namespace, so such a
//! token proves nothing and such a user never owns a connection.

use regex::{Regex, RegexSet};

use crate::config::Bridge;

/// The ids that bridges and Tributary itself act as.
#[derive(Debug, Clone)]
pub struct BridgePeople {
    bots: Vec<String>,
    ghosts: RegexSet,
}

impl BridgePeople {
    /// Of the configured bridges, and `sender_bot`, the registration's own user.
    ///
    /// # Errors
    ///
    /// When a bridge's `ghosts` is no regular expression.
    pub fn new(bridges: &[Bridge], sender_bot: &str) -> Result<Self, regex::Error> {
        // Each on its own first: `a)|(b` is not an expression, though it is one in parentheses.
        for bridge in bridges {
            Regex::new(&bridge.ghosts)?;
        }
        let whole_ids = bridges
            .iter()
            .map(|bridge| format!("^(?:{})$", bridge.ghosts));
        let mut bots: Vec<_> = bridges.iter().map(|bridge| bridge.bot.clone()).collect();
        bots.push(sender_bot.to_owned());
        Ok(Self {
            bots,
            ghosts: RegexSet::new(whole_ids)?,
        })
    }

    /// Whether `user_id` is one of them.
    #[must_use]
    pub fn contains(&self, user_id: &str) -> bool {
        self.bots.iter().any(|bot| bot == user_id) || self.ghosts.is_match(user_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(id: &str, ghosts: &str) -> Bridge {
        Bridge {
            id: id.to_owned(),
            network: "facebook".to_owned(),
            bot: format!("@{id}bot:lab.local"),
            ghosts: ghosts.to_owned(),
            as_token: None,
            provisioning_url: None,
            provisioning_secret: None,
            silent_after_seconds: 1800,
        }
    }

    #[test]
    fn ghosts_and_bots_are_nobody() {
        let bridges = [
            bridge("facebook", r"@facebook_(?<id>.+):lab\.local"),
            bridge(
                "instagram",
                r"@ig_(?<id>[0-9]+):lab\.local|@insta_(?<id2>.+):lab\.local",
            ),
        ];
        let people = BridgePeople::new(&bridges, "@tributary:lab.local").expect("regexes");
        for (user_id, expected) in [
            ("@facebook_1:lab.local", true),
            ("@ig_12:lab.local", true),
            ("@insta_x:lab.local", true),
            ("@facebookbot:lab.local", true),
            ("@instagrambot:lab.local", true),
            ("@tributary:lab.local", true),
            ("@alice:lab.local", false),
            ("@facebook_:lab.local", false),
            ("@facebook_1:lab.local.example", false),
            ("@facebook_1:labxlocal", false),
            ("@ig_x:lab.local", false),
            ("@x@ig_1:lab.local", false),
        ] {
            assert_eq!(people.contains(user_id), expected, "{user_id}");
        }
    }

    #[test]
    fn a_broken_expression_is_refused() {
        for ghosts in ["(", "a)|(b"] {
            assert!(
                BridgePeople::new(&[bridge("x", ghosts)], "@t:x").is_err(),
                "{ghosts}"
            );
        }
    }
}
