//! The registration file, as Tributary reads it.

use std::path::Path;

use super::{Chart, Name, Problem};
use crate::{
    config::{Bridge, Config},
    matrix::registration::{self, Error, Namespace, Registration},
};

pub(super) async fn examine(chart: &mut Chart<'_>, config: &Config) -> Option<Registration> {
    chart.look(Name::Registration, load(config)).await
}

#[expect(clippy::unused_async, reason = "it is looked at like everything else")]
async fn load(config: &Config) -> Result<(Registration, String), Problem> {
    let path = &config.appservice.registration;
    let registration = Registration::load(path).map_err(|error| unusable(&error))?;
    let Some(url) = registration.url.as_deref() else {
        return Err(Problem::new(
            "registration_url_missing",
            "its url is null: the homeserver would push nothing",
            url_line(config) + &homeserver_lines(path),
        ));
    };
    if let Some(bridge) = config
        .bridges
        .iter()
        .find(|bridge| claims(&registration, bridge))
    {
        return Err(Problem::new(
            "registration_exclusive",
            format!(
                "it claims {} for itself, which the bridge could not use then",
                bridge.bot
            ),
            format!(
                "have in it\n\n{}\nand {}",
                namespace_lines(bridge),
                homeserver_lines(path)
            ),
        ));
    }
    let ours = config.server.public_url.as_str().trim_end_matches('/');
    let differs = if url.trim_end_matches('/') == ours {
        ""
    } else {
        " (server.public_url is another one, which may be right)"
    };
    let seen = format!("{}, for pushes to {url}{differs}", registration.id);
    Ok((registration, seen))
}

fn unusable(error: &Error) -> Problem {
    let (code, fix) = match error {
        Error::Missing(_) => (
            "registration_missing",
            "`tributary generate-registration` writes it, and says what to do with it",
        ),
        Error::Unreadable { .. } => (
            "registration_unreadable",
            "let the user that runs Tributary read it: chown, and chmod 600",
        ),
        Error::Invalid { .. } => (
            "registration_invalid",
            "write it anew with `tributary generate-registration --force`, and give the homeserver\n\
             the new one too",
        ),
    };
    Problem::new(code, error.to_string(), fix)
}

/// The registration's line for pushes to come here.
pub(super) fn url_line(config: &Config) -> String {
    let url = config.server.public_url.as_str().trim_end_matches('/');
    format!(
        "have in the registration an address at which the homeserver reaches server.bind ({}), such as\n\n  \
         url: {url}\n\n",
        config.server.bind
    )
}

/// What the homeserver has to be told of the file.
pub(super) fn homeserver_lines(path: &Path) -> String {
    format!(
        "have this same file in Synapse's homeserver.yaml, and restart Synapse:\n\n  \
         app_service_config_files:\n    - {}",
        path.display()
    )
}

/// The lines of a registration's `namespaces.users` that a bridge needs.
pub(super) fn namespace_lines(bridge: &Bridge) -> String {
    let line = |Namespace { exclusive, regex }: Namespace| {
        // As YAML writes it, so that no character of it means anything else.
        let regex = serde_yaml::to_string(&regex).unwrap_or(regex);
        format!(
            "    - exclusive: {exclusive}\n      regex: {}\n",
            regex.trim_end()
        )
    };
    let lines: String = registration::users(bridge).map(line).concat();
    format!("namespaces:\n  users:\n{lines}")
}

/// Whether the file's namespaces have a user.
pub(super) fn covers(registration: &Registration, user_id: &str) -> bool {
    let mut users = registration.namespaces.users.iter();
    users.any(|namespace| matches(namespace, user_id))
}

/// Whether it keeps a bridge from being its own bot.
fn claims(registration: &Registration, bridge: &Bridge) -> bool {
    let mut users = registration.namespaces.users.iter();
    users.any(|namespace| namespace.exclusive && matches(namespace, &bridge.bot))
}

/// As far as that can be told without Python, with which Synapse matches.
fn matches(namespace: &Namespace, user_id: &str) -> bool {
    let anchored = regex::Regex::new(&format!("^(?:{})", namespace.regex));
    anchored.is_ok_and(|regex| regex.is_match(user_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge() -> Bridge {
        let bridge = serde_json::json!({
            "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
            "ghosts": r"@facebook_(?<id>.+):lab\.local",
        });
        serde_json::from_value(bridge).unwrap()
    }

    #[test]
    fn only_what_is_claimed_for_itself_keeps_the_bridge_out() {
        let mut registration: Registration = serde_json::from_value(serde_json::json!({
            "id": "t", "url": null, "as_token": "as", "hs_token": "hs", "sender_localpart": "t",
        }))
        .unwrap();
        let users = registration::users(&bridge());
        registration.namespaces.users = users.to_vec();
        assert!(covers(&registration, "@facebook_1:lab.local"));
        assert!(!covers(&registration, "@alice:lab.local"));
        assert!(!claims(&registration, &bridge()));
        registration.namespaces.users[1].exclusive = true;
        assert!(
            !claims(&registration, &bridge()),
            "the ghosts are not the bot"
        );
        registration.namespaces.users[0].exclusive = true;
        assert!(claims(&registration, &bridge()));
    }

    #[test]
    fn what_is_to_be_pasted_is_what_would_be_generated() {
        let bridge = bridge();
        insta::assert_snapshot!(namespace_lines(&bridge));
        let parsed: serde_yaml::Value = serde_yaml::from_str(&namespace_lines(&bridge)).unwrap();
        let namespaces: registration::Namespaces =
            serde_yaml::from_value(parsed["namespaces"].clone()).unwrap();
        assert_eq!(namespaces.users, registration::users(&bridge));
    }
}
