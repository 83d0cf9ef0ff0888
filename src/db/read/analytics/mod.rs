//! Numbers, for a viewer: exact when they are answered, since nothing is kept for them.
//!
//! One statement goes through the messages of the period, conversation by conversation, in
//! the order of the index `messages_covering`, which has all that it looks at: of a
//! conversation that the viewer has all of, no row is fetched. Of another one (they have
//! left it, or came back) every message's grant is asked for.

mod names;
mod period;
mod rows;

use diesel::{
    QueryResult, sql_query,
    sql_types::{Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};

pub use self::period::{Moment, Scope, resolve};
use self::rows::Row;
use crate::{
    db::{
        Connection,
        viewers::{IS_SELF, MAY_SEE},
    },
    model::analytics::Analytics,
};

/// What one viewer's numbers may take of the database: time, and memory for what it would
/// otherwise write to disk.
const BOUNDS: &str = "SET LOCAL statement_timeout = '20s'; SET LOCAL work_mem = '64MB'";

/// The viewer's conversations, with the participants who are themselves and those who are
/// nobody. A message is in the conversation of its room, so whoever holds all of its rooms
/// sees all of it.
const MINE: &str = "mine AS MATERIALIZED (
    SELECT a.user_id, conv.id,
           ARRAY(SELECT p.id FROM tributary.participants p
                 WHERE p.conversation_id = conv.id AND {IS_SELF}) AS selves,
           ARRAY(SELECT p.id FROM tributary.participants p
                 WHERE p.conversation_id = conv.id AND p.is_service) AS services,
           NOT EXISTS (
               SELECT 1 FROM tributary.rooms r
               WHERE r.conversation_id = conv.id AND NOT EXISTS (
                   SELECT 1 FROM tributary.room_grants g
                   WHERE g.user_id = a.user_id AND g.conversation_id = conv.id
                     AND g.room_id = r.room_id AND g.from_at IS NULL AND g.until_at IS NULL)
           ) AS is_whole
    FROM tributary.conversation_access a
    JOIN tributary.conversations conv ON conv.id = a.conversation_id
    WHERE a.user_id = $1 AND ($2::uuid IS NULL OR conv.id = $2))";

/// The messages of the period in the conversations that are `{which}`: whose they are, and
/// of those that begin a turn how long it is since the turn before began. Both windows are
/// in the order of the index, so nothing is sorted.
const SAID: &str = "
    SELECT a.id AS conversation_id, t.sender_id, t.timestamp, t.own,
           CASE WHEN t.own <> t.own_before THEN t.timestamp - t.turn_at END AS waited
    FROM mine a CROSS JOIN LATERAL (
        SELECT s.*, max(s.timestamp) FILTER (WHERE s.own IS DISTINCT FROM s.own_before)
                    OVER (ORDER BY s.timestamp, s.event_id
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS turn_at
        FROM (SELECT m.sender_id, m.timestamp, m.event_id COLLATE \"C\" AS event_id,
                     m.sender_id = ANY(a.selves) AS own,
                     lag(m.sender_id = ANY(a.selves))
                         OVER (ORDER BY m.timestamp, m.event_id COLLATE \"C\") AS own_before
              FROM tributary.messages m
              WHERE m.conversation_id = a.id AND {which} AND m.deleted_at IS NULL
                AND m.timestamp >= $3 AND m.timestamp < $4
                AND NOT m.sender_id = ANY(a.services)) AS s) AS t";

/// The rows of the answer; what its columns are depends on `kind`.
const NUMBERS: &str = "
    per_hour AS MATERIALIZED (
        SELECT date_trunc('hour', timestamp AT TIME ZONE $5) AS at,
               count(*) FILTER (WHERE own) AS sent, count(*) FILTER (WHERE NOT own) AS received
        FROM said GROUP BY 1),
    per_person AS MATERIALIZED (
        SELECT conversation_id, sender_id, own, count(*) AS n FROM said GROUP BY 1, 2, 3),
    conversations AS (
        SELECT conversation_id AS id, coalesce(sum(n) FILTER (WHERE own), 0)::bigint AS sent,
               coalesce(sum(n) FILTER (WHERE NOT own), 0)::bigint AS received
        FROM per_person GROUP BY 1),
    people AS (
        SELECT p.matrix_user_id, sum(w.n)::bigint AS messages, count(*) AS conversations,
               (array_agg(p.id ORDER BY w.n DESC, p.id))[1] AS id
        FROM per_person w JOIN tributary.participants p ON p.id = w.sender_id
        WHERE NOT w.own GROUP BY 1)
    SELECT 'day' AS kind, 0::bigint AS nth, NULL::uuid AS id, at::date AS day,
           sum(sent)::bigint AS one, sum(received)::bigint AS other
    FROM per_hour GROUP BY at::date
    UNION ALL
    SELECT 'hour', extract(hour FROM at)::bigint, NULL, NULL, sum(sent)::bigint, sum(received)::bigint
    FROM per_hour GROUP BY 2
    UNION ALL
    SELECT CASE WHEN own THEN 'own' ELSE 'others' END, n, NULL, NULL,
           floor(extract(epoch FROM waited[1]) * 1000)::bigint,
           floor(extract(epoch FROM waited[2]) * 1000)::bigint
    FROM (SELECT own, count(*) AS n,
                 percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY waited) AS waited
          FROM said WHERE waited IS NOT NULL GROUP BY own) AS answers
    UNION ALL
    (SELECT 'conversation', row_number() OVER (ORDER BY sent + received DESC, id), id, NULL, sent, received
     FROM conversations ORDER BY 2 LIMIT 20)
    UNION ALL
    (SELECT 'person', row_number() OVER (ORDER BY messages DESC, matrix_user_id COLLATE \"C\"), id, NULL,
            messages, conversations
     FROM people ORDER BY 2 LIMIT 20)";

/// The numbers; none when the conversation is not the viewer's.
///
/// # Errors
///
/// When a statement fails, or takes longer than a viewer's numbers may.
pub async fn analytics(conn: &mut Connection, scope: &Scope<'_>) -> QueryResult<Option<Analytics>> {
    conn.build_transaction()
        .repeatable_read()
        .read_only()
        .run(async |conn| {
            if let Some(id) = scope.conversation_id
                && names::titles(conn, scope.user_id, &[id]).await?.is_empty()
            {
                return Ok(None);
            }
            conn.batch_execute(BOUNDS).await?;
            let counted = rows::gather(count(conn, scope).await?);
            let people = names::of_people(conn, scope.user_id, &counted.people).await?;
            let conversations =
                names::of_conversations(conn, scope.user_id, &counted.conversations).await?;
            Ok(Some(Analytics {
                conversation_id: scope.conversation_id,
                time_zone: scope.time_zone.to_owned(),
                from: scope.from,
                to: scope.to,
                total: counted.total,
                days: counted.days,
                hours: counted.hours,
                response_times: counted.response_times,
                people,
                conversations,
            }))
        })
        .await
}

async fn count(conn: &mut Connection, scope: &Scope<'_>) -> QueryResult<Vec<Row>> {
    let mine = MINE.replace("{IS_SELF}", IS_SELF);
    let whole = SAID.replace("{which}", "a.is_whole");
    let parts = SAID.replace("{which}", &format!("NOT a.is_whole AND {MAY_SEE}"));
    sql_query(format!(
        "WITH {mine}, said AS MATERIALIZED ({whole} UNION ALL {parts}), {NUMBERS}"
    ))
    .bind::<Text, _>(scope.user_id)
    .bind::<Nullable<SqlUuid>, _>(scope.conversation_id)
    .bind::<Timestamptz, _>(scope.from)
    .bind::<Timestamptz, _>(scope.to)
    .bind::<Text, _>(scope.time_zone)
    .load(conn)
    .await
}
