//! Of what, and from when to when.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Date, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::db::Connection;

/// What is counted for whom.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The Clerk user.
    pub user_id: &'a str,
    /// One of their conversations, or all.
    pub conversation_id: Option<Uuid>,
    /// The name of a time zone that Postgres knows.
    pub time_zone: &'a str,
    /// The beginning, which belongs to it.
    pub from: DateTime<Utc>,
    /// The end, which does not.
    pub to: DateTime<Utc>,
}

/// A moment, or the beginning of a day in some time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// This one.
    At(DateTime<Utc>),
    /// Midnight; where clocks are set forward over it, when they are.
    Day(NaiveDate),
}

impl Moment {
    const fn parts(self) -> (Option<DateTime<Utc>>, Option<NaiveDate>) {
        match self {
            Self::At(at) => (Some(at), None),
            Self::Day(day) => (None, Some(day)),
        }
    }
}

/// When these moments are in a time zone; none when Postgres does not know the zone.
///
/// # Errors
///
/// When the statement fails otherwise.
pub async fn resolve(
    conn: &mut Connection,
    time_zone: &str,
    [from, to]: [Moment; 2],
) -> QueryResult<Option<[DateTime<Utc>; 2]>> {
    #[derive(QueryableByName)]
    struct Resolved {
        #[diesel(sql_type = Timestamptz)]
        from_at: DateTime<Utc>,
        #[diesel(sql_type = Timestamptz)]
        to_at: DateTime<Utc>,
    }
    let ((from_at, from_day), (to_at, to_day)) = (from.parts(), to.parts());
    let resolved: QueryResult<Resolved> = sql_query(
        // The zone is looked up also where no day needs it.
        "SELECT coalesce($2, $3::timestamp AT TIME ZONE $1) AS from_at,
                coalesce($4, $5::timestamp AT TIME ZONE $1) AS to_at
         WHERE now() AT TIME ZONE $1 IS NOT NULL",
    )
    .bind::<Text, _>(time_zone)
    .bind::<Nullable<Timestamptz>, _>(from_at)
    .bind::<Nullable<Date>, _>(from_day)
    .bind::<Nullable<Timestamptz>, _>(to_at)
    .bind::<Nullable<Date>, _>(to_day)
    .get_result(conn)
    .await;
    match resolved {
        Ok(Resolved { from_at, to_at }) => Ok(Some([from_at, to_at])),
        Err(diesel::result::Error::DatabaseError(_, said))
            if said.message().ends_with("not recognized") =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
