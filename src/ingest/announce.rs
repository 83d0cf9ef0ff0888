//! Who is told what of the messages that were stored: pure.

use std::collections::{BTreeSet, HashMap};

use super::relations::Updated;
use crate::{
    db::{
        messages::Stored,
        rooms::{Grant, Room},
        viewers::{ReadThrough, Seen, View},
    },
    matrix::bridges::Bridges,
    model::frame::{Frame, FrameKind},
};

/// What stored messages mean to their viewers.
#[derive(Debug, Default)]
pub struct Announcement {
    /// Frames, in the order of the messages.
    pub frames: Vec<Frame>,
    /// What each viewer may see from now on.
    pub seen: Vec<Seen>,
    /// How far viewers have read by writing, or by a receipt that came first.
    pub reads: Vec<ReadThrough>,
    /// Conversations that gained history: told once, not message by message.
    pub history: BTreeSet<View>,
}

/// A viewer's grants that cover one message.
struct Viewer<'a> {
    user_id: &'a str,
    is_self: bool,
    is_live: bool,
    has_read: bool,
}

/// Decides what new messages mean to each viewer.
#[must_use]
pub fn announce(
    messages: &[Stored],
    rooms: &HashMap<String, Room>,
    bridges: &Bridges,
) -> Announcement {
    let mut told = Announcement::default();
    for message in messages {
        for viewer in viewers(message, rooms, bridges) {
            announce_to(&mut told, message, &viewer);
        }
    }
    told
}

fn announce_to(told: &mut Announcement, message: &Stored, viewer: &Viewer<'_>) {
    let view = View {
        user_id: viewer.user_id.to_owned(),
        conversation_id: message.conversation_id,
    };
    if viewer.is_live {
        told.frames.push(Frame {
            user_id: view.user_id.clone(),
            kind: FrameKind::MessageCreated {
                conversation_id: message.conversation_id,
                message_id: message.id,
            },
        });
    } else {
        told.history.insert(view.clone());
    }
    if viewer.is_self || viewer.has_read {
        told.reads.push(ReadThrough {
            view: view.clone(),
            at: message.timestamp,
            event_id: message.event_id.clone(),
        });
    }
    told.seen.push(Seen {
        view,
        at: message.timestamp,
        event_id: message.event_id.clone(),
        counts: viewer.is_live && !viewer.is_self && !message.deleted,
    });
}

/// The frames for messages that were redacted, and the views whose unread messages have to
/// be counted again, because a redacted one is none.
#[must_use]
pub fn taken(
    redacted: &[Stored],
    rooms: &HashMap<String, Room>,
    bridges: &Bridges,
) -> (Vec<Frame>, Vec<View>) {
    let mut frames = Vec::new();
    let mut views = BTreeSet::new();
    for message in redacted {
        for viewer in viewers(message, rooms, bridges) {
            views.insert(View {
                user_id: viewer.user_id.to_owned(),
                conversation_id: message.conversation_id,
            });
            frames.push(message_updated(&viewer, message));
        }
    }
    (frames, views.into_iter().collect())
}

/// The frames for messages whose edits or reactions are others, but those that were redacted,
/// of which is told already.
#[must_use]
pub fn changed(
    updated: Vec<Updated>,
    redacted: &[Stored],
    rooms: &HashMap<String, Room>,
    bridges: &Bridges,
) -> Vec<Frame> {
    let mut frames = Vec::new();
    let taken: BTreeSet<_> = redacted.iter().map(|message| message.id).collect();
    for Updated { message, by } in updated {
        if taken.contains(&message.id) {
            continue;
        }
        let grants = rooms.get(&message.room_id).map_or(&[][..], |r| &r.grants);
        // Whoever had left when it was edited still sees what it was.
        let sees = |viewer: &Viewer<'_>| {
            let mut own = grants.iter().filter(|g| g.user_id == viewer.user_id);
            by.as_ref()
                .is_none_or(|by| own.any(|grant| by.iter().any(|at| grant.covers(*at))))
        };
        let all = viewers(&message, rooms, bridges);
        frames.extend(
            all.iter()
                .filter(|v| sees(v))
                .map(|v| message_updated(v, &message)),
        );
    }
    frames
}

fn message_updated(viewer: &Viewer<'_>, message: &Stored) -> Frame {
    Frame {
        user_id: viewer.user_id.to_owned(),
        kind: FrameKind::MessageUpdated {
            conversation_id: message.conversation_id,
            message_id: message.id,
        },
    }
}

/// Everybody with a grant for a message, each Clerk user once however many
/// connections of theirs see it.
fn viewers<'a>(
    message: &Stored,
    rooms: &'a HashMap<String, Room>,
    bridges: &Bridges,
) -> Vec<Viewer<'a>> {
    let Some(room) = rooms.get(&message.room_id) else {
        return Vec::new();
    };
    let bridge_id = room
        .mapped
        .as_ref()
        .map_or("", |mapped| mapped.bridge_id.as_str());
    let mut found: Vec<Viewer<'a>> = Vec::new();
    for grant in room
        .grants
        .iter()
        .filter(|grant| grant.covers(message.at()))
    {
        let viewer = Viewer {
            user_id: &grant.user_id,
            is_self: is_own(grant, &message.sender, message.external_id.as_deref()),
            is_live: !message.historical && message.received_at > grant.linked_at,
            has_read: message.read_by.iter().any(|reader| {
                is_own(
                    grant,
                    reader,
                    bridges.external_id(bridge_id, reader).as_deref(),
                )
            }),
        };
        match found
            .iter_mut()
            .find(|other| other.user_id == viewer.user_id)
        {
            Some(other) => {
                other.is_self |= viewer.is_self;
                other.is_live |= viewer.is_live;
                other.has_read |= viewer.has_read;
            }
            None => found.push(viewer),
        }
    }
    found
}

/// Whether a Matrix user is the customer of a grant: by Matrix id, or as their own ghost.
pub(super) fn is_own(grant: &Grant, user_id: &str, external_id: Option<&str>) -> bool {
    grant.matrix_user_id == user_id
        || (external_id.is_some() && external_id == grant.bridge_user_id.as_deref())
}
