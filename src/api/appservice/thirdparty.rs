//! `GET /_matrix/app/v1/thirdparty/...`: the registration claims no protocol, so
//! there is nothing to find, but the paths exist.

use axum::extract::Path;

use super::Homeserver;
use crate::api::error::MatrixError;

/// `/thirdparty/{user|location}`: by Matrix id or alias.
pub(super) async fn by_matrix_id(_: Homeserver, Path(kind): Path<String>) -> MatrixError {
    if matches!(kind.as_str(), "user" | "location") {
        MatrixError::NOT_FOUND
    } else {
        MatrixError::UNRECOGNIZED
    }
}

/// `/thirdparty/{protocol|user|location}/{protocol}`.
pub(super) async fn by_protocol(
    _: Homeserver,
    Path((kind, _)): Path<(String, String)>,
) -> MatrixError {
    if matches!(kind.as_str(), "protocol" | "user" | "location") {
        MatrixError::NOT_FOUND
    } else {
        MatrixError::UNRECOGNIZED
    }
}
