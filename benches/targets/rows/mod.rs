//! A module for each kind of row.

pub(crate) mod backfill;
pub(crate) mod burst;
pub(crate) mod frames;
pub(crate) mod growth;
pub(crate) mod idle;
pub(crate) mod ingest;
pub(crate) mod memory;
pub(crate) mod own;
pub(crate) mod pages;
pub(crate) mod raw;
pub(crate) mod startup;
