//! What a bridge answers when it is asked which logins somebody has. Pure.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::{Said, find, rank};
use crate::{db::bridge_logins::Login, matrix::provisioning};

/// What becomes of the `known` logins of a Matrix user of whom the bridge names all that
/// there are, when nothing else was heard meanwhile: this is the newest word, whatever its
/// timestamps are. One that is not named is gone; one without a state stays as it was.
pub(in crate::accounts) fn after(
    named: &[provisioning::Login],
    known: &[Login],
    now: DateTime<Utc>,
) -> Vec<Login> {
    let there = named.iter().filter_map(|login| {
        let said = Said::read(&login.state, now)?;
        Some(said.after(&login.id, find(known, &login.id)))
    });
    let is_gone = |login: &&Login| match login.remote_id.as_str() {
        // The companion's word on a login whose id nobody has said is about one of those.
        "" => named.is_empty(),
        id => named.iter().all(|named| named.id != id),
    };
    let gone = known.iter().filter(is_gone).map(|login| Login {
        state_event: "LOGGED_OUT".to_owned(),
        error: None,
        // As the bridge's clock has it, so that its next word counts.
        ..login.clone()
    });
    there.chain(gone).collect()
}

/// Which of the logins that a bridge names is the connection's: the one that is known as
/// that for as long as it exists, otherwise the one that does best.
pub(in crate::accounts) fn own<'a>(
    named: &'a [provisioning::Login],
    known_id: Option<&str>,
    now: DateTime<Utc>,
) -> Option<&'a provisioning::Login> {
    let is_known = |login: &&provisioning::Login| Some(login.id.as_str()) == known_id;
    let best = |login: &&provisioning::Login| {
        let said = Said::read(&login.state, now);
        (
            said.map(|said| (rank(&said.state_event), said.at)),
            Reverse(login.id.clone()),
        )
    };
    named
        .iter()
        .find(is_known)
        .or_else(|| named.iter().max_by_key(best))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn named(id: &str, state: &str, seconds: i64) -> provisioning::Login {
        let state = json!({
            "state_event": state, "timestamp": at(seconds).timestamp(), "ttl": 0, "message": null,
        });
        provisioning::Login {
            id: id.to_owned(),
            name: String::new(),
            state,
        }
    }

    fn known(id: &str, state: &str, seconds: i64) -> Login {
        Login {
            remote_id: id.to_owned(),
            state_event: state.to_owned(),
            error: None,
            stated_at: at(seconds),
        }
    }

    /// The logins after the answer, as `id state seconds`.
    fn after(named: &[provisioning::Login], known: &[Login]) -> Vec<String> {
        let line = |login: Login| {
            let seconds = (login.stated_at - at(0)).num_seconds();
            format!("{} {} {seconds}", login.remote_id, login.state_event)
        };
        super::after(named, known, at(99))
            .into_iter()
            .map(line)
            .collect()
    }

    #[test]
    fn the_answer_is_the_newest_word() {
        let answer = [named("1", "CONNECTED", 3)];
        assert_eq!(after(&answer, &[]), ["1 CONNECTED 3"]);
        // Also over one with a later time, from before the bridge's clock was set back.
        let out = [known("1", "LOGGED_OUT", 9)];
        assert_eq!(after(&answer, &out), ["1 CONNECTED 3"]);
        let passing = [named("1", "CONNECTING", 4)];
        assert_eq!(
            after(&passing, &[known("1", "CONNECTED", 3)]),
            ["1 CONNECTED 4"]
        );
    }

    #[test]
    fn who_is_not_named_is_gone() {
        let two = [known("1", "CONNECTED", 3), known("2", "BAD_CREDENTIALS", 4)];
        let answer = [named("2", "CONNECTED", 5)];
        assert_eq!(after(&answer, &two), ["2 CONNECTED 5", "1 LOGGED_OUT 3"]);
        assert_eq!(after(&[], &two[..1]), ["1 LOGGED_OUT 3"]);
        let companions = [known("", "CONNECTED", 0)];
        assert_eq!(after(&[], &companions), [" LOGGED_OUT 0"]);
        assert_eq!(after(&answer, &companions), ["2 CONNECTED 5"]);
    }

    /// A bridge that is just starting names logins whose state it has not yet.
    #[test]
    fn who_has_no_state_stays_as_they_are() {
        for state in [
            json!({"state_event": "", "timestamp": -62_135_596_800_i64}),
            Value::Null,
        ] {
            let answer = [provisioning::Login {
                state,
                ..named("1", "", 0)
            }];
            assert_eq!(after(&answer, &[known("1", "CONNECTED", 3)]), [""; 0]);
        }
    }

    #[test]
    fn the_own_login_is_the_known_one_while_it_exists() {
        let answer = [
            named("1", "BAD_CREDENTIALS", 9),
            named("2", "CONNECTED", 5),
            named("3", "CONNECTED", 4),
            named("4", "", 0),
        ];
        for (known, expected) in [(Some("1"), "1"), (Some("7"), "2"), (None, "2")] {
            let found = own(&answer, known, at(99)).unwrap();
            assert_eq!(found.id, expected, "{known:?}");
        }
        assert_eq!(own(&[], Some("1"), at(99)), None);
    }
}
