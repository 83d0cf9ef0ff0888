//! Files: where they are kept, what they are, and how they are decrypted.
//!
//! [`Store`] keeps them by the hash of their content, in a folder or in a bucket. It knows
//! nothing of who holds what: the rows say that ([`crate::db::media`]), and the job
//! `archive` works by them.

pub mod decrypt;
mod error;
pub mod kind;
mod notes;
mod place;
mod store;
mod upload;

pub use self::{
    error::StoreError,
    store::{ByteStream, Store},
    upload::{Finished, Upload},
};
