//! The configured bridges, ready to be asked who is who.

use anyhow::Context as _;
use regex::Regex;

use crate::config;

/// One bridge.
#[derive(Debug, Clone)]
pub struct Bridge {
    /// Its name in Tributary's own API.
    pub id: String,
    /// The network it bridges.
    pub network: String,
    /// The Matrix id of its bot.
    pub bot: String,
    ghosts: Regex,
}

impl Bridge {
    /// The remote id of a ghost; none for anybody else.
    #[must_use]
    pub fn external_id<'a>(&self, user_id: &'a str) -> Option<&'a str> {
        Some(self.ghosts.captures(user_id)?.name("id")?.as_str())
    }
}

/// All of them.
#[derive(Debug, Clone)]
pub struct Bridges {
    all: Vec<Bridge>,
    sender_bot: String,
}

impl Bridges {
    /// Takes the bridges of a configuration; `sender_bot` is the Matrix id of the
    /// registration's `sender_localpart`.
    ///
    /// # Errors
    ///
    /// When a ghost pattern is no regular expression.
    pub fn new(bridges: &[config::Bridge], sender_bot: String) -> anyhow::Result<Self> {
        let compile = |bridge: &config::Bridge| {
            // The pattern describes a whole Matrix id.
            let ghosts = Regex::new(&format!("^(?:{})$", bridge.ghosts))
                .with_context(|| format!("the ghosts of bridge {} are no pattern", bridge.id))?;
            Ok(Bridge {
                id: bridge.id.clone(),
                network: bridge.network.clone(),
                bot: bridge.bot.clone(),
                ghosts,
            })
        };
        let all = bridges.iter().map(compile).collect::<anyhow::Result<_>>()?;
        Ok(Self { all, sender_bot })
    }

    /// Every bridge.
    pub fn iter(&self) -> std::slice::Iter<'_, Bridge> {
        self.all.iter()
    }

    /// The bridge of this name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Bridge> {
        self.all.iter().find(|bridge| bridge.id == id)
    }

    /// The bridge whose bot this is.
    #[must_use]
    pub fn of_bot(&self, user_id: &str) -> Option<&Bridge> {
        self.all.iter().find(|bridge| bridge.bot == user_id)
    }

    /// The remote id of a bridge's ghost; none for anybody else.
    #[must_use]
    pub fn external_id(&self, bridge_id: &str, user_id: &str) -> Option<String> {
        self.get(bridge_id)?.external_id(user_id).map(str::to_owned)
    }

    /// Whether a Matrix id belongs to a bridge or to Tributary, not to a person:
    /// such a one never owns anything.
    #[must_use]
    pub fn is_ours(&self, user_id: &str) -> bool {
        self.services().any(|service| service == user_id)
            || self
                .all
                .iter()
                .any(|bridge| bridge.external_id(user_id).is_some())
    }

    /// The Matrix ids that are nobody: every bridge's bot and the sender bot.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.all
            .iter()
            .map(|bridge| bridge.bot.as_str())
            .chain([self.sender_bot.as_str()])
    }

    /// The Matrix id of the registration's `sender_localpart`.
    #[must_use]
    pub fn sender_bot(&self) -> &str {
        &self.sender_bot
    }

    /// Each bridge's name with its network.
    #[must_use]
    pub fn networks(&self) -> Vec<(String, String)> {
        self.all
            .iter()
            .map(|bridge| (bridge.id.clone(), bridge.network.clone()))
            .collect()
    }
}

impl<'a> IntoIterator for &'a Bridges {
    type Item = &'a Bridge;
    type IntoIter = std::slice::Iter<'a, Bridge>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_ghost_has_a_remote_id_and_nobody_else() {
        let bridges = bridges();
        assert_eq!(
            bridges
                .external_id("meta", "@facebook_12:lab.local")
                .as_deref(),
            Some("12")
        );
        for other in [
            "@facebook_12:lab.localx",
            "x@facebook_12:lab.local",
            "@alice:lab.local",
        ] {
            assert_eq!(bridges.external_id("meta", other), None, "{other}");
        }
        assert_eq!(bridges.external_id("other", "@facebook_12:lab.local"), None);
    }

    #[test]
    fn bots_and_ghosts_are_ours() {
        let bridges = bridges();
        for ours in [
            "@facebookbot:lab.local",
            "@facebook_1:lab.local",
            "@tributary:lab.local",
        ] {
            assert!(bridges.is_ours(ours), "{ours}");
        }
        assert!(!bridges.is_ours("@alice:lab.local"));
    }
}
