//! JSON bodies of Tributary's own API.

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, header::CONTENT_TYPE},
};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::api::ApiError;

/// The longest body that is read, in bytes.
pub(in crate::api) const LIMIT: usize = 64 * 1024;

/// A body of `application/json`. Its mistakes are named by place, never repeated:
/// a body may hold a token.
#[derive(Debug, Clone, Copy)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        let body = to_bytes(request.into_body(), LIMIT)
            .await
            .map_err(|error| {
                let too_long = std::error::Error::source(&error)
                    .is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
                if too_long {
                    ApiError::TooLarge
                } else {
                    ApiError::invalid("the body broke off")
                }
            })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            let what = match error.classify() {
                Category::Data => "the body has another shape",
                Category::Eof | Category::Io | Category::Syntax => "the body is not JSON",
            };
            let (line, column) = (error.line(), error.column());
            ApiError::invalid(format!("{what} (line {line}, column {column})"))
        })
    }
}

/// `application/json` or `application/*+json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    media_type.is_some_and(|media_type| {
        media_type
            .strip_prefix("application/")
            .is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
    })
}
