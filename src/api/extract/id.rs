//! Ids in paths.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use uuid::Uuid;

use crate::api::ApiError;

/// Characters of an id as it is sent, `8-4-4-4-12`.
const LENGTH: usize = 36;

/// The only parameter of a path, an id. A malformed one is answered exactly like
/// one that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::NotFound)?;
        parse(&text).map(Self).ok_or(ApiError::NotFound)
    }
}

/// Takes the one form in which ids are given out, not the others that `uuid` knows.
pub(in crate::api) fn parse(text: &str) -> Option<Uuid> {
    (text.len() == LENGTH)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_that_is_given_out_is_an_id() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(parse(id).map(|id| id.to_string()).as_deref(), Some(id));
        for other in [
            "",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805g",
            "01890a5d-ac96-774b-bcce-b302099a8057\0",
        ] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
