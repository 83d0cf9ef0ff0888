//! Calls about the connection itself: who we are, and whether both ends work.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::{Request, header};
use ruma::{
    OwnedTransactionId, OwnedUserId,
    api::{
        OutgoingRequestExt as _,
        auth_scheme::SendAccessToken,
        client::{
            account::whoami, appservice::request_ping, discovery::get_supported_versions,
            profile::get_profile,
        },
    },
};
use serde::Deserialize;

use super::{ClientError, Homeserver, measured, rooms::parse};

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
            .call("whoami", whoami::v3::Request::new(), as_user, MAX_BYTES)
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
        let request = self.versions_request()?;
        let sent = self.0.transport.send(request, MAX_BYTES);
        let body = measured("versions", sent).await?;
        parse::<Answer>(&body).map(|answer| answer.versions)
    }

    /// What time it is there, to the second, by the `Date` of an answer; none when what
    /// answers does not say. The token is not sent.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn date(&self) -> Result<Option<DateTime<Utc>>, ClientError> {
        let opened = self.0.transport.open(self.versions_request()?);
        let answer = measured("versions", opened).await?;
        let date = answer.headers().get(header::DATE);
        let date = date.and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        Ok(date.map(|date| date.to_utc()))
    }

    fn versions_request(&self) -> Result<Request<Full<Bytes>>, ClientError> {
        let request = get_supported_versions::Request::new();
        let request = request
            .try_into_http_request::<BytesMut>(&self.0.base_url, SendAccessToken::None, ())
            .map_err(|_| ClientError::Invalid("request"))?;
        Ok(Self::ready(request))
    }

    /// Whether there is such a user on the homeserver.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]; also when the homeserver keeps profiles to itself.
    pub async fn is_registered(&self, user: &str) -> Result<bool, ClientError> {
        let user: OwnedUserId = user
            .try_into()
            .map_err(|_| ClientError::Invalid("user id"))?;
        let request = get_profile::v3::Request::new(user);
        match self.call("other", request, None, MAX_BYTES).await {
            Ok(_) => Ok(true),
            // Synapse does not say `M_NOT_FOUND` here.
            Err(ClientError::NotFound | ClientError::Matrix { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Asks the homeserver to ping us with `transaction_id`; it then also
    /// retries its waiting transactions at once. Answers how long it took.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]; a ping that did not arrive is a `Matrix` error with
    /// one of the errcodes of the application service API: `M_URL_NOT_SET`,
    /// `M_CONNECTION_TIMEOUT`, `M_CONNECTION_FAILED`; one that was refused is `PingRefused`.
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
        let body = self.call("ping", request, None, MAX_BYTES).await?;
        parse::<Answer>(&body).map(|answer| Duration::from_millis(answer.duration_ms))
    }
}
