//! `POST /api/media/tickets`.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::header::CACHE_CONTROL, response::IntoResponse};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::key::ticket_key;
use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{JsonBody, Viewer},
    },
    app::AppState,
    db::read::media,
    model::time,
};

/// How long a ticket is good for.
const LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// As many as a page of messages may have.
const MOST: usize = 200;

/// The files that tickets are wanted for.
#[derive(Deserialize, ToSchema)]
pub(in crate::api) struct WantedTickets {
    /// Ids of files: `mediaId` of attachments, and what is behind `/api/media/` in an `avatarUrl`.
    #[schema(max_items = 200)]
    ids: Vec<Uuid>,
}

/// Tickets for files.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct MediaTickets {
    /// A ticket for each of the files that are the caller's, by its id; none for another.
    tickets: BTreeMap<Uuid, String>,
    /// Until when they are good.
    #[serde(serialize_with = "time::milliseconds")]
    expires_at: DateTime<Utc>,
}

/// Tickets for what cannot send a header: `<img src="/api/media/{id}?ticket=...">`.
///
/// A ticket is good for one file and five minutes, for whoever holds it; and no longer than
/// the caller's session, their access to the file, and the file.
#[utoipa::path(
    post, path = "/api/media/tickets", tag = "media",
    request_body = WantedTickets, security(("clerk" = [])),
    responses((status = 200, description = "Tickets for the caller's files among them", body = MediaTickets), Refusals)
)]
pub(in crate::api) async fn issue_media_tickets(
    Viewer(session): Viewer,
    State(app): State<AppState>,
    JsonBody(WantedTickets { ids }): JsonBody<WantedTickets>,
) -> Result<impl IntoResponse, ApiError> {
    if ids.len() > MOST {
        return Err(ApiError::invalid("`ids` has more than 200 items"));
    }
    let key = ticket_key(&app).await?;
    let until = app.clock.now() + LIFETIME;
    // A ticket counts in whole seconds.
    let expires_at = until.duration_trunc(TimeDelta::seconds(1)).unwrap_or(until);
    let mut conn = app.db.get().await?;
    let visible = media::visible(&mut conn, &session.user_id, &ids).await?;
    let ticket = |id| (id, key.issue(id, &session, expires_at));
    let tickets = MediaTickets {
        tickets: visible.into_iter().map(ticket).collect(),
        expires_at,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(tickets)))
}
