//! Calls about the connection itself: who we are, and whether both ends work.

use std::time::Duration;

use bytes::BytesMut;
use ruma::{
    OwnedTransactionId, OwnedUserId,
    api::{
        OutgoingRequestExt as _,
        auth_scheme::SendAccessToken,
        client::{account::whoami, appservice::request_ping, discovery::get_supported_versions},
    },
};
use serde::Deserialize;

use super::{ClientError, Homeserver, rooms::parse};

/// None of these answers is ever long.
const MAX_BYTES: usize = 1 << 20;

impl Homeserver {
    /// The user that the token stands for, or `as_user` if it may be that one.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn whoami(&self, as_user: Option<&str>) -> Result<OwnedUserId, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            user_id: OwnedUserId,
        }
        let body = self
            .call(whoami::v3::Request::new(), as_user, MAX_BYTES)
            .await?;
        parse::<Answer>(&body).map(|answer| answer.user_id)
    }

    /// The versions of the specification that the homeserver speaks. The token
    /// is not sent, so this says whether there is a homeserver and no more.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn versions(&self) -> Result<Vec<String>, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            versions: Vec<String>,
        }
        let request = get_supported_versions::Request::new();
        let request = request
            .try_into_http_request::<BytesMut>(&self.0.base_url, SendAccessToken::None, ())
            .map_err(|_| ClientError::Invalid("request"))?;
        let body = self.send(request, MAX_BYTES).await?;
        parse::<Answer>(&body).map(|answer| answer.versions)
    }

    /// Asks the homeserver to ping us with `transaction_id`; it then also
    /// retries its waiting transactions at once. Answers how long it took.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]; a ping that did not arrive is a `Matrix` error with
    /// one of the errcodes of the application service API: `M_URL_NOT_SET`,
    /// `M_BAD_STATUS`, `M_CONNECTION_TIMEOUT`, `M_CONNECTION_FAILED`.
    pub async fn ping(
        &self,
        appservice_id: &str,
        transaction_id: &str,
    ) -> Result<Duration, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            duration_ms: u64,
        }
        let mut request = request_ping::v1::Request::new(appservice_id.to_owned());
        request.transaction_id = Some(OwnedTransactionId::from(transaction_id));
        let body = self.call(request, None, MAX_BYTES).await?;
        parse::<Answer>(&body).map(|answer| Duration::from_millis(answer.duration_ms))
    }
}
