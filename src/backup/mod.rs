//! Backups: taking one, and beginning anew from one.
//!
//! A backup is a dump of the schema, made by `pg_dump` in a snapshot that is held meanwhile, and
//! the list of the files that are stored in that same snapshot ([`manifest`]). Files are named by
//! the hash of their content and never change, so those that are copied as well are copied once
//! for all backups of a folder.
//!
//! The dump comes first. What is deleted between it and the files is in the dump without its
//! file; that is noted, and a restore has it fetched again or erased again, as its owner wanted.
//! The other way round there would be files that nothing names.
//!
//! What was erased since a backup must not come back with it. Who was erased, or let go, is
//! therefore also written beside the files ([`tombstones`]), from where a restore takes it.

pub mod manifest;
mod programs;
mod prune;
mod restore;
mod take;
pub mod tombstones;

pub use self::{
    restore::{Restored, compare_unfilled, open, restore, restore_files},
    take::{Options, take},
};
