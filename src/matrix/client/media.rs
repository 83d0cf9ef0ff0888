//! Files: read as they come, since they may be larger than memory.

use std::{borrow::Cow, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::{Response, body::Body as _, body::Incoming, header};
use ruma::{
    MxcUri,
    api::{
        OutgoingRequestExt as _, auth_scheme::SendAccessToken,
        client::authenticated_media::get_content,
    },
};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use super::{ClientError, Homeserver, error};

/// Without a byte of a file that has begun.
const IDLE: Duration = Duration::from_secs(30);

/// A file on its way here.
#[derive(Debug)]
pub struct Download {
    /// How long it is going to be, in bytes, if the homeserver says so.
    pub length: Option<u64>,
    /// What the homeserver says it is.
    pub mime_type: Option<String>,
    body: Incoming,
}

impl Download {
    fn new(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let mime_type = parts.headers.get(header::CONTENT_TYPE);
        Self {
            // None when it comes in chunks.
            length: body.size_hint().exact(),
            mime_type: mime_type.and_then(|value| Some(value.to_str().ok()?.to_owned())),
            body,
        }
    }

    /// The next piece; none at its end.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unreachable`] when it breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = timeout(IDLE, self.body.frame()).await;
            let frame = frame.map_err(|_| ClientError::Unreachable("it stalls".to_owned()))?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            // What is no data are trailers, which nobody sends.
            match frame.map_err(|e| error::unreachable(&e))?.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => {}
            }
        }
    }
}

impl Homeserver {
    /// Begins to fetch the file at an `mxc://` address (client-server API, section
    /// "Content repository", `GET /_matrix/client/v1/media/download`).
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn download(&self, mxc: &str) -> Result<Download, ClientError> {
        let address = <&MxcUri>::from(mxc).parts();
        let (server, id) = address.map_err(|_| ClientError::Invalid("mxc address"))?;
        let request = get_content::v1::Request::new(id.to_owned(), server.to_owned());
        let request = request
            .try_into_http_request::<BytesMut>(
                &self.0.base_url,
                SendAccessToken::Always(self.0.as_token.expose_secret()),
                Cow::Borrowed(&self.0.versions),
            )
            .map_err(|_| ClientError::Invalid("mxc address"))?;
        let request = Self::ready(request);
        Ok(Download::new(self.0.transport.open(request).await?))
    }
}
