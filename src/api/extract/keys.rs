//! The desktop companion and the operator, by their keys.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use crate::{
    api::ApiError,
    app::AppState,
    auth::{
        api_keys::ApiKeyRing,
        bearer::{Bearer, bearer},
    },
};

/// The operator, by `admin.api_key`.
#[derive(Debug, Clone, Copy)]
pub struct AdminKey;

/// The desktop companion, by `manager.api_key`. The key ships in a program: it
/// proves nothing about a person.
#[derive(Debug, Clone, Copy)]
pub struct ManagerKey;

impl FromRequestParts<AppState> for AdminKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        check(&app.admin_keys, &parts.headers).map(|()| Self)
    }
}

impl FromRequestParts<AppState> for ManagerKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        check(&app.manager_keys, &parts.headers).map(|()| Self)
    }
}

fn check(ring: &ApiKeyRing, headers: &HeaderMap) -> Result<(), ApiError> {
    match bearer(headers) {
        Bearer::Token(key) if ring.matches(key) => Ok(()),
        Bearer::Token(_) => Err(ApiError::Unauthorized("the key is not known")),
        Bearer::Missing => Err(ApiError::Unauthorized("a key is required")),
        Bearer::Malformed => Err(ApiError::Unauthorized("Authorization is no bearer token")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::AUTHORIZATION;

    use super::*;
    use crate::config::ApiKeys;

    #[test]
    fn a_door_without_keys_is_closed_and_says_no_more() {
        let with = ApiKeyRing::new(&ApiKeys(vec!["key".into()]));
        let without = ApiKeyRing::new(&ApiKeys(Vec::new()));
        for (ring, header, opens) in [
            (&with, Some("Bearer key"), true),
            (&with, Some("Bearer other"), false),
            (&with, Some("Basic key"), false),
            (&with, None, false),
            (&without, Some("Bearer key"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(AUTHORIZATION, header.parse().unwrap());
            }
            let refused = check(ring, &headers).err().map(|error| error.code());
            assert_eq!(refused, (!opens).then_some("unauthorized"), "{header:?}");
        }
    }
}
