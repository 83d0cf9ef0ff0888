//! `POST /api/bridge/{bridgeId}/status`: mautrix bridge state pushes
//! (`homeserver.status_endpoint`).

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::{
    accounts::Push,
    api::{
        ApiError,
        error::Refusals,
        extract::{BridgeId, ClientIp, RawBody},
    },
    app::{App, AppState},
};

/// Takes a bridge's state in, also about users whom nobody knows. A bridge sends
/// a state again, and nothing else meanwhile, until it is accepted: so whatever an
/// authentic one sends is, unless the database is away.
#[utoipa::path(
    post, path = "/api/bridge/{bridgeId}/status", tag = "bridge",
    params(("bridgeId" = String, Path, description = "The bridge, as it is configured")),
    request_body(content = Object, content_type = "application/json"), security(("bridge" = [])),
    responses(
        (status = 200, description = "Taken", body = Object),
        (status = 408, description = "The body did not arrive in time"),
        Refusals
    )
)]
pub(in crate::api) async fn push_bridge_state(
    BridgeId(bridge_id): BridgeId,
    ClientIp(origin): ClientIp,
    State(app): State<AppState>,
    body: Result<RawBody, ApiError>,
) -> Result<Json<Value>, ApiError> {
    // What is too long or no JSON will not be another time either.
    let body = match body {
        Ok(RawBody(body)) => serde_json::from_slice(&body).ok(),
        Err(ApiError::TooLarge) => None,
        Err(error) => return Err(error),
    };
    let body: Value = body.unwrap_or_else(|| {
        tracing::warn!(bridge_id, "the bridge pushed a state that cannot be read");
        Value::Null
    });
    match Push::read(&body, app.clock.now()) {
        Some(push) => app.accounts.bridge_state(&bridge_id, &push, origin).await?,
        None => about_itself(&app, &bridge_id, &body).await,
    }
    Ok(Json(json!({})))
}

/// A state of the bridge itself: at its start it sends one, and blocks until it is taken.
/// What became of its logins meanwhile may have been missed.
async fn about_itself(app: &App, bridge_id: &str, body: &Value) {
    let heard = app.accounts.bridge_heard(bridge_id).await;
    let asked = match body.get("state_event") {
        Some(_) => heard.and(app.accounts.ask_all(bridge_id).await),
        None => heard,
    };
    if let Err(error) = asked {
        tracing::warn!(%error, bridge_id, "nobody noted that the bridge spoke");
    }
}
