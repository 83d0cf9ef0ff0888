//! The HTTP side, endpoint by endpoint: the folders mirror the paths.

mod account;
mod admin;
mod analytics;
mod appservice;
mod console;
pub(crate) mod conversations;
mod cors;
mod export;
mod health;
mod keys;
mod limits;
pub(crate) mod media;
mod messages;
pub(crate) mod metrics;
mod openapi;
mod search;
mod sessions;
mod webhooks;

use crate::support::{app, pushes as world};
