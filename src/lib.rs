//! Tributary turns bridged Messenger chats into data that a web app can use.
//!
//! The rooms of the house, from the outside in; an arrow points from the user to
//! what it uses, and `tests/arrows.rs` holds the code to them:
//!
//! - [`commands`]: one file per command of the program
//! - [`doctor`]: whether everything stands as it should, and what to do where not
//! - [`lifecycle`]: what is started, in which order, and how it ends
//! - [`server`]: listens: connections, how many and how long
//! - [`api`], [`ws`]: HTTP and WebSocket: translate, authorise, delegate
//! - [`jobs`]: work that survives a crash: discovery, backfill, reconciliation
//! - [`accounts`]: who owns which Matrix user: reports, codes, links, bridge states
//! - [`erasure`]: deletes what nobody holds any more, step by step
//! - [`backup`]: copies of all this, and beginning anew from one
//! - [`search`]: what people look for, in what they are shown
//! - [`sessions`]: which Clerk sessions are over, known on every replica
//! - [`ingest`]: the transaction pipeline: decode, fold, store
//! - [`stream`]: who gets which frame, and who is told
//! - [`auth`]: Clerk session tokens, Matrix OpenID proofs, keys
//! - [`thumbnails`]: small pictures of large ones
//! - [`limits`]: how much an address and a user may ask for
//! - [`meters`], [`gauges`]: what is counted, and what has to be asked to be known
//! - [`db`]: the only room that knows diesel
//! - [`media`]: the store of files, their types, their decryption
//! - [`matrix`]: the wire: events, the homeserver's client, the registration
//! - [`fold`]: pure: what an event changes
//! - [`app`], [`telemetry`]: what they have in common
//! - [`model`], [`config`], [`clock`], [`health`]: values

pub mod accounts;
pub mod api;
pub mod app;
pub mod auth;
pub mod backup;
pub mod clock;
pub mod commands;
pub mod config;
pub mod db;
pub mod doctor;
pub mod erasure;
pub mod fold;
pub mod gauges;
pub mod health;
pub mod ingest;
pub mod jobs;
pub mod lifecycle;
pub mod limits;
pub mod matrix;
pub mod media;
pub mod meters;
pub mod model;
pub mod operator;
pub mod search;
pub mod server;
pub mod sessions;
pub mod stream;
pub mod telemetry;
pub mod thumbnails;
pub mod ws;
