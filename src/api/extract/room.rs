//! Matrix room ids in paths.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::api::ApiError;

/// As long as any Matrix id, in bytes.
const LONGEST: usize = 255;

/// The only parameter of a path, the id of a Matrix room. What none can be is answered
/// exactly like one that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRoom(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathRoom {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::NotFound)?;
        if is_storable(&text) {
            Ok(Self(text))
        } else {
            Err(ApiError::NotFound)
        }
    }
}

/// Whether a Matrix id of this form can be in the database.
#[must_use]
pub fn is_storable(id: &str) -> bool {
    id.len() <= LONGEST && !id.contains('\0')
}
