//! Everything of a customer's, to take along.

mod cursor;
pub(super) mod get;
mod stream;
