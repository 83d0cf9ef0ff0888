//! From an axum request to ruma's.

use axum::{
    extract::{FromRequest, FromRequestParts as _, RawPathParams, Request},
    http,
};
use ruma::api::{
    IncomingRequest, IncomingRequestExt as _,
    error::{DeserializationError, FromHttpRequestError},
};

use crate::{
    api::{
        ApiError,
        error::MatrixError,
        extract::{BODY_LIMIT, read_body},
    },
    app::AppState,
};

/// A request of one of ruma's types, with a small body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ruma<T>(pub(super) T);

impl<T: IncomingRequest> FromRequest<AppState> for Ruma<T> {
    type Rejection = MatrixError;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, MatrixError> {
        let (mut parts, body) = request.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, app)
            .await
            .map_err(|_| MatrixError::INVALID_PARAM)?;
        let arguments: Vec<_> = params.iter().map(|(_, value)| value).collect();
        let body =
            read_body(Request::new(body), BODY_LIMIT)
                .await
                .map_err(|error| match error {
                    ApiError::TooLarge => MatrixError::TOO_LARGE,
                    _ => MatrixError::UNAVAILABLE,
                })?;
        let request = http::Request::from_parts(parts, body.as_ref());
        T::try_from_http_request(request, &arguments)
            .map(Self)
            .map_err(|error| answer(&error))
    }
}

fn answer(error: &FromHttpRequestError) -> MatrixError {
    match error {
        FromHttpRequestError::Deserialization(DeserializationError::Json(error))
            if error.is_data() =>
        {
            MatrixError::BAD_JSON
        }
        FromHttpRequestError::Deserialization(DeserializationError::Json(_)) => {
            MatrixError::NOT_JSON
        }
        _ => MatrixError::INVALID_PARAM,
    }
}
