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
use tokio::time::{Instant, timeout};

use super::{ClientError, Homeserver, error, measured};

/// As it is.
const IDENTITY: &str = "identity";

/// How slow a file may come. What is waited for is counted, not what becomes of it here.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long it may be without a byte.
    pub idle: Duration,
    /// After each such time of waiting it is asked whether enough has come.
    pub window: Duration,
    /// What is enough, in bytes.
    pub least: u64,
}

impl Pace {
    /// 8 KiB a second: five files at once come so through a third of a megabit.
    pub(in crate::matrix) const USUAL: Self = Self {
        idle: Duration::from_secs(30),
        window: Duration::from_mins(1),
        least: 480 << 10,
    };
}

impl Default for Pace {
    fn default() -> Self {
        Self::USUAL
    }
}

/// What has come of a file in a window.
#[derive(Debug, Default)]
struct Progress {
    waited: Duration,
    bytes: u64,
}

impl Progress {
    /// Counts a piece; false when too little came.
    fn is_enough(&mut self, pace: &Pace, waited: Duration, bytes: usize) -> bool {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < pace.window {
            return true;
        }
        std::mem::take(self).bytes >= pace.least
    }
}

/// A file on its way here.
#[derive(Debug)]
pub struct Download {
    /// How long it is going to be, in bytes, if the homeserver says so.
    pub length: Option<u64>,
    /// What the homeserver says it is.
    pub mime_type: Option<String>,
    body: Incoming,
    pace: Pace,
    progress: Progress,
}

impl Download {
    fn new(response: Response<Incoming>, pace: Pace) -> Result<Self, ClientError> {
        let (parts, body) = response.into_parts();
        let encodings = parts.headers.get_all(header::CONTENT_ENCODING);
        // Something between has compressed what was asked for as it is: it would be kept so.
        if encodings.iter().any(|encoding| encoding != IDENTITY) {
            return Err(ClientError::Malformed);
        }
        let mime_type = parts.headers.get(header::CONTENT_TYPE);
        Ok(Self {
            // None when it comes in chunks.
            length: body.size_hint().exact(),
            mime_type: mime_type.and_then(|value| Some(value.to_str().ok()?.to_owned())),
            body,
            pace,
            progress: Progress::default(),
        })
    }

    /// The next piece; none at its end.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unreachable`] when it breaks off, or comes too slowly.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let asked = Instant::now();
            let frame = timeout(self.pace.idle, self.body.frame()).await;
            let frame = frame.map_err(|_| ClientError::Unreachable("it stalls".to_owned()))?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            // What is no data are trailers, which nobody sends.
            let data = frame.map_err(|e| error::unreachable(&e))?.into_data();
            let data = data.unwrap_or_default();
            if !self
                .progress
                .is_enough(&self.pace, asked.elapsed(), data.len())
            {
                return Err(ClientError::Unreachable("it comes too slowly".to_owned()));
            }
            if !data.is_empty() {
                return Ok(Some(data));
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
        let mut request = Self::ready(request);
        let headers = request.headers_mut();
        headers.insert(
            header::ACCEPT_ENCODING,
            header::HeaderValue::from_static(IDENTITY),
        );
        let opened = self.0.transport.open(request);
        Download::new(measured("download", opened).await?, self.0.pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_drips_is_given_up_and_a_slow_one_is_not() {
        let pace = Pace::default();
        let lasts = |waited, bytes| {
            let mut progress = Progress::default();
            (0..10_000).all(|_| progress.is_enough(&pace, waited, bytes))
        };
        assert!(lasts(Duration::from_secs(1), 8 << 10));
        assert!(lasts(Duration::ZERO, 1));
        assert!(!lasts(Duration::from_secs(1), 1 << 10));
        assert!(!lasts(Duration::from_secs(29), 64 << 10));
        // However much came before.
        let mut progress = Progress::default();
        assert!(progress.is_enough(&pace, Duration::ZERO, 100 << 20));
        assert!(progress.is_enough(&pace, pace.window, 1));
        assert!(!progress.is_enough(&pace, pace.window, 1));
    }
}
