//! What narrows a list, from its query.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::{Deserialize, Deserializer, de};
use utoipa::IntoParams;

use super::PagingQuery;
use crate::api::ApiError;

/// The filters of a list. Whoever misspells one must not get everything.
#[derive(Debug)]
pub struct Filter<T>(pub T);

/// The parameters of what is no list, whoever misspells one of which is told.
#[derive(Debug)]
pub struct Options<T>(pub T);

impl<T: de::DeserializeOwned + IntoParams, S: Send + Sync> FromRequestParts<S> for Filter<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let known = names::<T>().chain(names::<PagingQuery>()).collect();
        only(known, parts, state).await.map(Self)
    }
}

impl<T: de::DeserializeOwned + IntoParams, S: Send + Sync> FromRequestParts<S> for Options<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        only(names::<T>().collect(), parts, state).await.map(Self)
    }
}

fn names<T: IntoParams>() -> impl Iterator<Item = String> {
    let known = T::into_params(|| None).into_iter();
    known.map(|parameter| parameter.name)
}

async fn only<T: de::DeserializeOwned, S: Send + Sync>(
    known: Vec<String>,
    parts: &mut Parts,
    state: &S,
) -> Result<T, ApiError> {
    let Query(given) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
        .await
        .map_err(|_| ApiError::invalid("the query can't be read"))?;
    if given.iter().any(|(name, _)| !known.contains(name)) {
        let known = known.join(", ");
        return Err(ApiError::invalid(format!("the query has {known}")));
    }
    let query = Query::<T>::from_request_parts(parts, state).await;
    query.map(|Query(asked)| asked).map_err(|_| {
        // Without what was asked for, which may be what somebody looked for.
        let known = known.join(", ");
        ApiError::invalid(format!(
            "the query can't be read; it has {known}, as /openapi.json says"
        ))
    })
}

/// A text to compare with. Postgres takes no U+0000, and nothing stored has one.
#[derive(Debug, Clone)]
pub struct Term(pub String);

impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.contains('\0') {
            return Err(de::Error::custom("U+0000"));
        }
        Ok(Self(text))
    }
}
