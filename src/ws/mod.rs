//! The WebSocket: a viewer's stream, live and from any cursor on.
//!
//! The way of a socket: [`handshake`] asks [`token`] and [`origin`] who it is and
//! answers with a [`refusal`] or an upgrade; [`resume`] decides where it begins;
//! [`session`] serves it, over [`wire`], with what [`pull`] reads and renders (once for
//! all sockets of a viewer that want the same, says [`pulls`]), as
//! long as its token's [`lifetime`] goes; [`hub`] knows all of them, and [`close`]
//! says why they end. [`protocol`] is the frames.
//!
//! Nothing that must arrive is kept here: a frame is a row of the viewer's stream,
//! pulled when the socket has room for it, and the [`Feed`](crate::stream::Feed)
//! only says that there is one.

mod allowance;
mod close;
mod handshake;
mod hub;
mod lifetime;
mod openapi;
mod origin;
mod protocol;
mod pull;
mod pulls;
mod refusal;
mod resume;
mod session;
mod token;
mod wire;

use std::sync::Arc;

use axum::{Router, routing::get};
use utoipa::OpenApi as _;

pub use self::{close::Close, hub::Hub};
use self::{
    handshake::{Sockets, open},
    refusal::Refusal,
};
use crate::app::App;

/// What `/openapi.json` says of the socket and its frames.
#[must_use]
pub fn description() -> utoipa::openapi::OpenApi {
    openapi::Description::openapi()
}

/// `GET /ws`; its sockets are in `hub`.
pub fn router(app: Arc<App>, hub: Hub) -> Router {
    let route = get(open).fallback(async || Refusal::Method);
    Router::new()
        .route("/ws", route)
        .with_state(Sockets { app, hub })
}
