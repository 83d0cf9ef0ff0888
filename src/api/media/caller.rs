//! Who asks for a file: a session, or the holder of a ticket for it.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use url::form_urlencoded;

use super::key::ticket_key;
use crate::{
    api::{
        ApiError,
        extract::{Viewer, parse_id},
    },
    app::AppState,
    auth::bearer::{Bearer, bearer},
};

/// The query parameter that has the ticket.
const TICKET: &str = "ticket";

/// A user of the web app, by whatever shows it: `Authorization` counts when it is there,
/// and `?ticket=` otherwise.
#[derive(Debug)]
pub(in crate::api) struct Caller {
    /// The Clerk user, by which every query decides.
    pub(super) user_id: String,
    /// Whether it is a ticket that says so: then a browser asks, for what it shows.
    pub(super) has_ticket: bool,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        if !matches!(bearer(&parts.headers), Bearer::Missing) {
            let Viewer(session) = Viewer::from_request_parts(parts, app).await?;
            return Ok(Self {
                user_id: session.user_id,
                has_ticket: false,
            });
        }
        let user_id = holder(parts, app).await?;
        // Only now: whoever makes tickets up must not use up what the user may ask for.
        app.limits.admit_user(&user_id)?;
        Ok(Self {
            user_id,
            has_ticket: true,
        })
    }
}

/// The user whose ticket for this very file it is.
async fn holder(parts: &mut Parts, app: &AppState) -> Result<String, ApiError> {
    const REFUSED: ApiError =
        ApiError::Unauthorized("the ticket is not for this file, or has expired");
    let query = parts.uri.query().unwrap_or_default();
    let ticket = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == TICKET);
    let (_, ticket) = ticket.ok_or(ApiError::Unauthorized(
        "a session token or a ticket is required",
    ))?;
    let ticket = ticket.into_owned();
    let path = Path::<String>::from_request_parts(parts, app).await;
    let media_id = path
        .ok()
        .and_then(|Path(id)| parse_id(&id))
        .ok_or(REFUSED)?;
    let key = ticket_key(app).await?;
    let holder = key
        .open(&ticket, media_id, app.clock.now())
        .ok_or(REFUSED)?;
    let ended = app.clerk.ended();
    if ended.contains(&holder.user_id, &holder.session_id) {
        return Err(ApiError::Unauthorized("session_ended"));
    }
    Ok(holder.user_id)
}
