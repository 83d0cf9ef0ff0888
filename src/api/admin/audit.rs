//! `GET /api/admin/audit`.

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
    db::admin::audit::{self, Place},
    model::audit::AuditRow,
};

/// Which rows.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Only {
    /// Only what was done so, such as `connection.link`.
    #[param(value_type = Option<String>)]
    action: Option<Term>,
    /// Only what was done by this Clerk user, `clerk`, `manager`, `admin`, `bridge:<id>`,
    /// `tributary` itself, or by an `unknown` key.
    #[param(value_type = Option<String>)]
    actor: Option<Term>,
    /// Only what was done to this id.
    #[param(value_type = Option<String>)]
    target: Option<Term>,
}

/// Who did what, when, from where, and how it ended; the newest first.
#[utoipa::path(
    get, path = "/api/admin/audit", tag = "admin",
    params(PagingQuery, Only), security(("admin" = [])),
    responses((status = 200, description = "A page", body = Page<AuditRow>), Refusals)
)]
pub(in crate::api) async fn list_audit(
    _: AdminKey,
    Filter(only): Filter<Only>,
    paging: Paging<Place>,
    State(app): State<AppState>,
) -> Result<Json<Page<AuditRow>>, ApiError> {
    let filter = audit::Filter {
        action: only.action.as_ref().map(|Term(text)| text.as_str()),
        actor: only.actor.as_ref().map(|Term(text)| text.as_str()),
        target: only.target.as_ref().map(|Term(text)| text.as_str()),
    };
    let mut conn = app.db.get().await?;
    let page = audit::page(&mut conn, filter, paging.after, paging.limit);
    Ok(Json(page.await?.into()))
}
