//! `bridges`: whose portals are ingested.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Homeserver, Server,
    error::Report,
    ghosts, keys, masked,
    schema::{Key, Kind},
};

pub(super) const KEYS: &[Key] = &[
    Key::required("id", Kind::Text),
    Key::required("network", Kind::Text),
    Key::required("bot", Kind::Text),
    Key::required("ghosts", Kind::Text),
    Key::new("as_token", Kind::Secret),
    Key::new("provisioning_url", Kind::Url),
    Key::new("provisioning_secret", Kind::Secret),
    Key::new("silent_after_seconds", Kind::Number(1, 7 * 24 * 60 * 60)),
];

/// One bridge.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// The name it has in Tributary's own API.
    pub id: String,
    /// The network it bridges, as conversations show it.
    pub network: String,
    /// The Matrix id of its bot.
    pub bot: String,
    /// A regular expression over whole Matrix ids with a group named `id`, the remote id;
    /// [`ghosts::compile`] anchors it.
    pub ghosts: String,
    /// The bridge's own `as_token`, with which it pushes its states.
    #[serde(default, serialize_with = "masked::secret")]
    pub as_token: Option<SecretString>,
    /// The base URL of its provisioning API.
    #[serde(default, serialize_with = "masked::optional_url")]
    pub provisioning_url: Option<Url>,
    /// The shared secret of its provisioning API.
    #[serde(default, serialize_with = "masked::secret")]
    pub provisioning_secret: Option<SecretString>,
    /// After how many seconds without an event or a status it is asked whether it is there.
    #[serde(default = "silent_after_seconds")]
    pub silent_after_seconds: u64,
}

/// At night nobody writes for hours, so this alone means nothing: it only makes Tributary ask.
const fn silent_after_seconds() -> u64 {
    30 * 60
}

/// Checks the bridges one by one and against each other.
pub(super) fn check(
    bridges: &[Bridge],
    homeserver: &Homeserver,
    server: &Server,
    report: &mut Report,
) {
    for (index, bridge) in bridges.iter().enumerate() {
        let path = |key: &str| format!("bridges[{index}].{key}");
        bridge.check(path, homeserver, server, report);
        if bridges[..index].iter().any(|other| other.id == bridge.id) {
            report.add(&path("id"), "is taken by a bridge above", "a unique name");
        }
        if bridges[..index].iter().any(|other| other.bot == bridge.bot) {
            report.add(&path("bot"), "is the bot of a bridge above", "its own bot");
        }
    }
}

impl Bridge {
    /// Its provisioning API and the secret for it, when it may be asked.
    #[must_use]
    pub fn provisioning(&self) -> Option<(&Url, &SecretString)> {
        self.provisioning_url
            .as_ref()
            .zip(self.provisioning_secret.as_ref())
    }

    fn check(
        &self,
        path: impl Fn(&str) -> String,
        homeserver: &Homeserver,
        server: &Server,
        report: &mut Report,
    ) {
        if !is_word(&self.id) {
            let right = "a name of a-z, 0-9, `-` and `_`: it is part of URLs";
            report.add(&path("id"), "cannot be used in a URL", right);
        }
        if !is_word(&self.network) {
            let right = "a word such as `facebook` or `instagram`";
            report.add(&path("network"), "is no name of a network", right);
        }
        let server_name = &homeserver.server_name;
        // What is no name of a server must not be advised either.
        let is_name = <&ruma::ServerName>::try_from(server_name.as_str()).is_ok();
        let example = if is_name { server_name } else { "example.org" };
        let bot = <&ruma::UserId>::try_from(self.bot.as_str());
        if !bot.is_ok_and(|bot| bot.server_name().as_str() == server_name) {
            let what = "is no Matrix id on homeserver.server_name";
            let right = format!("such as `@facebookbot:{example}`");
            report.add(&path("bot"), what, right);
        }
        let spelt = ghosts::server_name(&self.ghosts);
        if let Some(other) = spelt.filter(|spelt| spelt != server_name) {
            let what = format!("matches ids of {other}, which is not homeserver.server_name");
            let right = format!("such as `@facebook_(?<id>.+):{}`", regex::escape(example));
            report.add(&path("ghosts"), what, right);
        }
        if let Err(what) = ghosts::compile(&self.ghosts) {
            let example = example.replace('.', "\\.");
            let right = format!("such as `@facebook_(?<id>.+):{example}`");
            report.add(&path("ghosts"), what, right);
        }
        match (&self.provisioning_url, &self.provisioning_secret) {
            (Some(_), None) => {
                let right = "the `provisioning.shared_secret` of the bridge's configuration";
                report.add(&path("provisioning_secret"), "is missing", right);
            }
            (None, Some(_)) => {
                let right = "where the bridge listens, such as `http://127.0.0.1:29319`";
                report.add(&path("provisioning_url"), "is missing", right);
            }
            _ => {}
        }
        if let Some(secret) = &self.provisioning_secret {
            keys::check_length(secret, &path("provisioning_secret"), server, report);
        }
    }
}

fn is_word(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    !name.is_empty() && name.chars().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge() -> Bridge {
        Bridge {
            id: "meta".to_owned(),
            network: "facebook".to_owned(),
            bot: "@facebookbot:lab.local".to_owned(),
            ghosts: r"@facebook_(?<id>.+):lab\.local".to_owned(),
            as_token: None,
            provisioning_url: None,
            provisioning_secret: None,
            silent_after_seconds: 1800,
        }
    }

    fn wrong(bridges: &[Bridge]) -> Vec<String> {
        let homeserver = Homeserver {
            url: "http://127.0.0.1:8008".parse().unwrap(),
            server_name: "lab.local".to_owned(),
        };
        let mut report = Report::default();
        let open = Server {
            bind: "0.0.0.0:29330".parse().unwrap(),
            ..Server::default()
        };
        check(bridges, &homeserver, &open, &mut report);
        report.keys().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_bridge_as_people_have_it_is_right() {
        assert!(wrong(&[bridge()]).is_empty());
    }

    #[test]
    fn ids_and_bots_are_unique() {
        let expected = ["bridges[1].id", "bridges[1].bot"];
        assert_eq!(wrong(&[bridge(), bridge()]), expected);
    }

    #[test]
    fn the_bot_lives_on_the_homeserver() {
        for bot in ["facebookbot", "@facebookbot:example.org", "@facebookbot"] {
            let bot = bot.to_owned();
            assert_eq!(wrong(&[Bridge { bot, ..bridge() }]), ["bridges[0].bot"]);
        }
    }

    #[test]
    fn ghosts_live_on_the_homeserver() {
        let ghosts = r"@facebook_(?<id>.+):example\.org".to_owned();
        let bridge = Bridge { ghosts, ..bridge() };
        assert_eq!(wrong(&[bridge]), ["bridges[0].ghosts"]);
    }

    #[test]
    fn ghosts_name_the_remote_id() {
        let ghosts = "@facebook_.+".to_owned();
        let bridge = Bridge { ghosts, ..bridge() };
        assert_eq!(wrong(&[bridge]), ["bridges[0].ghosts"]);
    }

    #[test]
    fn a_provisioning_api_is_of_no_use_without_its_secret() {
        let url = Bridge {
            provisioning_url: "http://127.0.0.1:29319".parse().ok(),
            ..bridge()
        };
        assert_eq!(wrong(&[url]), ["bridges[0].provisioning_secret"]);
        let secret = Bridge {
            provisioning_secret: Some("0123456789abcdef".into()),
            ..bridge()
        };
        assert_eq!(wrong(&[secret]), ["bridges[0].provisioning_url"]);
    }

    #[test]
    fn the_bridge_takes_no_shorter_secret_either() {
        let provisioning_secret = Some("fifteen letters".into());
        let bridge = Bridge {
            id: "Meta/1".to_owned(),
            provisioning_url: "http://127.0.0.1:29319".parse().ok(),
            provisioning_secret,
            ..bridge()
        };
        let expected = ["bridges[0].id", "bridges[0].provisioning_secret"];
        assert_eq!(wrong(&[bridge]), expected);
    }
}
