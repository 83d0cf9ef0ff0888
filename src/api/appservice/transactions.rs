//! `PUT /_matrix/app/v1/transactions/{txnId}` (Matrix AS API, "Pushing events").

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRequest, Path, Request, State},
};
use bytes::Bytes;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Empty, Homeserver, empty};
use crate::{
    api::{ApiError, error::MatrixError, extract::read_body_within},
    app::AppState,
    ingest::transaction::Refused,
    matrix::transaction::BadTransaction,
};

/// The longest body that is read: Synapse's own are at most 100 events of 64 KiB,
/// whose state events come three times over.
const LIMIT: usize = 64 * 1024 * 1024;
/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_mins(1);
/// One that takes longer is worth a line: the homeserver sends no other meanwhile.
const SLOW: Duration = Duration::from_secs(1);
/// Bytes of a transaction id: it is part of an index.
const LONGEST_ID: usize = 255;

/// Takes a transaction; 200 means committed.
pub(super) async fn push(
    _: Homeserver,
    State(app): State<AppState>,
    TransactionId(id): TransactionId,
    Pushed(body): Pushed,
) -> Result<Json<Empty>, MatrixError> {
    let span = tracing::info_span!("transaction", id, bytes = body.len());
    take(&app, &id, &body).instrument(span).await
}

async fn take(app: &AppState, id: &str, body: &Bytes) -> Result<Json<Empty>, MatrixError> {
    let began = Instant::now();
    let taken = app.ingest.transaction(id, body).await;
    let took = began.elapsed();
    if took >= SLOW {
        tracing::warn!(took_ms = took.as_millis(), "a slow transaction");
    }
    taken.map_err(|refused| {
        app.health.transaction_refused();
        answer(id, &refused)
    })?;
    app.health.transaction_taken(app.clock.now());
    Ok(empty())
}

/// The homeserver repeats what is not answered with 200, so that nothing is lost
/// by a refusal; one that can't be mended by repeating is its own mistake.
fn answer(transaction_id: &str, refused: &Refused) -> MatrixError {
    let error = match refused {
        Refused::Bad(BadTransaction::NotJson) => MatrixError::NOT_JSON,
        Refused::Bad(BadTransaction::BadJson) => MatrixError::BAD_JSON,
        Refused::Unavailable(_) | Refused::TimedOut => MatrixError::UNAVAILABLE,
    };
    if matches!(refused, Refused::Unavailable(error) if !error.is_outage()) {
        tracing::error!(transaction_id, error = %refused, "a transaction was not taken");
    } else {
        tracing::warn!(transaction_id, error = %refused, "a transaction was not taken");
    }
    error
}

/// The id in the path.
pub(super) struct TransactionId(String);

impl axum::extract::FromRequestParts<AppState> for TransactionId {
    type Rejection = MatrixError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        app: &AppState,
    ) -> Result<Self, MatrixError> {
        let Path(id) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| MatrixError::INVALID_PARAM)?;
        // Postgres takes no U+0000.
        if id.len() > LONGEST_ID || id.contains('\0') {
            return Err(MatrixError::INVALID_PARAM);
        }
        Ok(Self(id))
    }
}

/// The body, whole.
pub(super) struct Pushed(Bytes);

impl FromRequest<AppState> for Pushed {
    type Rejection = MatrixError;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, MatrixError> {
        let body = read_body_within((ARRIVAL, ARRIVAL), request, LIMIT).await;
        body.map(Self).map_err(|error| match error {
            ApiError::TooLarge => MatrixError::TOO_LARGE,
            ApiError::TimedOut => MatrixError::UNAVAILABLE,
            _ => MatrixError::NOT_JSON,
        })
    }
}
