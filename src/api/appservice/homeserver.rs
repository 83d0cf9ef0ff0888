//! The homeserver, by its token.

use axum::{
    extract::FromRequestParts,
    http::{header::AUTHORIZATION, request::Parts},
};
use url::form_urlencoded;

use crate::{api::error::MatrixError, app::AppState, auth::hs_token::HsAuth};

/// The homeserver is calling.
#[derive(Debug, Clone, Copy)]
pub(super) struct Homeserver;

impl FromRequestParts<AppState> for Homeserver {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, MatrixError> {
        let tokens = access_tokens(parts.uri.query().unwrap_or_default());
        // Alone it only counts as long as that is wanted; beside a header it always
        // has to agree, and of several each.
        let has_header = parts.headers.contains_key(AUTHORIZATION);
        let counts = has_header || app.config.appservice.legacy_query_auth;
        let judged = match tokens.as_slice() {
            tokens @ [_, ..] if counts => tokens
                .iter()
                .map(|token| app.hs_token.check(&parts.headers, Some(token)))
                .find(|judged| *judged != HsAuth::Ok)
                .unwrap_or(HsAuth::Ok),
            _ => app.hs_token.check(&parts.headers, None),
        };
        match judged {
            HsAuth::Ok => Ok(Self),
            HsAuth::Missing => Err(MatrixError::UNAUTHORIZED),
            HsAuth::Wrong => Err(MatrixError::FORBIDDEN),
        }
    }
}

fn access_tokens(query: &str) -> Vec<String> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "access_token")
        .map(|(_, token)| token.into_owned())
        .collect()
}
