//! `POST /console/dev-token`: a session token for a user of the development key.
//!
//! There is such an endpoint only while `clerk.development_key_file` is configured,
//! which is refused anywhere but on loopback.

use anyhow::Context as _;
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::CACHE_CONTROL},
    response::IntoResponse,
};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::caller;
use crate::{
    api::{ApiError, extract::JsonBody},
    app::{App, AppState},
    auth::{clerk::DEVELOPMENT_ISSUER, dev, dev_pass},
    model::time,
};

/// As long as Clerk's, so that a page in development renews as often as in production.
const LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// Who asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pass {
    user_id: String,
    pass: SecretString,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    token: String,
    #[serde(serialize_with = "time::milliseconds")]
    expires_at: DateTime<Utc>,
}

/// Mints a token for whoever shows the user's pass.
pub(super) async fn mint_token(
    State(app): State<AppState>,
    headers: HeaderMap,
    JsonBody(Pass { user_id, pass }): JsonBody<Pass>,
) -> Result<impl IntoResponse, ApiError> {
    if !caller::is_own_page(&headers) {
        return Err(ApiError::Forbidden("only the console itself may ask"));
    }
    let key = key(&app).await.map_err(ApiError::Internal)?;
    if !dev_pass::is_pass_of(&key, &user_id, &pass) {
        return Err(ApiError::Unauthorized("no such pass"));
    }
    let now = app.clock.now();
    let token = dev::mint(&key, DEVELOPMENT_ISSUER, &user_id, now, LIFETIME);
    let token = Token {
        token: token.map_err(ApiError::internal)?,
        expires_at: now + LIFETIME,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(token)))
}

async fn key(app: &App) -> anyhow::Result<SecretString> {
    let file = app.config.clerk.development_key_file.as_ref();
    let file = file.context("there is no development key")?;
    Ok(tokio::fs::read_to_string(file).await?.into())
}
