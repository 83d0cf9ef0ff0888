//! A bridge, by its `as_token`.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::{
    api::ApiError,
    app::AppState,
    auth::bearer::{Bearer, bearer},
};

/// The bridge that a path names, by the `as_token` in `Authorization: Bearer`. A
/// bridge that does not exist is answered like one with another token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeId(pub String);

impl FromRequestParts<AppState> for BridgeId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let named = Path::<String>::from_request_parts(parts, app).await;
        let token = match bearer(&parts.headers) {
            Bearer::Token(token) => token,
            Bearer::Missing => return Err(ApiError::Unauthorized("the as_token is required")),
            Bearer::Malformed => {
                return Err(ApiError::Unauthorized("Authorization is no bearer token"));
            }
        };
        // Every key is compared, so the time says nothing about which bridges exist.
        let known = app.bridge_keys.iter().fold(None, |known, (id, ring)| {
            let is_named = named.as_ref().is_ok_and(|Path(named)| named == id);
            (ring.matches(token) && is_named).then_some(id).or(known)
        });
        known
            .map(|id| Self(id.clone()))
            .ok_or(ApiError::Unauthorized("the as_token is not known"))
    }
}
