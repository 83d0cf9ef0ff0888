//! Full-text search: what people look for, in what they are shown.
//!
//! Postgres says which messages may match ([`index`], [`db::search`](crate::db::search)),
//! by terms that are made here, so that it needs no extension and no dictionary. What does
//! match is decided here as well, on the text that this viewer is shown, which is the only
//! guard: an index that lags, or that knows another version of a message, leads to
//! nothing.

mod find;
pub mod index;
mod letters;
mod matching;
mod names;
mod page;
mod query;
mod walk;
mod words;

pub use self::{
    names::conversations,
    page::{Best, Page, Rank, best, newest},
    query::{Query, TooLong},
};

/// Characters of a message that are searched.
const MOST_CHARACTERS: i32 = 8_192;
