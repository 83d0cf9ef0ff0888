//! A page of a list, as it is sent.

use serde::Serialize;
use utoipa::ToSchema;

use super::extract::{Place, encode_cursor};
use crate::db::read;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T, P: Place> From<read::Page<T, P>> for Page<T> {
    fn from(page: read::Page<T, P>) -> Self {
        Self {
            items: page.items,
            next_cursor: page.next.as_ref().map(encode_cursor),
        }
    }
}
