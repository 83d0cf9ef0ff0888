//! `DELETE /api/account`.

use axum::{extract::State, http::StatusCode};

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{ClientIp, Viewer},
    },
    app::AppState,
};

/// Erases everything of the caller: all connections with their conversations, messages and
/// files that no other customer holds. It is out of sight when this answers; what is much is
/// deleted soon after. May be repeated. The user stays signed in at Clerk, and may begin anew.
#[utoipa::path(
    delete, path = "/api/account", tag = "account", security(("clerk" = [])),
    responses((status = 204, description = "Nothing of it is to be seen any more"), Refusals)
)]
pub(in crate::api) async fn delete_account(
    viewer: Viewer,
    ClientIp(origin): ClientIp,
    State(app): State<AppState>,
) -> Result<StatusCode, ApiError> {
    app.accounts.delete(viewer.user_id(), origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
