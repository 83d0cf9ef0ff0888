//! `tributary.audit`: who did what, when, from where, and how it ended.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, sql_query,
    sql_types::{Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;

use super::Connection;
use crate::model::new_id;

/// A row to be. It never carries a secret.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: a Clerk user id, `clerk` for its webhooks, `manager`, `admin`, `bridge:<id>`, `tributary` for its jobs;
    /// `unknown` for a key that is none.
    pub actor: &'a str,
    /// What, such as `connection.link`.
    pub action: &'a str,
    /// To what: an id.
    pub target: Option<&'a str>,
    /// From where; none for what Tributary does by itself.
    pub origin: Option<IpAddr>,
    /// How it ended: `ok`, or the `code` of the error; the state of a job that has ended.
    pub outcome: &'a str,
    /// More of it, an object.
    pub details: Value,
}

/// Writes a row.
///
/// # Errors
///
/// When the statement fails.
pub async fn insert(conn: &mut Connection, entry: &Entry<'_>) -> QueryResult<()> {
    sql_query(
        "INSERT INTO tributary.audit (id, at, actor, action, target, origin, outcome, details)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind::<SqlUuid, _>(new_id())
    .bind::<Timestamptz, _>(entry.at)
    .bind::<Text, _>(entry.actor)
    .bind::<Text, _>(entry.action)
    .bind::<Nullable<Text>, _>(entry.target)
    .bind::<Nullable<Text>, _>(entry.origin.map(|ip| ip.to_string()))
    .bind::<Text, _>(entry.outcome)
    .bind::<Jsonb, _>(&entry.details)
    .execute(conn)
    .await?;
    Ok(())
}
