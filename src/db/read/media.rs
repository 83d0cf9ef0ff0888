//! Files, for a viewer: whoever may see what shows one may have it.

use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Binary, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{messages::visible_version, participants::MAY_KNOW};
use crate::{
    db::{Connection, viewers::may_see},
    model::media::ContentHash,
};

/// A file that something shows to a viewer.
#[derive(Debug, Clone)]
pub struct File {
    /// `pending`, `stored`, `too_large`, `forbidden`, `missing` or `failed`.
    pub state: String,
    /// What the store has of it; there when it is `stored`.
    pub stored: Option<Stored>,
    /// What the message that shows it calls it.
    pub filename: Option<String>,
}

/// What is in the store.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its name there.
    pub hash: ContentHash,
    /// In bytes.
    pub size: u64,
    /// What it really is.
    pub mime_type: String,
}

/// What shows file `i` to user `$1`, a row at most: the newest message with it, which has
/// a name for it; else a conversation or a person with that picture, or who had it when this
/// viewer left.
///
/// Of an edited message the files of all versions that the viewer may see are theirs.
fn shown() -> String {
    const MESSAGE: &str = concat!(
        "(SELECT f.filename FROM tributary.attachments f
          JOIN tributary.messages m ON m.room_id = f.room_id AND m.event_id = f.target_event_id
          JOIN tributary.conversation_access a
            ON a.conversation_id = m.conversation_id AND a.user_id = $1
          WHERE f.media_id = i.id AND m.deleted_at IS NULL AND ",
        may_see!("m.received_at", "m.origin_server_ts"),
        " AND (f.event_id = m.event_id OR EXISTS (
                 SELECT 1 FROM tributary.message_versions v
                 WHERE v.room_id = m.room_id AND v.event_id = f.event_id
                   AND v.target_event_id = m.event_id AND ",
        visible_version!(),
        "))
          ORDER BY m.timestamp DESC, f.event_id COLLATE \"C\" DESC LIMIT 1)"
    );
    format!(
        "{MESSAGE}
         UNION ALL
         (SELECT NULL FROM tributary.conversations conv
          JOIN tributary.conversation_access a ON a.conversation_id = conv.id AND a.user_id = $1
          WHERE conv.avatar_media_id = i.id AND NOT a.has_left LIMIT 1)
         UNION ALL
         (SELECT NULL FROM tributary.participants p
          JOIN tributary.conversations conv ON conv.id = p.conversation_id
          JOIN tributary.conversation_access a ON a.conversation_id = conv.id AND a.user_id = $1
          WHERE p.avatar_media_id = i.id AND NOT a.has_left AND {MAY_KNOW} LIMIT 1)
         UNION ALL
         (SELECT NULL FROM tributary.conversation_access a
          WHERE a.former_avatar_media_id = i.id AND a.user_id = $1 AND a.has_left LIMIT 1)
         UNION ALL
         (SELECT NULL FROM tributary.former_people k
          WHERE k.avatar_media_id = i.id AND k.user_id = $1 LIMIT 1)
         LIMIT 1"
    )
}

/// Those of these files that something shows to this viewer.
///
/// # Errors
///
/// When the statement fails.
pub async fn visible(conn: &mut Connection, user_id: &str, ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let rows: Vec<Row> = sql_query(format!(
        "SELECT i.id FROM tributary.media i WHERE i.id = ANY($2) AND EXISTS ({})",
        shown()
    ))
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// One file, if something shows it to this viewer.
///
/// # Errors
///
/// When the statement fails.
pub async fn file(conn: &mut Connection, user_id: &str, id: Uuid) -> QueryResult<Option<File>> {
    let row: Option<Row> = sql_query(format!(
        "SELECT i.state, i.sha256, i.size, i.mime_type, shown.filename
         FROM tributary.media i CROSS JOIN LATERAL ({}) AS shown
         WHERE i.id = $2",
        shown()
    ))
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(File::from))
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Binary>)]
    sha256: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    size: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    mime_type: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    filename: Option<String>,
}

impl From<Row> for File {
    fn from(row: Row) -> Self {
        let hash = |bytes: Vec<u8>| ContentHash::try_from(bytes.as_slice()).ok();
        let stored = row.sha256.and_then(hash).zip(row.size).zip(row.mime_type);
        Self {
            state: row.state,
            stored: stored.map(|((hash, size), mime_type)| Stored {
                hash,
                size: u64::try_from(size).unwrap_or_default(),
                mime_type,
            }),
            filename: row.filename,
        }
    }
}
