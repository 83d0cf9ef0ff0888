//! Thumbnails: made when they are first asked for, and kept beside their file.

use axum::{
    body::Body,
    http::{HeaderMap, Method},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;

use super::{
    disposition::{UNKNOWN, disposition},
    original::away,
    representation::{Reply, Representation},
};
use crate::{
    api::{ApiError, error::NoFile},
    app::App,
    db::read::media::Stored,
    media::ByteStream,
    thumbnails::{self, Bounds, LONGEST_SOURCE},
};

const NONE: ApiError = ApiError::NoFile(NoFile::NoThumbnail);

/// Answers with a picture that fits into `bounds`.
pub(super) async fn answer(
    app: &App,
    user_id: &str,
    stored: &Stored,
    bounds: Bounds,
    (method, request): (&Method, &HeaderMap),
) -> Result<Response, ApiError> {
    if !thumbnails::can_draw(&stored.mime_type) || stored.size > LONGEST_SOURCE {
        return Err(NONE);
    }
    let tag = format!("{}-{}", stored.hash, bounds.name());
    let sent_as = |kind, length| Representation::new(&tag, kind, &disposition(kind, None), length);
    // What a browser has is not read, let alone drawn: its type and length are not told.
    if let Some(known) = sent_as(UNKNOWN, 0)?.known(request) {
        return Ok(known);
    }
    let picture = picture(app, user_id, stored, bounds).await?;
    let thumbnail = sent_as(thumbnails::media_type(&picture), picture.len() as u64)?;
    Ok(match thumbnail.reply(method, request)? {
        Reply::Done(response) => response,
        Reply::Send(range, mut response) => {
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
            *response.body_mut() = Body::from(picture.slice(at(range.start)..at(range.end)));
            response
        }
    })
}

/// The picture: one that was drawn before, or a new one.
async fn picture(
    app: &App,
    user_id: &str,
    stored: &Stored,
    bounds: Bounds,
) -> Result<Bytes, ApiError> {
    let name = format!("thumbnail-{}", bounds.name());
    if let Some(known) = known(app, stored, &name).await? {
        return Ok(known);
    }
    if app.studio.is_hopeless(&stored.hash.0) {
        return Err(NONE);
    }
    let place = app.studio.place(user_id).await;
    // Whoever had a place before may have drawn this one, or tried to.
    if let Some(known) = known(app, stored, &name).await? {
        return Ok(known);
    }
    if app.studio.is_hopeless(&stored.hash.0) {
        return Err(NONE);
    }
    let original = app.media.get(&stored.hash, None).await.map_err(away)?;
    let original = collect(original).await?;
    let (media, studio, hash) = (app.media.clone(), app.studio.clone(), stored.hash);
    let drawing = async move {
        let drawn = place.draw(original, bounds).await.map_err(|error| {
            tracing::debug!(%error, "there is no thumbnail of a file");
            studio.give_up(hash.0);
            NONE
        })?;
        if let Err(error) = media.put_derived(&hash, &name, drawn.clone()).await {
            // The next one is drawn anew.
            tracing::warn!(%error, "a thumbnail could not be kept");
        }
        Ok(drawn)
    };
    // Whoever has scrolled on comes back: what was begun for them is kept.
    tokio::spawn(drawing).await.map_err(ApiError::internal)?
}

async fn known(app: &App, stored: &Stored, name: &str) -> Result<Option<Bytes>, ApiError> {
    match app.media.derived(&stored.hash, name).await.map_err(away)? {
        Some(pieces) => collect(pieces).await.map(Some),
        None => Ok(None),
    }
}

/// All of what is known to be small enough.
async fn collect(pieces: ByteStream) -> Result<Bytes, ApiError> {
    let whole = pieces.try_fold(BytesMut::new(), async |mut whole, piece| {
        whole.extend_from_slice(&piece);
        Ok(whole)
    });
    Ok(whole.await.map_err(away)?.freeze())
}
