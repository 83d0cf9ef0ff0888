//! `GET /ws`, up to the upgrade: every refusal is before it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{
        ConnectInfo, RawQuery, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{Extensions, HeaderMap},
    response::Response,
};
use tracing::{Instrument as _, Span};

use super::{
    hub::Hub,
    origin,
    pulls::Pulls,
    refusal::Refusal,
    resume,
    session::{self, Opening},
    token,
    wire::Wire,
};
use crate::{
    app::App,
    auth::clerk::{self, KEYS_UNAVAILABLE},
    db,
    limits::Received,
};

/// What is read at once, in bytes. Clients say little, and the default of 128 KiB would be
/// most of what an idle socket costs.
const READ_BUFFER: usize = 1024;
/// So many bytes are written at once: some twenty frames, since each write costs many times what
/// a frame does. What a socket has needed of it, it keeps.
const WRITE_BUFFER: usize = 16 * 1024;
/// What is read of a frame before the connection is given up, in bytes. It is more
/// than a frame may have, since one that is read to its end can be answered with a
/// proper close.
const MAX_READ: usize = 1024 * 1024;

/// What handshakes need.
#[derive(Clone)]
pub(super) struct Sockets {
    pub(super) app: Arc<App>,
    pub(super) hub: Hub,
}

/// Opens a socket: text frames, one JSON object each, `ServerFrame` from here and
/// `ClientFrame` from the client. A browser offers its token as a subprotocol:
/// `Sec-WebSocket-Protocol: tributary.v1, bearer.<token>`.
#[utoipa::path(
    get, path = "/ws", tag = "stream", operation_id = "open_stream", security(("clerk" = [])),
    params(
        ("since" = Option<String>, Query, description = "The cursor after which to go on"),
        ("token" = Option<String>, Query, description = "The session token, where no header can carry it")
    ),
    responses(
        (status = 101, description = "A WebSocket that speaks `tributary.v1`"),
        (status = 401, description = "No session token, or none that is good"),
        (status = 403, description = "A session or an origin that may not"),
        (status = 426, description = "Not a WebSocket handshake"),
        (status = 429, description = "Too many from this address or of this user; see `Retry-After`"),
        (status = 503, description = "Not now; see `Retry-After`")
    )
)]
pub(super) async fn open(
    State(sockets): State<Sockets>,
    extensions: Extensions,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let Sockets { app, hub } = sockets;
    let query = query.unwrap_or_default();
    if let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() {
        app.limits.admit_address(peer.ip(), &headers)?;
    }
    if !origin::is_allowed(&headers, &app.config.server.allowed_origins) {
        return Err(Refusal::Origin);
    }
    let session = authenticate(&app, &headers, &query).await?;
    app.limits.admit_user(&session.user_id)?;
    let upgrade = upgrade.map_err(|_| Refusal::NoUpgrade)?;
    if app.stop.is_cancelled() {
        return Err(Refusal::Unavailable);
    }
    let held = hub.hold().ok_or(Refusal::Full)?;
    let since = token::parameter(&query, "since");
    let received = extensions.get::<Received>().cloned().unwrap_or_default();
    let opening = prepare(app, hub.pulls(), session, since.as_deref()).await?;
    let upgrade = upgrade
        .protocols([token::SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_frame_size(MAX_READ)
        .max_message_size(MAX_READ);
    // What the socket says later is found by the id that its handshake was answered with.
    let span = Span::current();
    Ok(upgrade.on_upgrade(move |socket| {
        let served = async move {
            let user = &opening.session;
            let limit = opening.app.config.limits.sockets_per_user;
            let seat = hub.enter(&user.user_id, &user.session_id, limit);
            session::serve(Wire::new(socket, received), opening, seat).await;
            drop(held);
        };
        served.instrument(span)
    }))
}

async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    query: &str,
) -> Result<clerk::Session, Refusal> {
    let token = token::find(headers, query).ok_or(Refusal::Unauthorized)?;
    app.clerk
        .verify(&token)
        .await
        .map_err(|refusal| match refusal {
            clerk::Refusal::Unauthorized(KEYS_UNAVAILABLE) => Refusal::Unavailable,
            clerk::Refusal::Unauthorized(_) => Refusal::Unauthorized,
            clerk::Refusal::Forbidden(_) => Refusal::Forbidden,
        })
}

/// Subscribes first and reads the head then: what is committed in between is told
/// twice rather than never.
async fn prepare(
    app: Arc<App>,
    pulls: Pulls,
    session: clerk::Session,
    since: Option<&str>,
) -> Result<Opening, Refusal> {
    let subscription = app.feed.subscribe(&session.user_id);
    let (epoch, extent) = {
        let mut conn = app.db.get().await?;
        // Read each time: a backup may be restored under a running program.
        let epoch = db::stream::epoch(&mut conn)
            .await
            .map_err(db::Error::from)?;
        let extent = db::stream::extent(&mut conn, &session.user_id).await;
        (epoch, extent.map_err(db::Error::from)?)
    };
    app.feed.epoch_is(epoch);
    Ok(Opening {
        start: resume::start(since, epoch, &session.user_id, extent),
        head: extent.position,
        app,
        pulls,
        session,
        subscription,
        epoch,
    })
}
