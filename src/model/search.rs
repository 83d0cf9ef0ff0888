//! What a search finds.

use serde::Serialize;
use utoipa::ToSchema;

use super::{conversation::Conversation, message::Message};

/// A part of a text, in UTF-16 code units: `text.slice(start, end)` in JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// Where it begins.
    pub start: u32,
    /// Behind its last code unit.
    pub end: u32,
}

/// A message that was found: the message, and where.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundMessage {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// What of its `body` was searched for: in order, apart, a hundred at most.
    pub in_body: Vec<Range>,
    /// What of its attachment's `filename` was.
    pub in_filename: Vec<Range>,
}

/// A conversation that was found by its title or by somebody in it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundConversation {
    /// The conversation, without its participants.
    pub conversation: Conversation,
    /// The names that were.
    pub names: Vec<FoundName>,
}

/// A name that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundName {
    /// The name: the conversation's title, or a participant's.
    pub name: String,
    /// What of it was searched for.
    pub in_name: Vec<Range>,
}
