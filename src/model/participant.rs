//! People in a conversation, as the web app sees them.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A person in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// Their id within the conversation.
    pub id: Uuid,
    /// Their Matrix id.
    #[schema(example = "@facebook_1001:example.org")]
    pub matrix_user_id: String,
    /// Their id on the network, for a ghost.
    #[schema(required)]
    pub external_id: Option<String>,
    /// Their name in this room.
    #[schema(required)]
    pub display_name: Option<String>,
    /// Where the picture is, once it is stored: null so far.
    #[schema(required)]
    pub avatar_url: Option<String>,
    /// Whether it is the viewer, as themselves or as their own ghost.
    pub is_self: bool,
    /// `join`, `invite`, `leave`, `ban` or `knock`.
    #[schema(example = "join")]
    pub membership: String,
}
