//! What viewers read. Every query here takes the caller's Clerk user id and
//! decides by it in SQL (DESIGN invariant 7): there is none 'by id' alone.

pub mod connections;
pub mod conversations;
pub mod messages;
pub mod participants;

/// The path of a picture that the archive has.
fn avatar_url(media_id: Option<uuid::Uuid>) -> Option<String> {
    media_id.map(|id| format!("/api/media/{id}"))
}
