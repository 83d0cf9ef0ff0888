//! `GET /api/analytics`.

use axum::{Json, extract::State};
use serde::Deserialize;
use uuid::Uuid;

use super::period::{Zone, period, unknown_zone, zone};
use crate::{
    api::{
        ApiError,
        error::{Refusals, Unknown},
        extract::{Options, Viewer, parse_id},
    },
    app::AppState,
    db::{
        self, Database,
        read::analytics::{Moment, Scope, analytics, resolve},
    },
    limits::Task,
    model::analytics::Analytics,
};

/// What is to be counted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Asked {
    /// One of the caller's conversations; otherwise all of them.
    #[param(value_type = Option<Uuid>)]
    conversation_id: Option<String>,
    /// The beginning of the period, which belongs to it: a time in RFC 3339, or a day, which
    /// begins at its midnight in the time zone. By default 30 days before the end.
    from: Option<String>,
    /// The end of the period, which does not belong to it, given like `from`. By default now.
    to: Option<String>,
    /// In which days and hours are counted: a name of the IANA database. By default `UTC`.
    time_zone: Option<String>,
}

/// How much the caller wrote and was written to, when, with whom, and how fast answers came.
/// A caller may ask for one of these at a time.
#[utoipa::path(
    get, path = "/api/analytics", tag = "analytics", params(Asked), security(("clerk" = [])),
    responses((status = 200, description = "The numbers", body = Analytics), Unknown, Refusals)
)]
pub(in crate::api) async fn get_analytics(
    viewer: Viewer,
    Options(asked): Options<Asked>,
    State(app): State<AppState>,
) -> Result<Json<Analytics>, ApiError> {
    let conversation_id = match &asked.conversation_id {
        Some(id) => Some(parse_id(id).ok_or(ApiError::NotFound)?),
        None => None,
    };
    let count = Count {
        task: app.limits.analytics.begin(viewer.user_id())?,
        db: app.db.clone(),
        user_id: viewer.user_id().to_owned(),
        conversation_id,
        zone: zone(asked.time_zone.as_deref())?,
        period: period(asked.from.as_deref(), asked.to.as_deref(), app.clock.now())?,
    };
    // Whoever hangs up leaves a statement behind that goes on for a while: it is still theirs.
    tokio::spawn(count.run())
        .await
        .map_err(ApiError::internal)?
        .map(Json)
}

/// The task of counting.
struct Count {
    task: Task,
    db: Database,
    user_id: String,
    conversation_id: Option<Uuid>,
    zone: Zone,
    period: [Moment; 2],
}

impl Count {
    async fn run(self) -> Result<Analytics, ApiError> {
        let _turn = self.task.turn().await;
        let mut conn = self.db.get().await?;
        let period = resolve(&mut conn, &self.zone.in_postgres, self.period).await?;
        let [from, to] = period.ok_or_else(unknown_zone)?;
        if from > to {
            return Err(ApiError::invalid("from is after to"));
        }
        let scope = Scope {
            user_id: &self.user_id,
            conversation_id: self.conversation_id,
            time_zone: &self.zone.in_postgres,
            from,
            to,
        };
        let counted = analytics(&mut conn, &scope).await.map_err(too_long)?;
        let mut analytics = counted.ok_or(ApiError::NotFound)?;
        analytics.time_zone = self.zone.name;
        Ok(analytics)
    }
}

fn too_long(error: db::QueryError) -> ApiError {
    let error = db::Error::from(error);
    if error.is_timeout() {
        return ApiError::Unavailable("it takes too long: ask for less at a time");
    }
    error.into()
}
