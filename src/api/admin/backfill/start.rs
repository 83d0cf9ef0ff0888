//! `POST /api/admin/backfill`.

use std::ops::RangeInclusive;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::{
        ApiError,
        admin::calls::{AdminCall, Committed},
        error::{Conflicts, Refusals, Unknown},
        extract::{AdminKey, JsonBody, is_storable_id},
    },
    app::AppState,
    config::{MOST_DAYS, MOST_MESSAGES},
    model::backfill::Backfill,
    operator::{Target, Wanted},
};

/// Which rooms, one of the first four, and how much of each.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::api) struct Start {
    /// A Matrix room, also one that is filled only when the operator asks.
    #[serde(default)]
    room_id: Option<String>,
    /// The rooms that this Matrix user's linked connections see.
    #[serde(default)]
    matrix_user_id: Option<String>,
    /// The rooms that this connection sees.
    #[serde(default)]
    connection_id: Option<Uuid>,
    /// Every room that is ingested.
    #[serde(default)]
    all: Option<bool>,
    /// How many days back, from now; as configured unless given.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 36500)]
    days: Option<u32>,
    /// At most so many messages of a room; as configured unless given.
    #[serde(default)]
    #[schema(minimum = 1)]
    max_messages: Option<u32>,
}

/// What was queued.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Started {
    /// A job for each room, those with the latest activity first.
    jobs: Vec<Backfill>,
}

/// Fetches history, deeper than before where there was some. A room that has an active
/// backfill answers that.
#[utoipa::path(
    post, path = "/api/admin/backfill", tag = "admin",
    request_body = Start, security(("admin" = [])),
    responses((status = 202, description = "Queued", body = Started), Conflicts, Unknown, Refusals)
)]
pub(in crate::api) async fn start_backfill(
    _: AdminKey,
    call: AdminCall,
    State(app): State<AppState>,
    JsonBody(start): JsonBody<Start>,
) -> Result<Committed<(StatusCode, Json<Started>)>, ApiError> {
    let wanted = start.wanted()?;
    let jobs = app.operator.backfill(&wanted, call.entry()).await?;
    Ok(Committed((StatusCode::ACCEPTED, Json(Started { jobs }))))
}

impl Start {
    fn wanted(self) -> Result<Wanted, ApiError> {
        let days = within(self.days, 1..=MOST_DAYS);
        let max_messages = within(self.max_messages, 1..=MOST_MESSAGES);
        let targets = [
            self.room_id.map(Target::Room),
            self.matrix_user_id.map(Target::MatrixUser),
            self.connection_id.map(Target::Connection),
            self.all.unwrap_or_default().then_some(Target::All),
        ];
        let mut targets = targets.into_iter().flatten();
        let (Some(target), None) = (targets.next(), targets.next()) else {
            return Err(ApiError::invalid(
                "one of roomId, matrixUserId, connectionId and all has to be given",
            ));
        };
        if let Target::Room(id) | Target::MatrixUser(id) = &target
            && !is_storable_id(id)
        {
            return Err(ApiError::NotFound);
        }
        Ok(Wanted {
            target,
            days: days.ok_or_else(|| ApiError::invalid("days is 1 to 36500"))?,
            max_messages: max_messages
                .ok_or_else(|| ApiError::invalid("maxMessages is 1 or more"))?,
        })
    }
}

/// The number, if it may be that; none otherwise.
#[expect(
    clippy::option_option,
    reason = "a number that is not given may be left out"
)]
fn within(given: Option<u32>, may_be: RangeInclusive<u32>) -> Option<Option<u32>> {
    given
        .is_none_or(|number| may_be.contains(&number))
        .then_some(given)
}
