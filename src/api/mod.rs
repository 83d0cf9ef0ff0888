//! HTTP: translate, authorise, delegate.
//!
//! One file per endpoint, one line per route in [`router()`]. What a request brings is
//! taken by [`extract`], what it may be refused with is in [`error`]; an endpoint
//! holds no SQL and decides no access: it hands the caller's id on.

mod account;
mod admin;
mod analytics;
mod appservice;
mod bridge;
mod console;
mod conversations;
mod endpoint;
pub mod error;
mod etag;
mod export;
pub mod extract;
mod health;
mod manager;
mod media;
mod messages;
mod messenger;
mod metrics;
pub mod openapi;
pub mod page;
pub mod router;
mod search;
mod stack;
mod waiting;
mod webhooks;

pub use self::{
    error::ApiError,
    router::{Beside, description, operator_router, router, router_beside},
    waiting::{waiting_operator_router, waiting_router},
};
