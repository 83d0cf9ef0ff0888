//! Search.

mod cursor;
pub(super) mod find;
