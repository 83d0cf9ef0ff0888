//! The one list of routes. A route is one line, an endpoint one file.

use std::sync::Arc;

use axum::{Router, routing::any};
use utoipa::{OpenApi as _, openapi::OpenApi};

use super::{
    ApiError, account, admin, analytics, appservice, bridge, console, conversations,
    endpoint::{Endpoint, endpoint, routes},
    export, health, manager, media, messages, messenger, metrics, openapi, search, stack, webhooks,
};
use crate::app::{App, AppState};

/// Everything but the WebSocket; without the operator's endpoints when those have an
/// address of their own.
pub fn router(app: Arc<App>) -> Router {
    router_beside(app, Beside::default())
}

/// What is served at the same address, and is not of this room.
#[derive(Default)]
pub struct Beside {
    /// Its routes.
    pub router: Router,
    /// What they say of themselves, when somebody asks.
    pub description: Option<fn() -> OpenApi>,
}

/// The same, beside something else that is traced and described with it.
pub fn router_beside(app: Arc<App>, others: Beside) -> Router {
    let app = AppState(app);
    let described = move || {
        let mut described = description();
        if let Some(others) = others.description {
            described.merge(others());
        }
        described
    };
    let calls = admin::calls::Calls::new(&app);
    let audited = |action, endpoint| calls.audited("manager", action, endpoint);
    let mut api = routes(web(audited));
    let mut open = openapi::route(described).merge(console::public(&app));
    if app.config.server.operator_bind.is_none() {
        api = api.merge(routes(operator(&app)));
        open = open.merge(routes(measurements()));
    }
    let open = stack::limited(open, &app);
    let router = appservice::routes().merge(open).merge(routes(status()));
    let beside = stack::all(others.router, app.limits.proxies());
    serve(app, api, router).merge(beside)
}

/// What the routes say of themselves, also those that are served elsewhere; what
/// `/openapi.json` says is [`openapi::document`] of it.
#[must_use]
pub fn description() -> OpenApi {
    let (web, operators) = (
        web(|_, endpoint| endpoint),
        operators(|_, endpoint| endpoint),
    );
    [web, operators, status(), measurements()]
        .iter()
        .flatten()
        .fold(openapi::Description::openapi(), Endpoint::describe)
}

/// What is served at `server.operator_bind`, and nowhere else then.
pub fn operator_router(app: Arc<App>) -> Router {
    let app = AppState(app);
    let open = console::operators(&app).merge(routes(measurements()));
    let open = stack::limited(open, &app);
    let operator = routes(operator(&app));
    serve(app, operator, routes(status()).merge(open))
}

fn serve(app: AppState, api: Router<AppState>, others: Router<AppState>) -> Router {
    let api = api
        .route("/api/{*unknown}", any(not_found))
        .method_not_allowed_fallback(method_not_allowed);
    let router = stack::limited(Router::new().fallback(not_found), &app)
        .merge(stack::api(api, &app))
        .merge(others)
        .method_not_allowed_fallback(method_not_allowed);
    let proxies = app.limits.proxies().clone();
    stack::all(router, &proxies).with_state(app)
}

/// What the web app, the desktop companion, the bridges and Clerk call; the operator's
/// endpoints are in [`operator`].
/// `/api/manager/` answers every Origin, the rest those of `server.allowed_origins`. The
/// desktop program's calls leave an audit row each; the others do where they change something.
///
/// An endpoint's handler carries `#[utoipa::path(...)]` with its full path, its
/// `security` and `Refusals` among its responses, and comes in by
/// `endpoint!(module::handler)`.
fn web(audited: impl Fn(&'static str, Endpoint) -> Endpoint) -> Vec<Endpoint> {
    vec![
        endpoint!(conversations::list::list_conversations),
        endpoint!(conversations::get::get_conversation),
        endpoint!(conversations::messages::list_messages),
        endpoint!(conversations::read::read_conversation),
        endpoint!(messages::get::get_message),
        endpoint!(media::get::get_media),
        endpoint!(media::tickets::issue_media_tickets),
        endpoint!(analytics::get::get_analytics),
        endpoint!(export::get::get_export),
        endpoint!(messages::context::message_context),
        endpoint!(search::find::search_messages),
        audited(
            "connection.report",
            endpoint!(manager::bridge_login_complete::complete_bridge_login),
        ),
        endpoint!(messenger::link::link_connection),
        endpoint!(messenger::connect::connect_messenger),
        endpoint!(messenger::status::messenger_status),
        endpoint!(messenger::disconnect::disconnect_messenger),
        endpoint!(bridge::status::push_bridge_state),
        endpoint!(account::delete::delete_account),
        endpoint!(webhooks::clerk::receive_clerk_webhook),
    ]
}

/// The operator's endpoints, each of whose calls leaves an audit row, refused or not.
fn operator(app: &AppState) -> Vec<Endpoint> {
    let calls = admin::calls::Calls::new(app);
    operators(|action, endpoint| calls.audited("admin", action, endpoint))
}

/// The operator's endpoints, and beside each the action of its audit row.
fn operators(audited: impl Fn(&'static str, Endpoint) -> Endpoint) -> Vec<Endpoint> {
    vec![
        audited(
            "dead_letter.list",
            endpoint!(admin::dead_letters::list::list_dead_letters),
        ),
        audited(
            "dead_letter.replay",
            endpoint!(admin::dead_letters::replay::replay_dead_letter),
        ),
        audited(
            "backfill.start",
            endpoint!(admin::backfill::start::start_backfill),
        ),
        audited(
            "backfill.list",
            endpoint!(admin::backfill::list::list_backfills),
        ),
        audited(
            "backfill.get",
            endpoint!(admin::backfill::get::get_backfill),
        ),
        audited(
            "backfill.cancel",
            endpoint!(admin::backfill::cancel::cancel_backfill),
        ),
        audited("room.list", endpoint!(admin::rooms::list::list_rooms)),
        audited("room.change", endpoint!(admin::rooms::change::change_room)),
        audited(
            "room.reconcile",
            endpoint!(admin::rooms::reconcile::reconcile_rooms),
        ),
        audited(
            "connection.list",
            endpoint!(admin::connections::list::list_connections),
        ),
        audited(
            "connection.import",
            endpoint!(admin::connections::import::import_connection),
        ),
        audited("audit.list", endpoint!(admin::audit::list_audit)),
    ]
}

/// How Tributary is; exempt from CORS, keys and limits.
fn status() -> Vec<Endpoint> {
    vec![
        endpoint!(health::healthz::healthz),
        endpoint!(health::livez::livez),
        endpoint!(health::readyz::readyz),
    ]
}

/// What Tributary measures: for the operator, but without a key, so that it is where the
/// operator's endpoints are, and what is in front of them keeps strangers away.
fn measurements() -> Vec<Endpoint> {
    vec![endpoint!(metrics::get::metrics)]
}

async fn not_found() -> ApiError {
    ApiError::NotFound
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
