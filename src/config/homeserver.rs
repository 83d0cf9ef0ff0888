//! `homeserver`: the one that Tributary belongs to.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    error::Report,
    masked,
    schema::{Key, Kind},
};

pub(super) const KEYS: &[Key] = &[
    Key::required("url", Kind::Url),
    Key::required("server_name", Kind::Text),
];

/// `homeserver`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Homeserver {
    /// The base URL of its client-server API.
    #[serde(serialize_with = "masked::url")]
    pub url: Url,
    /// Its server name, the part of a Matrix id behind the colon.
    pub server_name: String,
}

impl Homeserver {
    pub(super) fn check(&self, report: &mut Report) {
        if <&ruma::ServerName>::try_from(self.server_name.as_str()).is_err() {
            report.add(
                "homeserver.server_name",
                "is no Matrix server name",
                "what stands behind the colon of a Matrix id, such as `example.org`: no `https://`, no path",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_follow_the_specification() {
        let check = |server_name: &str| {
            let mut report = Report::default();
            let homeserver = Homeserver {
                url: "http://127.0.0.1:8008".parse().unwrap(),
                server_name: server_name.to_owned(),
            };
            homeserver.check(&mut report);
            report.keys().len()
        };
        for right in ["lab.local", "localhost:8448", "[::1]:8448", "10.0.0.1"] {
            assert_eq!(check(right), 0, "{right}");
        }
        for wrong in ["https://lab.local", "lab.local/", "@a:lab.local", "la b"] {
            assert_eq!(check(wrong), 1, "{wrong}");
        }
    }
}
