//! The homeserver's client-server API, called with the application service's
//! `as_token`.
//!
//! Requests are ruma's, so that paths, queries and the encoding of hostile ids
//! are right by construction. Answers are read by structs of our own: ruma's
//! would refuse a whole list for one member whose display name is an object,
//! and events must stay raw until they are decoded one by one.

mod account;
mod admin;
mod error;
mod media;
mod rooms;
mod talk;
mod transport;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::{Request, header};
use ruma::{
    UserId,
    api::{
        AppserviceUserIdentity, OutgoingRequest, OutgoingRequestAppserviceExt as _,
        SupportedVersions, auth_scheme::AuthScheme, auth_scheme::SendAccessToken,
        path_builder::PathBuilder,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

pub(in crate::matrix) use self::transport::Transport;
pub use self::{
    admin::{Account, NewAccount, Software, User, UsersPage},
    error::{ClientError, Retry},
    media::{Download, Pace},
    rooms::{MessagesPage, MessagesQuery},
    talk::NewRoom,
};
use crate::{
    config,
    meters::{Timer, meters},
};

/// What one call may cost.
#[derive(Debug, Clone)]
pub struct CallLimits {
    /// For opening a TCP connection.
    pub connect_timeout: Duration,
    /// For a whole call, from the connection to the last byte of the answer.
    pub call_timeout: Duration,
    /// The longest list of events or ids that is read, in bytes.
    pub max_list_bytes: usize,
    /// How slow a file may come.
    pub pace: Pace,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_mins(1),
            max_list_bytes: 64 << 20,
            pace: Pace::default(),
        }
    }
}

/// The homeserver, as the application service sees it. Cheap to clone; all
/// clones share one pool of connections.
#[derive(Clone)]
pub struct Homeserver(Arc<Inner>);

struct Inner {
    transport: Transport,
    base_url: String,
    as_token: SecretString,
    versions: SupportedVersions,
    max_list_bytes: usize,
    pace: Pace,
}

impl Homeserver {
    /// A client for the configured homeserver.
    ///
    /// # Errors
    ///
    /// When the URL is no plain http or https base URL, when the token cannot
    /// stand in a header, or when the system's certificates cannot be loaded.
    pub fn new(
        homeserver: &config::Homeserver,
        as_token: SecretString,
        limits: &CallLimits,
    ) -> anyhow::Result<Self> {
        let base_url = base_url(&homeserver.url)?;
        let usable = header::HeaderValue::from_str(as_token.expose_secret()).is_ok();
        ensure!(
            usable,
            "the as_token has characters that no header can carry"
        );
        Ok(Self(Arc::new(Inner {
            transport: Transport::new(homeserver.url.scheme() == "https", limits)?,
            base_url,
            as_token,
            versions: spoken_versions(),
            max_list_bytes: limits.max_list_bytes,
            pace: limits.pace,
        })))
    }

    /// Sends `request` as `as_user`, or as the application service's own user,
    /// and answers the body of a successful answer of at most `max_bytes`.
    async fn call<R>(
        &self,
        name: &'static str,
        request: R,
        as_user: Option<&str>,
        max_bytes: usize,
    ) -> Result<Bytes, ClientError>
    where
        R: OutgoingRequest,
        for<'a> R::Authentication: AuthScheme<Input<'a> = SendAccessToken<'a>>,
        for<'a> R::PathBuilder: PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
    {
        let as_user = as_user.map(<&UserId>::try_from).transpose();
        let as_user = as_user.map_err(|_| ClientError::Invalid("user id"))?;
        let mut identity = AppserviceUserIdentity::default();
        identity.user_id = as_user;
        let request = request
            .try_into_http_request_with_identity::<BytesMut>(
                &self.0.base_url,
                SendAccessToken::Appservice(self.0.as_token.expose_secret()),
                identity,
                Cow::Borrowed(&self.0.versions),
            )
            .map_err(|_| ClientError::Invalid("request"))?;
        self.send(name, request, max_bytes).await
    }

    async fn send(
        &self,
        name: &'static str,
        request: Request<BytesMut>,
        max_bytes: usize,
    ) -> Result<Bytes, ClientError> {
        let sent = self.0.transport.send(Self::ready(request), max_bytes);
        measured(name, sent).await
    }

    fn ready(request: Request<BytesMut>) -> Request<Full<Bytes>> {
        let mut request = request.map(|body| Full::new(body.freeze()));
        if let Some(token) = request.headers_mut().get_mut(header::AUTHORIZATION) {
            token.set_sensitive(true);
        }
        request
    }
}

/// Counts and measures a call.
async fn measured<T>(
    name: &'static str,
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let timer = Timer::new(meters().homeserver_call_seconds.of(name));
    let called = call.await;
    drop(timer);
    let outcome = called.as_ref().err().map_or("ok", ClientError::word);
    meters().homeserver_calls.of(name, outcome).increment(1);
    called
}

impl std::fmt::Debug for Homeserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Homeserver")
    }
}

/// Paths are the same in every server that knows application service pings
/// (Matrix 1.7) and hands out files to those it knows alone (1.11), so nothing is negotiated.
fn spoken_versions() -> SupportedVersions {
    SupportedVersions::from_parts(&["v1.7".to_owned(), "v1.11".to_owned()], &BTreeMap::new())
}

fn base_url(url: &Url) -> anyhow::Result<String> {
    ensure!(
        matches!(url.scheme(), "http" | "https"),
        "the homeserver's URL must be http or https"
    );
    url.host().context("the homeserver's URL has no host")?;
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "the homeserver's URL must not carry credentials"
    );
    ensure!(
        url.query().is_none() && url.fragment().is_none(),
        "the homeserver's URL must end with its path"
    );
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests;
