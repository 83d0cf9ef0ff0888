//! What every request passes, in this order from the outside: a trace with an id,
//! a net for panics, CORS, the limit of its address, a deadline. The order is here and
//! nowhere else.
//!
//! CORS is outside of the limit, so that a page can read a 429 and its preflights are
//! answered whatever it has asked for before.

mod cors;
mod limits;
mod slow;
mod trace;

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::ApiError;
use crate::{app::AppState, limits::address::Proxies};

/// How long an endpoint of Tributary's own API may take until its answer begins.
const DEADLINE: Duration = Duration::from_secs(30);

/// What only Tributary's own API passes.
pub(super) fn api(router: Router<AppState>, app: &AppState) -> Router<AppState> {
    let router = router.layer(from_fn(|request, next| within(DEADLINE, request, next)));
    limited(router, app).layer(cors::layer(&app.config.server.allowed_origins))
}

/// What everything passes but the homeserver's endpoints and the health.
pub(super) fn limited(router: Router<AppState>, app: &AppState) -> Router<AppState> {
    router.layer(from_fn_with_state(app.clone(), limits::limit))
}

/// What all requests pass.
pub(super) fn all<S>(router: Router<S>, proxies: &Proxies) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let proxies = proxies.clone();
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(move |request, next| {
            trace::trace(proxies.clone(), request, next)
        }))
}

/// Gives up what is not answered in time; an answer that has begun may take longer.
async fn within(deadline: Duration, request: Request, next: Next) -> Response {
    tokio::time::timeout(deadline, next.run(request))
        .await
        .unwrap_or_else(|_| {
            ApiError::Unavailable("it took too long, and was given up").into_response()
        })
}

/// The text of a panic may be anything: it goes to the log, not to the caller.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the layer wants"
)]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<&str>()
        .map(|said| (*said).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    ApiError::Internal(anyhow::anyhow!("panic: {said}")).into_response()
}

#[cfg(test)]
mod tests;
