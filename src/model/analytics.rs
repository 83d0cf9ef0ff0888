//! How much was written, when, and how fast it was answered.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The numbers of one viewer, in a period. Counted is what the viewer may see and nobody has
/// redacted; an edited message is one, and what the bridge's bot says is nobody's.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analytics {
    /// The conversation that was asked for; null for all of them.
    #[schema(required)]
    pub conversation_id: Option<Uuid>,
    /// In which days and hours are counted.
    pub time_zone: String,
    /// The beginning of the period, which belongs to it.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub from: DateTime<Utc>,
    /// Its end, which does not.
    #[serde(serialize_with = "super::time::milliseconds")]
    pub to: DateTime<Utc>,
    /// All of it.
    #[serde(flatten)]
    pub total: Tally,
    /// The days with messages, the oldest first.
    pub days: Vec<Day>,
    /// The hours of the day, 0 to 23, all of them.
    pub hours: Vec<Hour>,
    /// How fast answers came.
    pub response_times: ResponseTimes,
    /// The 20 others who wrote most; a person is one in all conversations.
    pub people: Vec<ActivePerson>,
    /// The 20 conversations with most messages.
    pub conversations: Vec<ActiveConversation>,
}

/// A number of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Those of the viewer.
    pub sent: i64,
    /// Those of others.
    pub received: i64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub const fn all(self) -> i64 {
        self.sent.saturating_add(self.received)
    }
}

/// A day, from midnight to midnight in the time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Day {
    /// Which one.
    pub day: NaiveDate,
    /// What was written on it.
    #[serde(flatten)]
    pub tally: Tally,
}

/// An hour of the day in the time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hour {
    /// 0 to 23.
    pub hour: u8,
    /// What was written in it, on all days.
    #[serde(flatten)]
    pub tally: Tally,
}

/// How long whoever was written to took.
///
/// Messages of one side that follow each other in a conversation are a turn. An answer is the
/// first message of the next turn, and took from the first message of the turn before. The
/// messages of the period are looked at and no others; no answer is too late to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseTimes {
    /// The viewer's answers to others.
    pub own: Answers,
    /// Others' answers to the viewer.
    pub others: Answers,
}

/// How long answers took. A percentile is the time of one of them: the shortest one that at
/// least so many percent do not exceed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// How many there were.
    pub count: i64,
    /// Milliseconds; null without an answer.
    #[schema(required)]
    pub median_ms: Option<i64>,
    /// Milliseconds; null without an answer.
    #[schema(required)]
    pub p90_ms: Option<i64>,
}

/// Somebody who wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivePerson {
    /// Their Matrix id.
    pub matrix_user_id: String,
    /// Their id on the network, for a ghost.
    #[schema(required)]
    pub external_id: Option<String>,
    /// Their name where they wrote most.
    #[schema(required)]
    pub display_name: Option<String>,
    /// Their picture there, once it is stored.
    #[schema(required)]
    pub avatar_url: Option<String>,
    /// How much they wrote.
    pub messages: i64,
    /// In how many conversations.
    pub conversations: i64,
}

/// A conversation in which something was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveConversation {
    /// Which one.
    pub conversation_id: Uuid,
    /// Its title for the viewer.
    #[schema(required)]
    pub title: Option<String>,
    /// What was written in it.
    #[serde(flatten)]
    pub tally: Tally,
}
