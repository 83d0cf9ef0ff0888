//! The one list of routes. A route is one line, an endpoint one file.

use std::sync::Arc;

use axum::{Router, routing::any};
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use super::{
    ApiError, account, admin, analytics, appservice, bridge, console, conversations, export,
    health, manager, media, messages, messenger, openapi, search, stack, webhooks,
};
use crate::app::{App, AppState};

/// Everything but the WebSocket; without the operator's endpoints when those have an
/// address of their own.
pub fn router(app: Arc<App>) -> Router {
    router_beside(app, OpenApi::default())
}

/// The same, beside something else that is served here and described with it.
pub fn router_beside(app: Arc<App>, others: OpenApi) -> Router {
    let (mut api, _) = web().split_for_parts();
    let (operator, _) = operator(&AppState(Arc::clone(&app))).split_for_parts();
    if app.config.server.operator_bind.is_none() {
        api = api.merge(operator);
    }
    let (health, _) = status().split_for_parts();
    let mut description = description();
    description.merge(others);
    let app = AppState(app);
    let openapi = openapi::route(&description);
    let open = stack::limited(openapi.merge(console::public(&app)), &app);
    let router = appservice::routes().merge(open).merge(health);
    serve(app, api, router)
}

/// What the routes say of themselves, also those that are served elsewhere; what
/// `/openapi.json` says is [`openapi::document`] of it.
#[must_use]
pub fn description() -> OpenApi {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(web())
        .merge(operators(|_, endpoint| endpoint))
        .merge(status())
        .into_openapi()
}

/// What is served at `server.operator_bind`, and nowhere else then.
pub fn operator_router(app: Arc<App>) -> Router {
    let app = AppState(app);
    let (operator, _) = operator(&app).split_for_parts();
    let (health, _) = status().split_for_parts();
    let console = stack::limited(console::operators(&app), &app);
    serve(app, operator, health.merge(console))
}

fn serve(app: AppState, api: Router<AppState>, others: Router<AppState>) -> Router {
    let api = api
        .route("/api/{*unknown}", any(not_found))
        .method_not_allowed_fallback(method_not_allowed);
    let router = stack::limited(Router::new().fallback(not_found), &app)
        .merge(stack::api(api, &app))
        .merge(others)
        .method_not_allowed_fallback(method_not_allowed);
    stack::all(router).with_state(app)
}

/// What the web app, the desktop companion, the bridges and Clerk call; the operator's
/// endpoints are in [`operator`].
/// `/api/manager/` answers every Origin, the rest those of `server.allowed_origins`.
///
/// An endpoint's handler carries `#[utoipa::path(...)]` with its full path, its
/// `security` and `Refusals` among its responses, and comes in by
/// `.routes(routes!(module::handler))`; handlers of one path share a line.
fn web() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(conversations::list::list_conversations))
        .routes(routes!(conversations::get::get_conversation))
        .routes(routes!(conversations::messages::list_messages))
        .routes(routes!(conversations::read::read_conversation))
        .routes(routes!(messages::get::get_message))
        .routes(routes!(media::get::get_media))
        .routes(routes!(media::tickets::issue_media_tickets))
        .routes(routes!(analytics::get::get_analytics))
        .routes(routes!(export::get::get_export))
        .routes(routes!(messages::context::message_context))
        .routes(routes!(search::find::search_messages))
        .routes(routes!(
            manager::bridge_login_complete::complete_bridge_login
        ))
        .routes(routes!(messenger::link::link_connection))
        .routes(routes!(messenger::connect::connect_messenger))
        .routes(routes!(messenger::status::messenger_status))
        .routes(routes!(messenger::disconnect::disconnect_messenger))
        .routes(routes!(bridge::status::push_bridge_state))
        .routes(routes!(account::delete::delete_account))
        .routes(routes!(webhooks::clerk::receive_clerk_webhook))
}

/// The operator's endpoints, each of whose calls leaves an audit row, refused or not.
fn operator(app: &AppState) -> OpenApiRouter<AppState> {
    let calls = admin::calls::Calls::new(app);
    operators(|action, endpoint| calls.audited(action, endpoint))
}

/// The operator's endpoints, and beside each the action of its audit row; those that share
/// a path have a line each.
fn operators(
    audited: impl Fn(&'static str, UtoipaMethodRouter<AppState>) -> UtoipaMethodRouter<AppState>,
) -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(audited(
            "dead_letter.list",
            routes!(admin::dead_letters::list::list_dead_letters),
        ))
        .routes(audited(
            "dead_letter.replay",
            routes!(admin::dead_letters::replay::replay_dead_letter),
        ))
        .routes(audited(
            "backfill.start",
            routes!(admin::backfill::start::start_backfill),
        ))
        .routes(audited(
            "backfill.list",
            routes!(admin::backfill::list::list_backfills),
        ))
        .routes(audited(
            "backfill.get",
            routes!(admin::backfill::get::get_backfill),
        ))
        .routes(audited(
            "backfill.cancel",
            routes!(admin::backfill::cancel::cancel_backfill),
        ))
        .routes(audited(
            "room.list",
            routes!(admin::rooms::list::list_rooms),
        ))
        .routes(audited(
            "room.change",
            routes!(admin::rooms::change::change_room),
        ))
        .routes(audited(
            "room.reconcile",
            routes!(admin::rooms::reconcile::reconcile_rooms),
        ))
        .routes(audited(
            "connection.list",
            routes!(admin::connections::list::list_connections),
        ))
        .routes(audited(
            "connection.import",
            routes!(admin::connections::import::import_connection),
        ))
        .routes(audited("audit.list", routes!(admin::audit::list_audit)))
}

/// How Tributary is; exempt from CORS, keys and limits.
fn status() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz::healthz))
        .routes(routes!(health::livez::livez))
        .routes(routes!(health::readyz::readyz))
}

async fn not_found() -> ApiError {
    ApiError::NotFound
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
