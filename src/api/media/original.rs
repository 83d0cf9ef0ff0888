//! The file itself: streamed, or where a browser may get it from the store.

use std::time::Duration;

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CACHE_CONTROL, LOCATION},
    },
    response::Response,
};
use futures_util::TryStreamExt as _;

use super::{
    disposition::{content_type, disposition},
    representation::{Reply, Representation, guard},
};
use crate::{
    api::{ApiError, error::NoFile},
    app::App,
    db::read::media::Stored,
    media::StoreError,
};

/// How long an address of the store's is good for: as long as it takes to follow it.
const SIGNED: Duration = Duration::from_mins(1);

/// Answers with a stored file, or with the way to it when `may_redirect`.
pub(super) async fn answer(
    app: &App,
    stored: &Stored,
    filename: Option<&str>,
    may_redirect: bool,
    (method, request): (&Method, &HeaderMap),
) -> Result<Response, ApiError> {
    let kind = content_type(Some(&stored.mime_type));
    let disposition = disposition(&kind, filename);
    let tag = stored.hash.to_string();
    let whole = Representation::new(&tag, &kind, &disposition, stored.size)?;
    let (range, mut response) = match whole.reply(method, request)? {
        Reply::Done(response) => return Ok(response),
        Reply::Send(range, response) => (range, response),
    };
    if may_redirect {
        let signed = app
            .media
            .signed_url(&stored.hash, SIGNED, &kind, &disposition);
        if let Some(url) = signed.await.map_err(away)? {
            return redirect(url.as_str());
        }
    }
    // An empty file has no range that a store could be asked for.
    if !range.is_empty() {
        let part = (range != (0..stored.size)).then_some(range);
        let pieces = app.media.get(&stored.hash, part).await.map_err(away)?;
        // The head is gone: all that is left is to break off.
        let pieces = pieces.inspect_err(|error| tracing::warn!(%error, "a file broke off"));
        *response.body_mut() = Body::from_stream(pieces);
    }
    Ok(response)
}

/// To an address that only this caller may have, and not for long.
fn redirect(url: &str) -> Result<Response, ApiError> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    guard(headers);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(
        LOCATION,
        HeaderValue::try_from(url).map_err(ApiError::internal)?,
    );
    Ok(response)
}

/// What a store that does not do its work means to a caller.
pub(super) fn away(error: StoreError) -> ApiError {
    match error {
        StoreError::NotFound => {
            tracing::warn!("a file that is stored is not in the media store");
            ApiError::NoFile(NoFile::Missing)
        }
        error => {
            tracing::warn!(%error, "the media store is not available");
            ApiError::Unavailable("the media store is not available")
        }
    }
}
