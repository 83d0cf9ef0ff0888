//! What a push shows to whoever listens on this replica, read along with its commit: their
//! sockets need not read it again, each on its own.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use uuid::Uuid;

use crate::{
    db::{
        read::messages::Shown,
        stream::{Along, Head},
    },
    model::frame::{Frame, FrameKind},
    stream::MOST_AT_HAND,
};

/// How many messages are read along with a commit, counted for each viewer: its rooms and streams
/// are locked meanwhile. Whoever is beyond that reads theirs behind it.
const MOST: usize = 1_000;
/// And how many bytes, as if each viewer was shown all of a push: it has the texts that are new.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What was read for which viewers.
pub(super) struct ByViewer {
    shown: HashMap<String, Vec<Shown>>,
    read_at: Instant,
}

impl ByViewer {
    /// Nothing.
    pub(super) fn none() -> Self {
        Self::read(HashMap::new(), Instant::now())
    }

    /// What was asked for then.
    pub(super) fn read(shown: HashMap<String, Vec<Shown>>, read_at: Instant) -> Self {
        Self { shown, read_at }
    }
}

/// Which messages are read for which viewer: for each of those who `listens` all that their
/// frames show, or nothing if those are more than are kept at hand, or show anything but new
/// messages: a message that is no longer what it was may be as long as it likes, with all its
/// reactions, however little the push says. The push had so many `bytes`.
pub(super) fn wanted(
    frames: &[Frame],
    bytes: usize,
    listens: impl Fn(&str) -> bool,
) -> Vec<(&str, Uuid)> {
    let mut of: BTreeMap<&str, Option<Vec<Uuid>>> = BTreeMap::new();
    for frame in frames {
        let shown = of
            .entry(&frame.user_id)
            .or_insert_with(|| listens(&frame.user_id).then(Vec::new));
        match frame.kind {
            FrameKind::MessageCreated { message_id, .. } => {
                if let Some(shown) = shown {
                    shown.push(message_id);
                }
            }
            _ => *shown = None,
        }
    }
    let mut wanted = Vec::new();
    let mut left = MOST_BYTES;
    for (user_id, shown) in of {
        let shown = shown.unwrap_or_default();
        let is_few = shown.len() <= MOST_AT_HAND && wanted.len() + shown.len() <= MOST;
        if shown.is_empty() || !is_few || bytes > left {
            continue;
        }
        left -= bytes;
        wanted.extend(shown.into_iter().map(|id| (user_id, id)));
    }
    wanted
}

/// Hands each viewer what was read for them.
pub(super) fn hand_out(heads: &mut [Head], mut read: ByViewer) {
    for head in heads {
        let shown = read.shown.remove(&head.user_id);
        head.along = shown.map(|shown| Along {
            shown: Arc::from(shown),
            read_at: read.read_at,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(user_id: &str, id: u128) -> Frame {
        of(
            user_id,
            FrameKind::MessageCreated {
                conversation_id: Uuid::nil(),
                message_id: Uuid::from_u128(id),
            },
        )
    }

    fn of(user_id: &str, kind: FrameKind) -> Frame {
        Frame {
            user_id: user_id.to_owned(),
            kind,
        }
    }

    #[test]
    fn all_that_listeners_are_shown_is_read_or_none_of_it() {
        let conversation_id = Uuid::nil();
        let frames = [
            created("b", 2),
            created("a", 1),
            created("nobody", 1),
            created("b", 1),
            created("d", 1),
            of(
                "d",
                FrameKind::MessageUpdated {
                    conversation_id,
                    message_id: Uuid::from_u128(2),
                },
            ),
            created("c", 1),
            of("c", FrameKind::ConversationUpdated { conversation_id }),
            created("c", 2),
        ];
        let wanted = wanted(&frames, 100, |user_id| user_id != "nobody");
        let expected = [("a", 1), ("b", 2), ("b", 1)];
        assert_eq!(
            wanted,
            expected.map(|(user, id)| (user, Uuid::from_u128(id)))
        );
    }

    #[test]
    fn what_is_too_much_is_not_read() {
        let all = |user_id: &str, count: usize| -> Vec<_> {
            (0..count).map(|id| created(user_id, id as u128)).collect()
        };
        let mut frames = all("a", MOST_AT_HAND + 1);
        assert!(wanted(&frames, 100, |_| true).is_empty());
        frames.extend(all("b", MOST_AT_HAND));
        assert_eq!(wanted(&frames, 100, |_| true).len(), MOST_AT_HAND);
        let users = (0..MOST).map(|user| format!("user_{user}"));
        let frames: Vec<_> = users.flat_map(|user| all(&user, 3)).collect();
        assert_eq!(wanted(&frames, 100, |_| true).len(), MOST / 3 * 3);
        // Four of them are shown so much.
        assert_eq!(wanted(&frames, MOST_BYTES / 4, |_| true).len(), 12);
    }

    #[test]
    fn each_viewer_gets_what_was_read_for_them() {
        let mut heads = ["a", "b"].map(|user| Head::at(user.to_owned(), 1));
        let shown = HashMap::from([("b".to_owned(), Vec::new())]);
        let read_at = Instant::now();
        hand_out(&mut heads, ByViewer::read(shown, read_at));
        assert_eq!(heads[0].along, None);
        let along = Along {
            shown: Arc::from([]),
            read_at,
        };
        assert_eq!(heads[1].along, Some(along));
    }
}
