//! Bridge states (mautrix `status.BridgeState`): what they say of a connection. Pure.

pub(super) mod listed;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use serde_json::Value;

use super::identity::storable;
use crate::{
    db::bridge_logins::Login,
    model::{connection::Status, time::rfc3339},
};

const MAX_ID: usize = 255;
const MAX_REASON: usize = 500;
/// A bridge's clock may be off by so much; what is further ahead is no time, and
/// would make everything after it look old.
const FUTURE: TimeDelta = TimeDelta::days(1);

/// A push of a bridge, as far as it makes sense. It comes from a program that
/// sends it again for ever unless it is accepted, so nothing in it is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    pub(super) user_id: String,
    pub(super) remote_id: Option<String>,
    pub(super) remote_name: Option<String>,
    pub(super) said: Said,
}

impl Push {
    /// Reads a push; none if it speaks of nobody, as those about the bridge itself.
    #[must_use]
    pub fn read(body: &Value, now: DateTime<Utc>) -> Option<Self> {
        Some(Self {
            user_id: text(body, "user_id", MAX_ID)?,
            remote_id: text(body, "remote_id", MAX_ID),
            remote_name: text(body, "remote_name", MAX_ID),
            said: Said::read(body, now)?,
        })
    }
}

/// A state of some login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) state_event: String,
    why: Option<String>,
    at: DateTime<Utc>,
}

impl Said {
    /// Reads a state; none where there is none.
    fn read(body: &Value, now: DateTime<Utc>) -> Option<Self> {
        Some(Self {
            state_event: text(body, "state_event", 64)?.to_ascii_uppercase(),
            why: ["message", "error", "reason"]
                .into_iter()
                .find_map(|key| text(body, key, MAX_REASON)),
            at: body
                .get("timestamp")
                .and_then(|seconds| time(seconds, now))
                .unwrap_or(now),
        })
    }

    /// Why the login is not well: in the bridge's words, or by the state's name.
    fn reason(&self) -> Option<String> {
        self.why.clone().or_else(|| Some(self.state_event.clone()))
    }

    /// Whether it says that the login is gone.
    pub(super) fn is_logout(&self) -> bool {
        settled(&self.state_event) == Some(Status::Disconnected)
    }

    /// What becomes of a login by this state; none when something newer is known of
    /// it. Timestamps are whole seconds, so of equal ones the later arrival counts.
    ///
    /// bridgev2 sends the states of a logout and an immediate login in no order: a
    /// new `CONNECTED` can come before the `LOGGED_OUT` of the same second, and nothing
    /// in a push tells the two apart ([`Self::is_ambiguous`]).
    pub(super) fn heard(&self, remote_id: &str, known: &[Login]) -> Option<Login> {
        let known = find(known, remote_id);
        let is_old = known.is_some_and(|login| login.stated_at > self.at);
        (!is_old).then(|| self.after(remote_id, known))
    }

    /// Whether something else that lasts is known of the login as of the same second: then
    /// only the bridge can say which of the two came last.
    pub(super) fn is_ambiguous(&self, remote_id: &str, known: &[Login]) -> bool {
        let said = settled(&self.state_event);
        find(known, remote_id).is_some_and(|login| {
            let known = settled(&login.state_event);
            login.stated_at == self.at && said.is_some() && known.is_some() && said != known
        })
    }

    /// What a login is in this state; a passing one leaves the last that was not.
    fn after(&self, remote_id: &str, known: Option<&Login>) -> Login {
        let last = known.map_or(&self.state_event, |login| &login.state_event);
        let (state_event, error) = match settled(&self.state_event) {
            Some(Status::Connected) => (&self.state_event, None),
            Some(Status::Disconnected) => (&self.state_event, self.why.clone()),
            Some(_) => (&self.state_event, self.reason()),
            None => (last, self.reason()),
        };
        Login {
            remote_id: remote_id.to_owned(),
            state_event: state_event.clone(),
            error,
            stated_at: self.at,
        }
    }
}

fn text(body: &Value, key: &str, most: usize) -> Option<String> {
    body.get(key)
        .and_then(Value::as_str)
        .and_then(|text| storable(text, most))
}

fn find<'a>(known: &'a [Login], remote_id: &str) -> Option<&'a Login> {
    known.iter().find(|login| login.remote_id == remote_id)
}

fn time(seconds: &Value, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float that is out of range saturates, and then is no time"
    )]
    let seconds = seconds
        .as_i64()
        .or_else(|| seconds.as_f64().map(|seconds| seconds as i64))?;
    DateTime::from_timestamp(seconds, 0).filter(|at| at.year() >= 1970 && *at <= now + FUTURE)
}

/// The companion's word on a login. The bridge's next word replaces it.
pub(super) fn reported(remote_id: &str, status: Status, known: &[Login]) -> Option<Login> {
    let state_event = match status {
        Status::Connected => "CONNECTED",
        Status::Error => "UNKNOWN_ERROR",
        Status::Disconnected => "LOGGED_OUT",
        Status::Pending => return None,
    };
    let known = find(known, remote_id);
    Some(Login {
        remote_id: remote_id.to_owned(),
        state_event: state_event.to_owned(),
        error: None,
        stated_at: known.map_or(DateTime::UNIX_EPOCH, |login| login.stated_at),
    })
}

/// The status that a state leads to; none for a passing one, as every state is
/// that only a later bridge knows.
fn settled(state_event: &str) -> Option<Status> {
    Some(match state_event {
        "CONNECTED" => Status::Connected,
        "BAD_CREDENTIALS" | "UNKNOWN_ERROR" => Status::Error,
        "LOGGED_OUT" => Status::Disconnected,
        _ => return None,
    })
}

/// How well a login in this state is doing.
fn rank(state_event: &str) -> u8 {
    match settled(state_event) {
        Some(Status::Connected) => 3,
        Some(Status::Error) => 2,
        Some(_) => 1,
        None => 0,
    }
}

/// How a connection with these logins is doing, the best of them counting, and
/// what is wrong. Passing states keep the status that it has.
pub(super) fn verdict(logins: &[Login], current: Status) -> (Status, Option<String>) {
    // Of two that are connected the one without trouble counts.
    let best = logins.iter().max_by_key(|login| {
        (
            rank(&login.state_event),
            login.error.is_none(),
            login.stated_at,
        )
    });
    let Some(best) = best else {
        return (current, None);
    };
    let status = settled(&best.state_event).unwrap_or(current);
    (status, best.error.clone())
}

/// The word that the error of a connection begins with while its bridge is silent.
pub(super) const SILENT: &str = "bridge_silent";

/// The same while the bridge is silent: who looks connected may not be. Of one that is not
/// connected the bridge's last word still says more.
pub(super) fn under_silence(
    (status, error): (Status, Option<String>),
    silent_since: Option<DateTime<Utc>>,
) -> (Status, Option<String>) {
    match (status, silent_since) {
        (Status::Connected, Some(since)) => {
            let since = rfc3339(since);
            let error = format!("{SILENT}: the bridge does not answer; nothing came since {since}");
            (status, Some(error))
        }
        _ => (status, error),
    }
}

#[cfg(test)]
mod tests;
