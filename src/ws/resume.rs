//! PURE: where a socket begins.

use uuid::Uuid;

use super::protocol::Reason;
use crate::{db::stream::Extent, stream::cursor::Cursor};

/// Where a socket begins in its viewer's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At the head: nothing was asked for.
    Head,
    /// After this position, with everything since.
    After(i64),
    /// At the head, since what was asked for cannot be given.
    Resync(Reason),
}

/// Decides where a socket begins: `since` is what the client sent, `extent` the
/// stream as it is, in this `epoch` of the database.
pub(super) fn start(since: Option<&str>, epoch: Uuid, user_id: &str, extent: Extent) -> Start {
    let Some(since) = since else {
        return Start::Head;
    };
    let Some(cursor) = Cursor::parse(since) else {
        return Start::Resync(Reason::Unknown);
    };
    if !cursor.belongs_to(epoch, user_id) {
        return Start::Resync(Reason::Foreign);
    }
    if cursor.position < extent.pruned_through {
        return Start::Resync(Reason::Expired);
    }
    if cursor.position > extent.position {
        // Of a future that this database never saw.
        return Start::Resync(Reason::Unknown);
    }
    Start::After(cursor.position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kept_position_of_ones_own_is_resumed() {
        let epoch = Uuid::from_u128(1);
        let extent = Extent {
            position: 10,
            pruned_through: 3,
        };
        let at = |position| Cursor::new(epoch, "user_a", position).to_string();
        let other_user = Cursor::new(epoch, "user_b", 5).to_string();
        let other_epoch = Cursor::new(Uuid::from_u128(2), "user_a", 5).to_string();
        for (since, expected) in [
            (None, Start::Head),
            (Some(""), Start::Resync(Reason::Unknown)),
            (Some("5"), Start::Resync(Reason::Unknown)),
            (Some(other_user.as_str()), Start::Resync(Reason::Foreign)),
            (Some(other_epoch.as_str()), Start::Resync(Reason::Foreign)),
            (Some(at(2).as_str()), Start::Resync(Reason::Expired)),
            (Some(at(3).as_str()), Start::After(3)),
            (Some(at(10).as_str()), Start::After(10)),
            (Some(at(11).as_str()), Start::Resync(Reason::Unknown)),
        ] {
            assert_eq!(start(since, epoch, "user_a", extent), expected, "{since:?}");
        }
    }
}
