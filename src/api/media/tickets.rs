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

/// How long a ticket is good for at most.
const LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// Tickets end at the ends of such times alone: whoever asks again within one is given the
/// same, which a browser knows by its address.
const STEP: TimeDelta = TimeDelta::seconds(10);
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
/// A ticket is good for one file and until `expiresAt`, in five minutes less ten seconds at most, for
/// whoever holds it; and no longer than the caller's session, their access to the file, and the
/// file. Asked for again soon, the same session is given the same ticket.
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
    let expires_at = end(app.clock.now());
    let mut conn = app.db.get().await?;
    let visible = media::visible(&mut conn, &session.user_id, &ids).await?;
    let ticket = |id| (id, key.issue(id, &session, expires_at));
    let tickets = MediaTickets {
        tickets: visible.into_iter().map(ticket).collect(),
        expires_at,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(tickets)))
}

/// When a ticket ends that is asked for now.
fn end(now: DateTime<Utc>) -> DateTime<Utc> {
    let latest = now + LIFETIME;
    latest.duration_trunc(STEP).unwrap_or(latest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_of_one_step_end_together_and_none_lasts_long_or_ends_at_once() {
        let at = |millis| DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap();
        assert_eq!(end(at(0)), end(at(9_999)));
        assert_ne!(end(at(0)), end(at(10_000)));
        for millis in (0_i64..600_000).step_by(777) {
            let left = end(at(millis)) - at(millis);
            assert!(left > LIFETIME - STEP && left <= LIFETIME, "{left}");
            assert_eq!(end(at(millis)).timestamp_subsec_nanos(), 0);
        }
    }
}
