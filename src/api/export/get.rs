//! `GET /api/export`.

use axum::{
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{cursor, stream::Export};
use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{Options, Viewer},
    },
    app::AppState,
    model::export::ExportLine,
};

/// Where to go on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct GoOn {
    /// The `cursor` of the last whole line of an export that was broken off.
    cursor: Option<String>,
}

/// Everything that the caller owns, a line of JSON (NDJSON) for each message, version of an
/// edited one, conversation and connection. The first line is a header with the format's
/// version, the last one is an `end`: without it the export was broken off, and goes on with
/// `cursor`. Two may go on at a time.
#[utoipa::path(
    get, path = "/api/export", tag = "account", params(GoOn), security(("clerk" = [])),
    responses(
        (status = 200, description = "The lines", body = ExportLine, content_type = "application/x-ndjson"),
        Refusals
    )
)]
pub(in crate::api) async fn get_export(
    Viewer(session): Viewer,
    Options(GoOn { cursor }): Options<GoOn>,
    State(app): State<AppState>,
) -> Result<Response, ApiError> {
    let goes_on = match &cursor {
        Some(cursor) => Some(
            cursor::decode(cursor)
                .ok_or_else(|| ApiError::invalid("cursor is not of an export"))?,
        ),
        None => None,
    };
    let task = app.limits.exports.begin(&session.user_id)?;
    let export = Export::begin(app, session, task, goes_on).await?;
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"tributary-export.ndjson\"",
        ),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, export.into_body()).into_response())
}
