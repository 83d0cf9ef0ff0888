//! `GET /api/media/{id}`.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, Method},
    response::Response,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{caller::Caller, original, thumbnail};
use crate::{
    api::{
        ApiError,
        error::{NoFile, Refusals},
        extract::PathId,
    },
    app::{App, AppState},
    db::read::media,
    thumbnails::Bounds,
};

/// In which form.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Form {
    /// A JPEG or PNG that fits into so many pixels, `WxH`, instead of the file. Each is taken down to one of
    /// 32, 48, 64, 96, 160, 240, 320, 480, 640 and 1280; what is smaller stays as it is.
    #[param(pattern = r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$", example = "320x240")]
    thumbnail: Option<String>,
    /// Whether the answer may be a redirect to the store: with a ticket it is where the store can sign and nothing
    /// else is said, with a session token only when asked for.
    redirect: Option<bool>,
    /// A ticket for this file, in place of the session token.
    #[expect(dead_code, reason = "described here, read by `Caller`")]
    ticket: Option<String>,
}

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(in crate::api) struct FileContent(#[expect(dead_code, reason = "for the description")] Vec<u8>);

/// A file of the caller's: an attachment of a message, or the picture of a person or conversation that they may see.
///
/// One that is not stored is a 404 whose `code` says why: `media_pending` (it may be there soon, see `Retry-After`),
/// `media_too_large`, `media_forbidden`, `media_missing`, `media_failed`; a thumbnail of what is no picture is
/// `no_thumbnail`. HEAD is answered as well. Only pictures, sound and moving pictures that browsers cannot run are
/// `inline`; everything else is an `attachment`.
#[utoipa::path(
    get, path = "/api/media/{id}", tag = "media",
    params(("id" = Uuid, Path, description = "The file"), Form),
    security(("clerk" = []), ("ticket" = [])),
    responses(
        (status = 200, description = "The file, or a thumbnail of it", body = FileContent, content_type = "*/*"),
        (status = 206, description = "The part of it that `Range` asks for; of several at once, the whole file comes",
         body = FileContent, content_type = "*/*"),
        (status = 304, description = "The browser has it: `If-None-Match` names its `ETag`"),
        (status = 307, description = "At its `Location` for a minute: an address of the store's, signed"),
        Refusals,
        (status = 404, description = "It does not exist, is not the caller's, or cannot be sent: `code` says which",
         body = crate::api::error::Problem, content_type = "application/problem+json"),
        (status = 416, description = "The file ends before that (`range_not_satisfiable`); `Content-Range` says where",
         body = crate::api::error::Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn get_media(
    caller: Caller,
    PathId(id): PathId,
    State(app): State<AppState>,
    form: Result<Query<Form>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(form) = form.map_err(|_| ApiError::invalid("the query can't be read"))?;
    let bounds = form.thumbnail.as_deref().map(|bounds| {
        let bounds = Bounds::parse(bounds);
        bounds.ok_or_else(|| ApiError::invalid("thumbnail is a size such as 320x240"))
    });
    let bounds = bounds.transpose()?;
    let file = find(&app, &caller.user_id, id).await?;
    let stored = file
        .stored
        .ok_or_else(|| ApiError::NoFile(NoFile::of_state(&file.state)))?;
    let request = (&method, &headers);
    if let Some(bounds) = bounds {
        return thumbnail::answer(&app, &caller.user_id, &stored, bounds, request).await;
    }
    // What fetches with a token takes it along, or would need the store's own CORS.
    let is_wanted = form.redirect.unwrap_or(caller.has_ticket);
    let may_redirect = is_wanted && app.config.media.redirect;
    let filename = file.filename.as_deref();
    original::answer(&app, &stored, filename, may_redirect, request).await
}

/// Gives the connection back before anything is sent.
async fn find(app: &App, user_id: &str, id: Uuid) -> Result<media::File, ApiError> {
    let mut conn = app.db.get().await?;
    let file = media::file(&mut conn, user_id, id).await?;
    file.ok_or(ApiError::NotFound)
}
