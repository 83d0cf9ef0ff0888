//! The web app's user.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    api::ApiError,
    app::AppState,
    auth::{
        bearer::{Bearer, bearer},
        clerk::Session,
    },
};

/// A user of the web app, by the Clerk session in `Authorization: Bearer`.
#[derive(Debug, Clone)]
pub struct Viewer(pub Session);

impl Viewer {
    /// The Clerk user, by which every query decides.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.0.user_id
    }
}

impl FromRequestParts<AppState> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        match bearer(&parts.headers) {
            Bearer::Token(token) => {
                let session = app.clerk.verify(token).await?;
                app.limits.admit_user(&session.user_id)?;
                Ok(Self(session))
            }
            Bearer::Missing => Err(ApiError::Unauthorized("a session token is required")),
            Bearer::Malformed => Err(ApiError::Unauthorized("Authorization is no bearer token")),
        }
    }
}
