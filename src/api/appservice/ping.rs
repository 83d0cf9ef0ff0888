//! `POST /_matrix/app/v1/ping` (Matrix AS API, "Pinging").

use axum::{Json, extract::State};
use ruma_appservice_api::ping::send_ping;

use super::{Empty, Homeserver, empty, ruma_request::Ruma};
use crate::app::AppState;

/// The homeserver reaches Tributary, and has the right token.
pub(super) async fn ping(
    _: Homeserver,
    State(app): State<AppState>,
    _: Ruma<send_ping::v1::Request>,
) -> Json<Empty> {
    app.health.homeserver_seen(app.clock.now());
    empty()
}
