//! The homeserver, by its token.

use axum::{extract::FromRequestParts, http::request::Parts};
use url::form_urlencoded;

use crate::{api::error::MatrixError, app::AppState, auth::hs_token::HsAuth};

/// The homeserver is calling.
#[derive(Debug, Clone, Copy)]
pub(super) struct Homeserver;

impl FromRequestParts<AppState> for Homeserver {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, MatrixError> {
        let query = parts.uri.query().unwrap_or_default();
        let tokens = if app.config.appservice.legacy_query_auth {
            access_tokens(query)
        } else {
            Vec::new()
        };
        // Of several, all have to be right, as one beside a header has to be.
        let judged = match tokens.as_slice() {
            [] => app.hs_token.check(&parts.headers, None),
            tokens => tokens
                .iter()
                .map(|token| app.hs_token.check(&parts.headers, Some(token)))
                .find(|judged| *judged != HsAuth::Ok)
                .unwrap_or(HsAuth::Ok),
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
