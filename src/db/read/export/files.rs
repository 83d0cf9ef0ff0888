//! The manifest: what is known of files and pictures. Their ids are of what the viewer is
//! shown with them.

use std::collections::HashMap;

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    db::{Connection, read::avatar_url},
    model::{export::ExportedFile, message::Attachment},
};

/// What the archive knows of a file.
#[derive(Debug, QueryableByName)]
pub(super) struct Known {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Text>)]
    sha256: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    size: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    mime_type: Option<String>,
}

/// What the archive knows of these files.
pub(super) async fn known(
    conn: &mut Connection,
    ids: Vec<Uuid>,
) -> QueryResult<HashMap<Uuid, Known>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Known> = sql_query(
        "SELECT i.id, i.state, encode(i.sha256, 'hex') AS sha256, i.size, i.mime_type
         FROM tributary.media i WHERE i.id = ANY($1)",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// What came with these events of a room; an event brings one file at most.
pub(super) async fn of_events(
    conn: &mut Connection,
    room_id: &str,
    event_ids: &[&str],
) -> QueryResult<HashMap<String, Attachment>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        event_id: String,
        #[diesel(sql_type = SqlUuid)]
        media_id: Uuid,
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Nullable<Text>)]
        filename: Option<String>,
        #[diesel(sql_type = Nullable<Text>)]
        mime_type: Option<String>,
        #[diesel(sql_type = Nullable<BigInt>)]
        size: Option<i64>,
        #[diesel(sql_type = Nullable<Integer>)]
        width: Option<i32>,
        #[diesel(sql_type = Nullable<Integer>)]
        height: Option<i32>,
        #[diesel(sql_type = Nullable<BigInt>)]
        duration_ms: Option<i64>,
        #[diesel(sql_type = Text)]
        state: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT f.event_id, f.media_id, f.kind, f.filename, f.mime_type, f.size, f.width, f.height,
                f.duration_ms, i.state
         FROM tributary.attachments f JOIN tributary.media i ON i.id = f.media_id
         WHERE f.room_id = $1 AND f.event_id = ANY($2)",
    )
    .bind::<Text, _>(room_id)
    .bind::<Array<Text>, _>(event_ids)
    .load(conn)
    .await?;
    let attachment = |row: Row| {
        let attachment = Attachment {
            media_id: row.media_id,
            kind: row.kind,
            filename: row.filename,
            mime_type: row.mime_type,
            size: row.size,
            width: row.width,
            height: row.height,
            duration_ms: row.duration_ms,
            state: row.state,
        };
        (row.event_id, attachment)
    };
    Ok(rows.into_iter().map(attachment).collect())
}

/// An attachment's entry: what the archive knows of it, otherwise what its sender said.
pub(super) fn of_attachment(file: &Attachment, known: &HashMap<Uuid, Known>) -> ExportedFile {
    let entry = entry(file.media_id, known.get(&file.media_id));
    ExportedFile {
        kind: Some(file.kind.clone()),
        file_name: file.filename.clone(),
        mime_type: entry.mime_type.or_else(|| file.mime_type.clone()),
        size: entry.size.or(file.size),
        ..entry
    }
}

/// The entries of pictures, once each, given the paths at which they are.
pub(super) async fn of_pictures(
    conn: &mut Connection,
    urls: impl Iterator<Item = &str>,
) -> QueryResult<Vec<ExportedFile>> {
    let ids = urls.filter_map(|url| url.rsplit('/').next()?.parse().ok());
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let known = known(conn, ids.clone()).await?;
    Ok(ids.iter().map(|id| entry(*id, known.get(id))).collect())
}

fn entry(id: Uuid, known: Option<&Known>) -> ExportedFile {
    let is_stored = known.is_some_and(|known| known.state == "stored");
    ExportedFile {
        id,
        kind: None,
        file_name: None,
        mime_type: known.and_then(|known| known.mime_type.clone()),
        size: known.and_then(|known| known.size),
        sha256: known.and_then(|known| known.sha256.clone()),
        state: known.map_or_else(|| "missing".to_owned(), |known| known.state.clone()),
        url: avatar_url(is_stored.then_some(id)),
    }
}
