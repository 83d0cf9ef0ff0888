//! `POST /api/admin/connections`.

use axum::{Json, extract::State};

use crate::{
    accounts::Import,
    api::{
        ApiError,
        admin::calls::{AdminCall, Committed},
        error::{Conflicts, Refusals},
        extract::{AdminKey, JsonBody},
    },
    app::AppState,
    model::connection::Account,
};

/// Links an account that is linked already, elsewhere: no code is needed, and all else
/// is as if one had been redeemed. The same one may come again. A Matrix user who is
/// another Clerk user's is a `conflict`.
#[utoipa::path(
    post, path = "/api/admin/connections", tag = "admin",
    request_body = Import, security(("admin" = [])),
    responses((status = 200, description = "The connection, linked", body = Account), Conflicts, Refusals)
)]
pub(in crate::api) async fn import_connection(
    _: AdminKey,
    call: AdminCall,
    State(app): State<AppState>,
    JsonBody(import): JsonBody<Import>,
) -> Result<Committed<Json<Account>>, ApiError> {
    let account = app.accounts.import(&import, call.entry()).await?;
    Ok(Committed(Json(account)))
}
