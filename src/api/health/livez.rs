//! `GET /livez`: the process answers.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// It is alive.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(in crate::api) struct Alive {
    /// Always true.
    ok: bool,
}

/// Whether the process answers. A failure means: restart it.
#[utoipa::path(
    get, path = "/livez", tag = "health", operation_id = "get_liveness",
    responses((status = 200, description = "It does", body = Alive))
)]
pub(in crate::api) async fn livez() -> Json<Alive> {
    Json(Alive { ok: true })
}
