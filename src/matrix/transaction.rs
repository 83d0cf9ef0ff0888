//! The body of `PUT /_matrix/app/v1/transactions/{txnId}`.
//!
//! Events stay raw here: a whole transaction is nested deeper than `serde_json`
//! reads, and one bad event must not stop its neighbours.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::list::at_most;

/// Events of one kind in a push. Synapse cuts at 100.
const MOST_EVENTS: usize = 10_000;

/// A pushed transaction, its parts still raw.
#[derive(Debug)]
pub struct Transaction<'a> {
    /// Room events, in the homeserver's order.
    pub events: Vec<&'a RawValue>,
    /// Ephemeral events, under whichever key they came.
    pub ephemeral: Vec<&'a RawValue>,
}

/// Why a body is no transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTransaction {
    /// Not JSON at all.
    #[error("the body is not JSON")]
    NotJson,
    /// JSON of another shape.
    #[error("the body has no array of events, or too long a one")]
    BadJson,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    events: Option<Events<'a>>,
    #[serde(borrow)]
    ephemeral: Option<&'a RawValue>,
    // The unstable names of MSC2409 and of the parts that Tributary has no use for.
    #[serde(borrow, rename = "de.sorunome.msc2409.ephemeral")]
    unstable_ephemeral: Option<&'a RawValue>,
    #[serde(borrow, rename = "de.sorunome.msc2409.to_device")]
    to_device: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Events<'a>(
    #[serde(borrow, deserialize_with = "at_most::<_, _, MOST_EVENTS>")] Vec<&'a RawValue>,
);

impl<'a> Transaction<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`BadTransaction`] when it is not JSON, or has neither events nor ephemeral parts.
    pub fn parse(body: &'a [u8]) -> Result<Self, BadTransaction> {
        let body: Body<'a> = serde_json::from_slice(body).map_err(|error| {
            if error.is_data() {
                BadTransaction::BadJson
            } else {
                BadTransaction::NotJson
            }
        })?;
        let only_ephemeral = body.ephemeral.is_some()
            || body.unstable_ephemeral.is_some()
            || body.to_device.is_some();
        let events = match body.events {
            Some(events) => events.0,
            None if only_ephemeral => Vec::new(),
            None => return Err(BadTransaction::BadJson),
        };
        // With both flags in the registration the same parts come under both names.
        let ephemeral = [body.ephemeral, body.unstable_ephemeral]
            .into_iter()
            .flatten()
            .map(parts)
            .find(|parts| !parts.is_empty())
            .unwrap_or_default();
        Ok(Self { events, ephemeral })
    }

    /// What makes two requests the same transaction: the ids of its events, since
    /// a retry has other ages, pruned contents and no ephemeral parts any more.
    /// One without events is known by its ephemeral parts.
    #[must_use]
    pub fn digest(&self, event_ids: impl Iterator<Item = Option<impl AsRef<str>>>) -> [u8; 32] {
        let mut hash = Sha256::new();
        if self.events.is_empty() {
            hash.update(b"ephemeral");
            for part in &self.ephemeral {
                hash.update(part.get());
            }
        }
        for id in event_ids {
            hash.update(id.as_ref().map_or("?", AsRef::as_ref));
            hash.update([0]);
        }
        hash.finalize().into()
    }
}

/// The parts of an array. What passes without being an event is never a reason to
/// refuse events, so of anything else there are none.
fn parts(raw: &RawValue) -> Vec<&RawValue> {
    let events: Events<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    events.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_and_what_they_are() {
        for (body, expected) in [
            (r#"{"events":[]}"#, Ok((0, 0))),
            (r#"{"events":[{},1,"x"],"other":{}}"#, Ok((3, 0))),
            (r#"{"ephemeral":[{}]}"#, Ok((0, 1))),
            (
                r#"{"de.sorunome.msc2409.ephemeral":[{}],"events":[]}"#,
                Ok((0, 1)),
            ),
            (
                r#"{"ephemeral":[{}],"de.sorunome.msc2409.ephemeral":[{}],"events":[]}"#,
                Ok((0, 1)),
            ),
            (r#"{"de.sorunome.msc2409.to_device":[]}"#, Ok((0, 0))),
            (r#"{"events":[{}],"ephemeral":7}"#, Ok((1, 0))),
            (
                r#"{"de.sorunome.msc2409.ephemeral":[{}],"events":[],"ephemeral":{}}"#,
                Ok((0, 1)),
            ),
            ("{}", Err(BadTransaction::BadJson)),
            (r#"{"events":{}}"#, Err(BadTransaction::BadJson)),
            ("[]", Err(BadTransaction::BadJson)),
            ("1", Err(BadTransaction::BadJson)),
            ("", Err(BadTransaction::NotJson)),
            ("{\"events\":[", Err(BadTransaction::NotJson)),
            ("events", Err(BadTransaction::NotJson)),
        ] {
            let parsed = Transaction::parse(body.as_bytes())
                .map(|txn| (txn.events.len(), txn.ephemeral.len()));
            assert_eq!(parsed, expected, "{body}");
        }
    }

    #[test]
    fn more_events_than_anybody_pushes_are_none() {
        let body = |length| format!(r#"{{"events":[{}1]}}"#, "1,".repeat(length - 1));
        let most = Transaction::parse(body(MOST_EVENTS).as_bytes()).map(|txn| txn.events.len());
        assert_eq!(most, Ok(MOST_EVENTS));
        let more = Transaction::parse(body(MOST_EVENTS + 1).as_bytes()).map(|_| ());
        assert_eq!(more, Err(BadTransaction::BadJson));
    }

    #[test]
    fn nesting_does_not_stop_a_transaction() {
        let body = format!(
            r#"{{"events":[{}{}]}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(Transaction::parse(body.as_bytes()).unwrap().events.len(), 1);
    }

    #[test]
    fn the_digest_is_of_the_event_ids() {
        let one = Transaction::parse(br#"{"events":[{"a":1}]}"#).unwrap();
        let other = Transaction::parse(br#"{"events":[{"a":2}],"ephemeral":[{}]}"#).unwrap();
        let ids = |id| std::iter::once(Some(id));
        assert_eq!(one.digest(ids("$1")), other.digest(ids("$1")));
        assert_ne!(one.digest(ids("$1")), one.digest(ids("$2")));
        let typing = Transaction::parse(br#"{"ephemeral":[{"a":1}]}"#).unwrap();
        let retry = Transaction::parse(br#"{"ephemeral":[],"events":[]}"#).unwrap();
        let none = std::iter::empty::<Option<&str>>;
        assert_ne!(typing.digest(none()), retry.digest(none()));
    }
}
