//! Reading rooms: membership, state and history.

use std::collections::BTreeMap;

use ruma::{
    OwnedRoomId, OwnedUserId, RoomId, UInt,
    api::{
        Direction,
        client::{
            filter::LazyLoadOptions,
            membership::{joined_members, joined_rooms},
            message::get_message_events,
            state::get_state_events,
        },
    },
};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;

use super::{ClientError, Homeserver};
use crate::matrix::list::at_most;

/// Events on a page, more than anybody asks for.
const MOST_ON_PAGE: usize = 10_000;
/// State events of a room, and rooms of a user: what whole networks have.
const MOST_LISTED: usize = 200_000;
/// Bytes of a list of members, whose ids are kept; tens of thousands fit into it.
const MAX_MEMBERS_BYTES: usize = 8 << 20;

/// Which page of which room's history to read.
#[derive(Debug, Clone)]
pub struct MessagesQuery<'a> {
    /// The room.
    pub room: &'a str,
    /// Whose eyes to read with; the application service's own user if `None`.
    pub as_user: Option<&'a str>,
    /// Backward is from new to old.
    pub dir: Direction,
    /// Where to start; the end of the room that `dir` leads away from if `None`.
    pub from: Option<&'a str>,
    /// Where to stop.
    pub to: Option<&'a str>,
    /// Events per page. Synapse caps it at 1000, and answers 0 with an empty
    /// page that looks like the last one.
    pub limit: u32,
    /// Adds to `state` the member events of the senders on the page.
    pub lazy_load: bool,
}

/// A page of a room's history, its events as they came.
#[derive(Debug, Default, Deserialize)]
pub struct MessagesPage {
    /// The events, in the order of `dir`.
    #[serde(default, deserialize_with = "at_most::<_, _, MOST_ON_PAGE>")]
    pub chunk: Vec<Box<RawValue>>,
    /// State that belongs to the page, for lazy loading.
    #[serde(default, deserialize_with = "at_most::<_, _, MOST_ON_PAGE>")]
    pub state: Vec<Box<RawValue>>,
    /// Where the page starts.
    #[serde(default)]
    pub start: String,
    /// Where the next page starts; `None` when there is none.
    pub end: Option<String>,
}

impl Homeserver {
    /// The rooms that the user has joined. What is no room id is left out.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn joined_rooms(
        &self,
        as_user: Option<&str>,
    ) -> Result<Vec<OwnedRoomId>, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "at_most::<_, _, MOST_LISTED>")]
            joined_rooms: Vec<String>,
        }
        let request = joined_rooms::v3::Request::new();
        let body = self
            .call("joined_rooms", request, as_user, self.0.max_list_bytes)
            .await?;
        let rooms = parse::<Answer>(&body)?.joined_rooms.into_iter();
        Ok(rooms.filter_map(|id| id.try_into().ok()).collect())
    }

    /// The room's members of membership `join`; needs no membership of ours.
    /// What is no user id is left out.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn joined_members(
        &self,
        room: &str,
        as_user: Option<&str>,
    ) -> Result<Vec<OwnedUserId>, ClientError> {
        #[derive(Deserialize)]
        #[expect(
            clippy::zero_sized_map_values,
            reason = "serde reads no map into a set"
        )]
        struct Answer {
            joined: BTreeMap<String, IgnoredAny>,
        }
        let request = joined_members::v3::Request::new(room_id(room)?);
        let max_bytes = self.0.max_list_bytes.min(MAX_MEMBERS_BYTES);
        let body = self
            .call("joined_members", request, as_user, max_bytes)
            .await?;
        let members = parse::<Answer>(&body)?.joined.into_keys();
        Ok(members.filter_map(|id| id.try_into().ok()).collect())
    }

    /// The room's current state events.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn state(
        &self,
        room: &str,
        as_user: Option<&str>,
    ) -> Result<Vec<Box<RawValue>>, ClientError> {
        #[derive(Deserialize)]
        struct Answer(
            #[serde(deserialize_with = "at_most::<_, _, MOST_LISTED>")] Vec<Box<RawValue>>,
        );
        let request = get_state_events::v3::Request::new(room_id(room)?);
        let body = self
            .call("state", request, as_user, self.0.max_list_bytes)
            .await?;
        parse::<Answer>(&body).map(|answer| answer.0)
    }

    /// One page of the room's history.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]; a smaller `limit` helps against `TooLarge`.
    pub async fn messages(&self, query: &MessagesQuery<'_>) -> Result<MessagesPage, ClientError> {
        let mut request = get_message_events::v3::Request::new(room_id(query.room)?, query.dir);
        request.from = query.from.map(ToOwned::to_owned);
        request.to = query.to.map(ToOwned::to_owned);
        request.limit = UInt::from(query.limit);
        if query.lazy_load {
            request.filter.lazy_load_options = LazyLoadOptions::Enabled {
                include_redundant_members: false,
            };
        }
        let body = self
            .call("messages", request, query.as_user, self.0.max_list_bytes)
            .await?;
        parse(&body)
    }
}

/// ruma writes a `%` into the path as it is, so that `!a%2Fb` would ask for
/// another room than the one named. No homeserver makes such ids.
pub(super) fn room_id(room: &str) -> Result<OwnedRoomId, ClientError> {
    let id = RoomId::parse(room)
        .ok()
        .filter(|id| !id.as_str().contains('%'));
    id.ok_or(ClientError::Invalid("room id"))
}

/// Raw and ignored values are skipped without recursion, so the depth of a
/// hostile event does not matter here.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|_| ClientError::Malformed)
}
