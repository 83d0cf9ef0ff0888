//! Every call of the operator's endpoints, and of the desktop program's, leaves an audit row.
//!
//! It stands around each route, so that it also sees what an extractor refuses. An
//! endpoint that changes something commits the row with the change, by
//! [`AdminCall::entry`], and says so by answering [`Committed`]; of all other calls
//! the row is written when the answer is known.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Extension,
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::request::Parts,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    api::{ApiError, endpoint::Endpoint, error::Code, extract::ClientIp},
    app::AppState,
    db::{
        self,
        audit::{self, Entry},
    },
};

/// How many calls without a known key are written down in a minute: a stranger must
/// neither fill the table nor keep the database busy.
const STRANGERS_A_MINUTE: u32 = 60;
/// Longer than any id, in bytes.
const LONGEST_TARGET: usize = 255;

/// What writes the rows of this replica's calls.
#[derive(Clone)]
pub(in crate::api) struct Calls {
    app: AppState,
    strangers: Arc<Strangers>,
}

impl Calls {
    pub(in crate::api) fn new(app: &AppState) -> Self {
        Self {
            app: app.clone(),
            strangers: Arc::default(),
        }
    }

    /// An endpoint whose calls leave a row of this action, by whoever has this actor's key.
    pub(in crate::api) fn audited(
        &self,
        actor: &'static str,
        action: &'static str,
        endpoint: Endpoint,
    ) -> Endpoint {
        let layer = from_fn_with_state((self.clone(), actor, action), record);
        endpoint.map(|methods| methods.route_layer(layer))
    }

    async fn write(&self, call: &AdminCall, outcome: &str) -> Result<(), db::Error> {
        let mut entry = Entry {
            outcome,
            ..call.entry()
        };
        if outcome == ApiError::Unauthorized("").code() {
            if !self.strangers.admit(call.at) {
                return Ok(());
            }
            entry.actor = "unknown";
            entry.target = None;
        }
        let mut conn = self.app.db.get().await?;
        Ok(audit::insert(&mut conn, &entry).await?)
    }
}

/// A call of one of these endpoints.
#[derive(Debug, Clone)]
pub(in crate::api) struct AdminCall {
    actor: &'static str,
    action: &'static str,
    target: Option<String>,
    origin: Option<IpAddr>,
    at: DateTime<Utc>,
}

impl AdminCall {
    async fn of(
        app: &AppState,
        (actor, action): (&'static str, &'static str),
        parts: &mut Parts,
    ) -> Self {
        let Ok(ClientIp(origin)) = ClientIp::from_request_parts(parts, app).await;
        let params = RawPathParams::from_request_parts(parts, app).await;
        let target = params.ok().and_then(|params| {
            let (_, id) = params.iter().next()?;
            (id.len() <= LONGEST_TARGET && !id.contains('\0')).then(|| id.to_owned())
        });
        Self {
            actor,
            action,
            target,
            origin,
            at: app.clock.now(),
        }
    }

    /// Its row if it succeeds; the endpoint may give it more `details`.
    pub(in crate::api) fn entry(&self) -> Entry<'_> {
        Entry {
            at: self.at,
            actor: self.actor,
            action: self.action,
            target: self.target.as_deref(),
            origin: self.origin,
            outcome: "ok",
            details: json!({}),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AdminCall {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let call = parts.extensions.get::<Self>().cloned();
        call.ok_or_else(|| ApiError::internal(anyhow::anyhow!("an endpoint that is not audited")))
    }
}

/// An answer whose row is committed already.
pub(in crate::api) struct Committed<T>(pub(in crate::api) T);

/// The mark of a [`Committed`] answer.
#[derive(Clone, Copy)]
struct IsCommitted;

impl<T: IntoResponse> IntoResponse for Committed<T> {
    fn into_response(self) -> Response {
        (Extension(IsCommitted), self.0).into_response()
    }
}

async fn record(
    State((calls, actor, action)): State<(Calls, &'static str, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let call = AdminCall::of(&calls.app, (actor, action), &mut parts).await;
    parts.extensions.insert(call.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.extensions().get::<IsCommitted>().is_some() {
        return response;
    }
    match calls.write(&call, outcome(&response)).await {
        Ok(()) => response,
        // What cannot be written down is not answered.
        Err(error) if response.status().is_success() => ApiError::from(error).into_response(),
        Err(error) => {
            tracing::warn!(action, %error, "a refused call left no audit row");
            response
        }
    }
}

fn outcome(response: &Response) -> &'static str {
    match response.extensions().get::<Code>() {
        Some(Code(code)) => code,
        None if response.status().is_success() => "ok",
        None => "internal",
    }
}

/// Counts the calls without a known key: the minute since 1970, and how many in it.
#[derive(Debug, Default)]
struct Strangers(Mutex<(i64, u32)>);

impl Strangers {
    fn admit(&self, now: DateTime<Utc>) -> bool {
        let minute = now.timestamp() / 60;
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != minute {
            *seen = (minute, 0);
        }
        seen.1 = seen.1.saturating_add(1);
        seen.1 <= STRANGERS_A_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn strangers_are_written_down_up_to_a_limit() {
        let strangers = Strangers::default();
        let noon = DateTime::from_timestamp(43_200, 0).unwrap();
        let admitted = |at| (0..100).filter(|_| strangers.admit(at)).count();
        assert_eq!(admitted(noon), 60);
        assert_eq!(admitted(noon + TimeDelta::seconds(59)), 0);
        assert_eq!(admitted(noon + TimeDelta::seconds(60)), 60);
    }
}
