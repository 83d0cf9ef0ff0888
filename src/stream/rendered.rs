//! Frames as they are sent.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read::messages::Shown, stream::Along};

/// How long what was read along with a commit may be sent. Whoever comes later reads the rows as
/// they are then; who has read them may have to wait as long until they are sent.
pub(super) const FRESH: Duration = Duration::from_millis(250);

/// A frame, ready to be sent.
#[derive(Debug)]
pub struct Rendered {
    /// Cheap to clone: each of a viewer's sockets sends the same.
    pub text: Utf8Bytes,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// When the homeserver received what it is the first word of.
    pub received_at: Option<DateTime<Utc>>,
}

/// What was read for a viewer along with a commit, which is all that its frames show.
#[derive(Debug)]
pub struct Fresh {
    along: Along,
    /// In which epoch, and what it comes to.
    rendered: OnceLock<(Uuid, Vec<Rendered>)>,
}

impl Fresh {
    pub(super) fn new(along: Along) -> Self {
        Self {
            along,
            rendered: OnceLock::new(),
        }
    }

    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.along.read_at) < FRESH
    }

    /// Its frames, which the first of a viewer's sockets renders for all; none in another
    /// epoch than the first one's.
    pub fn rendered(
        &self,
        epoch: Uuid,
        render: impl FnOnce(&[Shown]) -> Vec<Rendered>,
    ) -> Option<&[Rendered]> {
        let (of, frames) = self
            .rendered
            .get_or_init(|| (epoch, render(&self.along.shown)));
        (*of == epoch).then_some(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_rendered_is_sent_by_all_in_its_epoch() {
        let fresh = Fresh::new(Along {
            shown: [].into(),
            read_at: Instant::now(),
        });
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let frame = |text| Rendered {
            text: Utf8Bytes::from_static(text),
            at: DateTime::UNIX_EPOCH,
            received_at: None,
        };
        for text in ["first", "second"] {
            let frames = fresh.rendered(one, |_| vec![frame(text)]).unwrap();
            assert_eq!(frames[0].text.as_str(), "first");
        }
        assert!(fresh.rendered(other, |_| vec![frame("third")]).is_none());
    }
}
