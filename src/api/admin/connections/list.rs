//! `GET /api/admin/connections`.

use axum::{Json, extract::State};
use serde::Deserialize;

use crate::{
    api::{
        ApiError,
        error::Refusals,
        extract::{AdminKey, Filter, Paging, PagingQuery, Term},
        page::Page,
    },
    app::AppState,
    db::admin::connections::{self, Place},
    model::connection::Account,
};

/// Which connections.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Only {
    /// Only those of this Clerk user.
    #[param(value_type = Option<String>)]
    user_id: Option<Term>,
    /// Only those of this Matrix user.
    #[param(value_type = Option<String>)]
    matrix_user_id: Option<Term>,
}

/// Connections of all Clerk users, the newest first; also such as nobody owns yet, and
/// such as were let go.
#[utoipa::path(
    get, path = "/api/admin/connections", tag = "admin",
    params(PagingQuery, Only), security(("admin" = [])),
    responses((status = 200, description = "A page", body = Page<Account>), Refusals)
)]
pub(in crate::api) async fn list_connections(
    _: AdminKey,
    Filter(only): Filter<Only>,
    paging: Paging<Place>,
    State(app): State<AppState>,
) -> Result<Json<Page<Account>>, ApiError> {
    let filter = connections::Filter {
        user_id: only.user_id.as_ref().map(|Term(id)| id.as_str()),
        matrix_user_id: only.matrix_user_id.as_ref().map(|Term(id)| id.as_str()),
    };
    let mut conn = app.db.get().await?;
    let page = connections::page(&mut conn, filter, paging.after, paging.limit);
    Ok(Json(page.await?.into()))
}
