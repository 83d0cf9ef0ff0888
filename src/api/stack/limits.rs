//! Counts what an address asks for, before anything else is done for it.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    api::ApiError,
    app::AppState,
    auth::bearer::{Bearer, bearer},
};

/// Refuses what is beyond `limits.per_ip_per_second`.
///
/// The operator and the bridges are asked for their key first, which costs a hash: a
/// right one is not counted. A bridge repeats a state until it is taken, and nothing
/// else meanwhile; an operator's loop over rooms is no attack. The companion's key is
/// in everybody's hands and counts for nothing here.
pub(super) async fn limit(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let admitted = match peer {
        Some(ConnectInfo(peer)) if !is_trusted(&app, request.uri().path(), request.headers()) => {
            app.limits.admit_address(peer.ip(), request.headers())
        }
        _ => Ok(()),
    };
    match admitted {
        Ok(()) => next.run(request).await,
        Err(too_many) => ApiError::from(too_many).into_response(),
    }
}

fn is_trusted(app: &AppState, path: &str, headers: &HeaderMap) -> bool {
    let Bearer::Token(key) = bearer(headers) else {
        return false;
    };
    if path.starts_with("/api/admin/") {
        app.admin_keys.matches(key)
    } else if path.starts_with("/api/bridge/") {
        app.bridge_keys.iter().any(|(_, ring)| ring.matches(key))
    } else {
        false
    }
}
