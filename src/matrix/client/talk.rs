//! Rooms of one's own: what an operator does by hand. The service itself never writes.

use ruma::{
    OwnedEventId, OwnedRoomId, OwnedTransactionId, OwnedUserId,
    api::client::{
        account::register::{self, LoginType},
        membership::invite_user::{
            self,
            v3::{InvitationRecipient, InviteUserId},
        },
        message::send_message_event,
        room::create_room::{self, v3::RoomPreset},
    },
    events::{AnyMessageLikeEventContent, MessageLikeEventType},
    serde::Raw,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    ClientError, Homeserver,
    rooms::{parse, room_id},
};

/// None of these answers is ever long.
const MAX_BYTES: usize = 1 << 20;

/// A room to be made: private, and unencrypted unless the homeserver decides otherwise.
#[derive(Debug, Clone, Default)]
pub struct NewRoom<'a> {
    /// Its name.
    pub name: Option<&'a str>,
    /// Its topic.
    pub topic: Option<&'a str>,
    /// Who is invited; they may do there what its creator may.
    pub invite: &'a [String],
    /// Whether it is a direct chat.
    pub is_direct: bool,
}

impl Homeserver {
    /// Makes a room.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn create_room(
        &self,
        room: &NewRoom<'_>,
        as_user: Option<&str>,
    ) -> Result<OwnedRoomId, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            room_id: OwnedRoomId,
        }
        let mut request = create_room::v3::Request::new();
        request.name = room.name.map(ToOwned::to_owned);
        request.topic = room.topic.map(ToOwned::to_owned);
        request.is_direct = room.is_direct;
        request.preset = Some(RoomPreset::TrustedPrivateChat);
        let invite = room.invite.iter().map(|user| user_id(user));
        request.invite = invite.collect::<Result<_, _>>()?;
        let body = self.call("other", request, as_user, MAX_BYTES).await?;
        parse::<Answer>(&body).map(|answer| answer.room_id)
    }

    /// Invites somebody.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]; `Forbidden` too when they are in the room already.
    pub async fn invite(
        &self,
        room: &str,
        user: &str,
        as_user: Option<&str>,
    ) -> Result<(), ClientError> {
        let recipient = InvitationRecipient::UserId(InviteUserId::new(user_id(user)?));
        let request = invite_user::v3::Request::new(room_id(room)?, recipient);
        self.call("other", request, as_user, MAX_BYTES)
            .await
            .map(drop)
    }

    /// Sends a text, once for each `transaction_id`.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn send_text(
        &self,
        room: &str,
        transaction_id: &str,
        text: &str,
        as_user: Option<&str>,
    ) -> Result<OwnedEventId, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            event_id: OwnedEventId,
        }
        let content = json!({"msgtype": "m.text", "body": text});
        let content = Raw::<AnyMessageLikeEventContent>::from_json_string(content.to_string());
        let request = send_message_event::v3::Request::new_raw(
            room_id(room)?,
            OwnedTransactionId::from(transaction_id),
            MessageLikeEventType::RoomMessage,
            content.map_err(|_| ClientError::Invalid("message"))?,
        );
        let body = self.call("other", request, as_user, MAX_BYTES).await?;
        parse::<Answer>(&body).map(|answer| answer.event_id)
    }

    /// Makes sure that a user of the application service's exists, which its own need not.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn ensure_registered(&self, localpart: &str) -> Result<(), ClientError> {
        let mut request = register::v3::Request::new();
        request.username = Some(localpart.to_owned());
        request.login_type = Some(LoginType::ApplicationService);
        request.inhibit_login = true;
        match self.call("other", request, None, MAX_BYTES).await {
            Err(ClientError::Matrix {
                errcode: Some(code),
                ..
            }) if code == "M_USER_IN_USE" => Ok(()),
            answer => answer.map(drop),
        }
    }
}

fn user_id(user: &str) -> Result<OwnedUserId, ClientError> {
    user.try_into().map_err(|_| ClientError::Invalid("user id"))
}
