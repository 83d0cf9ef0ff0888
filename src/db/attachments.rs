//! The files that messages and their versions brought, and where they are.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, media, redactions::Gone, statement::Keep as _};
use crate::model::change::Attachment;

/// An attachment, and the event that brought it.
#[derive(Debug, Clone, Copy)]
pub struct NewAttachment<'a> {
    /// The room.
    pub room_id: &'a str,
    /// The event.
    pub event_id: &'a str,
    /// The message: the event itself, or the one that it is a version of.
    pub message: &'a str,
    /// The file.
    pub attachment: &'a Attachment,
}

/// Stores attachments of events that are not redacted, nor their messages; and none of
/// edits of edits.
///
/// # Errors
///
/// When a statement fails.
pub async fn insert(conn: &Connection, new: &[NewAttachment<'_>]) -> QueryResult<()> {
    if new.is_empty() {
        return Ok(());
    }
    hold_media(conn, new).await?;
    write(conn, new).await
}

/// What is redacted, or edits an edit, brings no file, or its address would be kept and
/// fetched.
const STANDS: &str = "NOT EXISTS (SELECT 1 FROM tributary.redactions d
                                  WHERE d.room_id = a.room_id AND d.redacts = a.event_id)
    AND NOT EXISTS (SELECT 1 FROM tributary.redactions d
                    WHERE d.room_id = a.room_id AND d.redacts = a.message)
    AND NOT EXISTS (SELECT 1 FROM tributary.message_versions v
                    WHERE v.room_id = a.room_id AND v.event_id = a.message
                      AND v.target_event_id <> v.event_id)";

async fn hold_media(mut conn: &Connection, new: &[NewAttachment<'_>]) -> QueryResult<()> {
    let standing = sql_query(format!(
        "SELECT DISTINCT a.mxc
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS a(room_id, event_id, message, mxc)
         WHERE {STANDS}"
    ))
    .bind::<Array<Text>, _>(new.iter().map(|n| n.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|n| n.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|n| n.message).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|n| &n.attachment.mxc).collect::<Vec<_>>())
    .kept()
    .load(&mut conn)
    .await?;
    media::hold_named(conn, standing).await
}

async fn write(mut conn: &Connection, new: &[NewAttachment<'_>]) -> QueryResult<()> {
    let files = || new.iter().map(|n| n.attachment);
    sql_query(format!(
        "INSERT INTO tributary.attachments
             (room_id, event_id, target_event_id, media_id, kind, filename, mime_type, size, width, height,
              duration_ms)
         SELECT a.room_id, a.event_id, a.message, i.id, a.kind, a.filename, a.mime_type, a.size, a.width,
                a.height, a.duration_ms
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                     $8::bigint[], $9::integer[], $10::integer[], $11::bigint[])
              AS a(room_id, event_id, message, mxc, kind, filename, mime_type, size, width, height, duration_ms)
         JOIN tributary.media i ON i.mxc = a.mxc
         WHERE {STANDS}
         ON CONFLICT DO NOTHING"
    ))
    .bind::<Array<Text>, _>(new.iter().map(|n| n.room_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|n| n.event_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|n| n.message).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(files().map(|a| &a.mxc).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(files().map(|a| a.kind).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(files().map(|a| a.filename.as_ref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(files().map(|a| a.mime_type.as_ref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<BigInt>>, _>(files().map(|a| a.size).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(files().map(|a| a.width).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(files().map(|a| a.height).collect::<Vec<_>>())
    .bind::<Array<Nullable<BigInt>>, _>(files().map(|a| a.duration_ms).collect::<Vec<_>>())
    .kept()
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// Removes the attachments of redacted events, and of all versions of what is gone. Returns the media that they named.
///
/// # Errors
///
/// When the statement fails.
pub async fn redact(mut conn: &Connection, gone: &Gone) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Named {
        #[diesel(sql_type = SqlUuid)]
        media_id: Uuid,
    }
    let named: Vec<Named> = sql_query(
        "WITH targets AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bool[]) AS t(room_id, event_id, itself)),
         gone AS (
             SELECT g.* FROM targets t CROSS JOIN LATERAL (
                 SELECT a.room_id, a.event_id FROM tributary.attachments a
                 WHERE t.itself AND a.room_id = t.room_id AND a.event_id = t.event_id OFFSET 0) AS g
             UNION
             SELECT g.* FROM targets t CROSS JOIN LATERAL (
                 SELECT a.room_id, a.event_id FROM tributary.attachments a
                 WHERE a.room_id = t.room_id AND a.target_event_id = t.event_id OFFSET 0) AS g
         )
         DELETE FROM tributary.attachments a USING gone g
         WHERE a.room_id = g.room_id AND a.event_id = g.event_id
         RETURNING a.media_id",
    )
    .bind::<Array<Text>, _>(&gone.rooms)
    .bind::<Array<Text>, _>(&gone.events)
    .bind::<Array<Bool>, _>(&gone.itself)
    .kept()
    .load(&mut conn)
    .await?;
    Ok(named.into_iter().map(|row| row.media_id).collect())
}
