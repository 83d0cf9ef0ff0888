//! `POST /api/bridge/{bridgeId}/status`: mautrix bridge state pushes
//! (`homeserver.status_endpoint`).

use axum::{Json, body::Bytes, extract::State};
use serde_json::{Value, json};

use crate::{
    accounts::Push,
    api::{
        ApiError,
        error::Refusals,
        extract::{BridgeId, ClientIp},
    },
    app::AppState,
};

/// Takes a bridge's state in, also about users whom nobody knows. A bridge sends
/// a state again, and nothing else meanwhile, until it is accepted: so whatever is
/// JSON is.
#[utoipa::path(
    post, path = "/api/bridge/{bridgeId}/status", tag = "bridge",
    params(("bridgeId" = String, Path, description = "The bridge, as it is configured")),
    request_body(content = Object, content_type = "application/json"), security(("bridge" = [])),
    responses((status = 200, description = "Taken", body = Object), Refusals)
)]
pub(in crate::api) async fn push_bridge_state(
    BridgeId(bridge_id): BridgeId,
    ClientIp(origin): ClientIp,
    State(app): State<AppState>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let body: Value =
        serde_json::from_slice(&body).map_err(|_| ApiError::invalid("the body is not JSON"))?;
    if let Some(push) = Push::read(&body, app.clock.now()) {
        app.accounts.bridge_state(&bridge_id, &push, origin).await?;
    }
    Ok(Json(json!({})))
}
