//! What viewers read. Every query here takes the caller's Clerk user id and
//! decides by it in SQL: there is none 'by id' alone.

pub mod analytics;
pub mod backfill;
pub mod connections;
pub mod conversations;
pub mod export;
pub mod media;
pub mod messages;
pub mod participants;
pub mod search;

/// A page of a list, and the place behind it while there is more.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T, P> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<P>,
}

impl<T, P> Page<T, P> {
    /// Cuts a page of at most `limit` off rows that were read one further.
    pub(super) fn cut(mut items: Vec<T>, limit: i64, place: impl Fn(&T) -> P) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(place);
        Self { items, next }
    }
}

/// The path of a picture that the archive has.
fn avatar_url(media_id: Option<uuid::Uuid>) -> Option<String> {
    media_id.map(|id| format!("/api/media/{id}"))
}
