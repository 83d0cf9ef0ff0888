//! `GET /metrics`: Prometheus's text format.

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};

use crate::{app::AppState, meters::meters};

/// What Prometheus wants to hear (text format, version 0.0.4).
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What Tributary counts and measures of itself, in Prometheus's text format. There are no
/// users, rooms or messages in it. With `server.operator_bind` it is there alone.
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "get_metrics",
    responses(
        (status = 200, description = "All metrics of this replica", body = String, content_type = "text/plain"),
        (status = 429, description = "Too often")
    )
)]
pub(in crate::api) async fn metrics(State(app): State<AppState>) -> Response {
    app.gauges.refresh(&app.health).await;
    let meters = meters();
    meters.look_at_disk("data", &app.config.data_dir);
    if let Some(folder) = app.media.folder() {
        meters.look_at_disk("media", folder);
    }
    ([(CONTENT_TYPE, TEXT)], meters.render()).into_response()
}
