//! `manager`: the desktop companion's door.

use serde::{Deserialize, Serialize};

use super::{
    Admin, ApiKeys, Server,
    error::Report,
    schema::{Key, Kind},
};

pub(super) const KEYS: &[Key] = &[
    Key::new("api_key", Kind::Secrets),
    Key::new("ownership_proof", Kind::Choice(&["required", "trusted"])),
];

/// `manager`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manager {
    /// The key that the companion sends; it ships in a desktop program, so it proves no person.
    pub api_key: ApiKeys,
    /// Whether the companion has to prove the Matrix id it reports.
    pub ownership_proof: OwnershipProof,
}

/// How a reported Matrix id is proven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnershipProof {
    /// By a Matrix OpenID token of the configured homeserver.
    #[default]
    Required,
    /// Not at all; loopback only.
    Trusted,
}

impl Manager {
    pub(super) fn check(&self, server: &Server, admin: &Admin, report: &mut Report) {
        self.api_key.check("manager.api_key", server, report);
        if self.api_key.share_one(&admin.api_key) {
            report.add(
                "manager.api_key",
                "is also an `admin.api_key`, and ships in a desktop program",
                "a key of its own",
            );
        }
        if self.ownership_proof == OwnershipProof::Trusted && !server.is_loopback() {
            report.add(
                "manager.ownership_proof",
                "is `trusted`, so whoever has the key could claim anybody's account",
                "`required`; `trusted` only with server.bind and server.public_url on loopback",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn wrong(manager: &Manager, server: &Server, admin: &Admin) -> Vec<String> {
        let mut report = Report::default();
        manager.check(server, admin, &mut report);
        report.keys().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn trust_is_for_loopback() {
        let manager = Manager {
            ownership_proof: OwnershipProof::Trusted,
            ..Manager::default()
        };
        let admin = Admin::default();
        let mut server = Server::default();
        assert!(wrong(&manager, &server, &admin).is_empty());
        server.public_url = "https://chat.example.org".parse().unwrap();
        let expected = ["manager.ownership_proof"];
        assert_eq!(wrong(&manager, &server, &admin), expected);
        server = Server {
            bind: "0.0.0.0:29330".parse().unwrap(),
            ..Server::default()
        };
        assert_eq!(wrong(&manager, &server, &admin), expected);
    }

    #[test]
    fn the_companion_must_not_hold_the_operators_key() {
        let api_key = ApiKeys(vec![SecretString::from("0123456789abcdef")]);
        let admin = Admin {
            api_key: api_key.clone(),
            ..Admin::default()
        };
        let manager = Manager {
            api_key,
            ..Manager::default()
        };
        assert_eq!(
            wrong(&manager, &Server::default(), &admin),
            ["manager.api_key"]
        );
    }
}
