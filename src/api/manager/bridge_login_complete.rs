//! `POST /api/manager/bridge-login-complete`.

use axum::{Json, extract::State};

use crate::{
    accounts::{Error, Report, Reported},
    api::{
        ApiError,
        admin::calls::Committed,
        error::{Forbids, Refusals},
        extract::{ClientIp, JsonBody, ManagerKey},
    },
    app::AppState,
};

/// In bytes; the names are at most 255 characters each, and an OpenID token is short.
const LONGEST: usize = 16 * 1024;

/// Reports a finished login, and answers the code that ties it to a user of the
/// web app. May be repeated; each repetition replaces the code.
#[utoipa::path(
    post, path = "/api/manager/bridge-login-complete", tag = "manager",
    request_body = Report, security(("manager" = [])),
    responses((status = 200, description = "The connection, and the code for the web page", body = Reported), Forbids, Refusals)
)]
pub(in crate::api) async fn complete_bridge_login(
    _: ManagerKey,
    ClientIp(origin): ClientIp,
    State(app): State<AppState>,
    JsonBody(report): JsonBody<Report, LONGEST>,
) -> Result<Committed<Result<Json<Reported>, ApiError>>, ApiError> {
    let reported = app.accounts.report(&report, origin).await;
    if let Err(Error::Database(error)) = reported {
        return Err(error.into());
    }
    // Taken or refused, its audit row is the report's own.
    Ok(Committed(reported.map(Json).map_err(ApiError::from)))
}
