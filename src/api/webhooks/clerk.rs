//! `POST /webhooks/clerk`.

use axum::{
    extract::{Request, State},
    http::StatusCode,
};

use super::event::Event;
use crate::{
    accounts::Delivery,
    api::{
        ApiError,
        extract::{ClientIp, read_body},
    },
    app::AppState,
    auth::svix::{Refusal, Stamp},
};

/// The longest body that is read, in bytes: a user may carry metadata.
const LIMIT: usize = 256 * 1024;

/// Takes what Clerk reports, signed by Svix: `user.deleted` erases everything of the user,
/// `session.ended`, `session.removed` and `session.revoked` end a session's tokens and
/// sockets; other types are ignored. The same delivery again has no second effect.
#[utoipa::path(
    post, path = "/webhooks/clerk", tag = "webhooks",
    params(
        ("svix-id" = String, Header, min_length = 1, max_length = 255, description = "The delivery's id"),
        ("svix-timestamp" = i64, Header, description = "When it was sent, in seconds since 1970"),
        ("svix-signature" = String, Header, description = "`v1,` and base64, several with spaces between"),
    ),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "It was taken, or is nobody's business"),
        (status = 400, description = "A header is missing, or the body broke off"),
        (status = 401, description = "Not signed by this endpoint's secret, or not now"),
        (status = 404, description = "No `clerk.webhook_secret` is configured"),
        (status = 408, description = "The body did not arrive in time"),
        (status = 413, description = "The body is too long"),
        (status = 429, description = "Too often"),
        (status = 500, description = "Tributary's own fault"),
        (status = 503, description = "Not now")
    )
)]
pub(in crate::api) async fn receive_clerk_webhook(
    ClientIp(origin): ClientIp,
    State(app): State<AppState>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let Some(secret) = &app.webhook else {
        return Err(ApiError::NotFound);
    };
    let headers = request.headers().clone();
    let stamp = Stamp::read(&headers, app.clock.now())?;
    let body = read_body(request, LIMIT).await?;
    secret.verify(&stamp, &body)?;
    match Event::read(&body) {
        Event::UserDeleted(user_id) => {
            let delivery = Delivery {
                id: stamp.id,
                user_id: &user_id,
                origin,
            };
            app.accounts.user_deleted(&app.sessions, delivery).await?;
        }
        Event::SessionEnded(session_id) => app.sessions.end_by(stamp.id, &session_id).await?,
        Event::Malformed => {
            tracing::warn!(svix.id = stamp.id, "a webhook of Clerk's names nobody");
        }
        Event::Other => {}
    }
    Ok(StatusCode::OK)
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed => {
                Self::invalid("svix-id, svix-timestamp and svix-signature are required")
            }
            Refusal::Stale => Self::Unauthorized("svix-timestamp is not of now"),
            Refusal::Forged => Self::Unauthorized("no signature of this endpoint"),
        }
    }
}
