//! `?limit=` and `?cursor=` of a list.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::cursor::{self, Place};
use crate::api::ApiError;

const LIMITS: std::ops::RangeInclusive<i64> = 1..=200;
const DEFAULT_LIMIT: i64 = 50;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging<P> {
    /// At most so many items, 1 to 200.
    pub limit: i64,
    /// Behind which item.
    pub after: Option<P>,
}

/// The query parameters of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PagingQuery {
    /// At most so many items.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

impl<P: Place, S: Send + Sync> FromRequestParts<S> for Paging<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(query) = Query::<PagingQuery>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::invalid("the query can't be read"))?;
        Self::read(&query)
    }
}

impl<P: Place> Paging<P> {
    fn read(query: &PagingQuery) -> Result<Self, ApiError> {
        let limit = query.limit.as_deref().map_or(Some(DEFAULT_LIMIT), |limit| {
            limit.parse().ok().filter(|limit| LIMITS.contains(limit))
        });
        let after = match &query.cursor {
            None => None,
            Some(cursor) => Some(
                cursor::decode(cursor)
                    .ok_or_else(|| ApiError::invalid("cursor is not of this list"))?,
            ),
        };
        Ok(Self {
            limit: limit.ok_or_else(|| ApiError::invalid("limit is 1 to 200"))?,
            after,
        })
    }
}
