//! The HTTP side, endpoint by endpoint: the folders mirror the paths.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "helpers of tests, too, may fail a test"
)]

#[path = "support/app.rs"]
mod app;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/world.rs"]
mod world;

#[path = "api/appservice/mod.rs"]
mod appservice;
#[path = "api/conversations/mod.rs"]
mod conversations;
#[path = "api/cors.rs"]
mod cors;
#[path = "api/health.rs"]
mod health;
#[path = "api/messages.rs"]
mod messages;
#[path = "api/openapi.rs"]
mod openapi;
#[path = "api/sessions.rs"]
mod sessions;
