//! Messages, for a viewer.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

mod page;

pub use self::page::{Around, Order, Place, around, page, page_in};
use super::avatar_url;
use crate::{
    db::{
        Connection,
        statement::Keep as _,
        viewers::{MAY_SEE, is_or, is_self, may_see, was},
    },
    model::{
        message::{FullMessage, Message, Version},
        participant::Participant,
    },
};

/// Is version `v` of message `m` a valid one that viewer `a` may see?
macro_rules! visible_version {
    () => {
        concat!(
            "v.sender = m.sender AND v.event_type = m.event_type AND v.content IS NOT NULL
         AND (v.event_id = v.target_event_id OR ",
            may_see!("v.received_at", "v.origin_server_ts"),
            ")"
        )
    };
}
pub(super) use visible_version;

/// May viewer `a` see message `m`? Asked of one message after the other, in the order of the
/// index: as a join it looks so rare to the planner that it sorts the whole conversation.
const MAY_SEE_EACH: &str = concat!(
    "(SELECT ",
    may_see!("m.received_at", "m.origin_server_ts"),
    ")"
);

/// What a message shows to viewer `a`, from `m`, [`OF_MESSAGE`] and its conversation `conv`.
/// What most messages do not have is looked for only where it may be: a text has no file, say.
const COLUMNS: &str = concat!(
    "m.id, m.conversation_id, m.event_id, m.timestamp, m.deleted_at, m.historical, m.received_at,
    CASE WHEN old.version IS NULL THEN m.type ELSE old.type END AS kind,
    CASE WHEN old.version IS NULL THEN m.body ELSE old.body END AS body,
    CASE WHEN old.version IS NULL THEN m.formatted_body ELSE old.formatted_body END AS formatted_body,
    CASE WHEN old.version IS NULL THEN m.edited_at ELSE old.edited_at END AS edited_at,
    CASE WHEN m.reply_to_event_id IS NOT NULL THEN (
         SELECT r.id FROM tributary.messages r
         WHERE r.room_id = m.room_id AND r.event_id = m.reply_to_event_id AND ",
    may_see!("r.received_at", "r.origin_server_ts"),
    ") END AS reply_to,
    CASE WHEN m.thread_root_event_id IS NOT NULL THEN (
         SELECT r.id FROM tributary.messages r
         WHERE r.room_id = m.room_id AND r.event_id = m.thread_root_event_id AND ",
    may_see!("r.received_at", "r.origin_server_ts"),
    ") END AS thread_root,
    CASE WHEN CASE WHEN old.version IS NULL THEN m.type ELSE old.type END
              NOT IN ('m.text', 'm.notice', 'm.emote') THEN (
     SELECT jsonb_agg(jsonb_build_object('mediaId', f.media_id, 'kind', f.kind, 'filename', f.filename,
         'mimeType', f.mime_type, 'size', f.size, 'width', f.width, 'height', f.height,
         'durationMs', f.duration_ms, 'state', i.state))
     FROM tributary.attachments f JOIN tributary.media i ON i.id = f.media_id
     WHERE f.room_id = m.room_id
       AND f.event_id = coalesce(old.version, m.edit_event_id, m.event_id)) END AS attachments,
    CASE WHEN m.metadata -> 'reactions' <> '[]' THEN (
         SELECT jsonb_agg(jsonb_build_object('key', k.key, 'count', k.count, 'senders', k.senders,
             'mine', k.mine) ORDER BY k.first, k.key COLLATE \"C\")
         FROM (SELECT s.key, count(*) AS count, min(s.first) AS first,
                      jsonb_agg(rp.id ORDER BY s.first, s.sender COLLATE \"C\") AS senders,
                      bool_or(",
    is_self!("rp"),
    ") AS mine
               FROM (SELECT r.key, r.sender, min(r.origin_server_ts) AS first
                     FROM tributary.reactions r
                     WHERE r.room_id = m.room_id AND r.target_event_id = m.event_id AND ",
    may_see!("r.received_at", "r.origin_server_ts"),
    "                GROUP BY r.key, r.sender) AS s
               JOIN tributary.participants rp
                 ON rp.conversation_id = m.conversation_id AND rp.matrix_user_id = s.sender
               GROUP BY s.key) AS k) END AS reactions,
    p.id AS sender_id, p.matrix_user_id, p.external_id, ",
    is_or!("display_name"),
    " AS display_name, coalesce(",
    is_or!("membership"),
    ", 'leave') AS membership,
    CASE WHEN ",
    is_or!("avatar_media_id"),
    " IS NOT NULL THEN (SELECT i.id FROM tributary.media i WHERE i.id = ",
    is_or!("avatar_media_id"),
    " AND i.state = 'stored') END AS avatar,
    ",
    is_self!("p"),
    " AS is_self"
);

/// The version `old` of message `m` that is shown to viewer `a` when the newest one came
/// after they had left.
macro_rules! old {
    () => {
        concat!(
    "LEFT JOIN LATERAL (
         SELECT v.event_id AS version, v.type, v.body, v.formatted_body, v.content,
                CASE WHEN v.event_id <> v.target_event_id THEN v.timestamp END AS edited_at
         FROM tributary.message_versions v
         WHERE m.edit_received_at IS NOT NULL AND NOT ",
    may_see!(
        "m.edit_received_at",
        "(SELECT e.origin_server_ts FROM tributary.message_versions e
          WHERE e.room_id = m.room_id AND e.event_id = m.edit_event_id)"
    ),
    " AND v.room_id = m.room_id AND v.target_event_id = m.event_id AND ",
    visible_version!(),
    "    ORDER BY v.event_id = v.target_event_id, v.origin_server_ts DESC, v.event_id COLLATE \"C\" DESC
         LIMIT 1) AS old ON true"
        )
    };
}

/// The version of a message that is shown to whoever had left when the newest one came.
pub(super) const OLD: &str = old!();

/// The sender `p` of message `m`, who they `was`, and its version `old`.
const OF_MESSAGE: &str = concat!(
    "JOIN tributary.participants p ON p.id = m.sender_id ",
    was!("p"),
    " ",
    old!()
);

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    conversation_id: Uuid,
    #[diesel(sql_type = Text)]
    event_id: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    body: String,
    #[diesel(sql_type = Nullable<Text>)]
    formatted_body: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    timestamp: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    edited_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    deleted_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    historical: bool,
    #[diesel(sql_type = Timestamptz)]
    received_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    reply_to: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    thread_root: Option<Uuid>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    attachments: Option<Value>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    reactions: Option<Value>,
    #[diesel(sql_type = SqlUuid)]
    sender_id: Uuid,
    #[diesel(sql_type = Text)]
    matrix_user_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    external_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    display_name: Option<String>,
    #[diesel(sql_type = Text)]
    membership: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    avatar: Option<Uuid>,
    #[diesel(sql_type = Bool)]
    is_self: bool,
}

impl From<Row> for Message {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            conversation_id: row.conversation_id,
            matrix_event_id: row.event_id,
            sender: Participant {
                id: row.sender_id,
                matrix_user_id: row.matrix_user_id,
                external_id: row.external_id,
                display_name: row.display_name,
                avatar_url: avatar_url(row.avatar),
                is_self: row.is_self,
                membership: row.membership,
            },
            kind: row.kind,
            body: row.body,
            formatted_body: row.formatted_body,
            timestamp: row.timestamp,
            edited_at: row.edited_at,
            deleted_at: row.deleted_at,
            reply_to: row.reply_to,
            thread_root: row.thread_root,
            reactions: built(row.reactions),
            attachments: built(row.attachments),
            historical: row.historical,
            received_at: row.received_at,
        }
    }
}

/// What a query of this file has built.
fn built<T: DeserializeOwned>(json: Option<Value>) -> Vec<T> {
    json.and_then(|json| serde_json::from_value(json).ok())
        .unwrap_or_default()
}

/// Whether a conversation is the viewer's, also without a message.
pub(super) async fn is_theirs(
    mut conn: &Connection,
    user_id: &str,
    conversation_id: Uuid,
) -> QueryResult<bool> {
    let found = sql_query(
        "SELECT FROM tributary.conversation_access WHERE user_id = $1 AND conversation_id = $2",
    )
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(conversation_id)
    .execute(&mut conn)
    .await?;
    Ok(found > 0)
}

/// A message with its content, if the viewer may see it.
///
/// # Errors
///
/// When a statement fails.
pub async fn full(
    conn: &mut Connection,
    user_id: &str,
    id: Uuid,
) -> QueryResult<Option<FullMessage>> {
    let Some(message) = by_ids(conn, user_id, &[id]).await?.pop() else {
        return Ok(None);
    };
    let content = contents_of(conn, user_id, &[id]).await?.remove(&id);
    let versions = match message.edited_at {
        Some(_) => versions_of(conn, user_id, id).await?,
        None => Vec::new(),
    };
    Ok(Some(FullMessage {
        message,
        content,
        versions,
    }))
}

/// Those of these messages that the viewer may see, with their content and without their
/// versions; in no order.
///
/// # Errors
///
/// When a statement fails.
pub(super) async fn with_content(
    conn: &mut Connection,
    user_id: &str,
    ids: &[Uuid],
) -> QueryResult<Vec<FullMessage>> {
    let messages = by_ids(conn, user_id, ids).await?;
    let mut contents = contents_of(conn, user_id, ids).await?;
    let full = |message: Message| FullMessage {
        content: contents.remove(&message.id),
        message,
        versions: Vec::new(),
    };
    Ok(messages.into_iter().map(full).collect())
}

async fn contents_of(
    conn: &mut Connection,
    user_id: &str,
    ids: &[Uuid],
) -> QueryResult<HashMap<Uuid, Value>> {
    #[derive(QueryableByName)]
    struct Content {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Nullable<Jsonb>)]
        content: Option<Value>,
    }
    let rows: Vec<Content> = sql_query(format!(
        "SELECT m.id, CASE WHEN old.version IS NULL THEN m.content ELSE old.content END AS content
         FROM tributary.messages m
         JOIN tributary.conversation_access a
           ON a.conversation_id = m.conversation_id AND a.user_id = $1
         {OF_MESSAGE}
         WHERE m.id = ANY($2) AND {MAY_SEE}"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    let pairs = rows.into_iter().map(|row| (row.id, row.content));
    Ok(pairs
        .filter_map(|(id, content)| Some((id, content?)))
        .collect())
}

async fn versions_of(conn: &mut Connection, user_id: &str, id: Uuid) -> QueryResult<Vec<Version>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        event_id: String,
        #[diesel(sql_type = Text)]
        body: String,
        #[diesel(sql_type = Nullable<Text>)]
        formatted_body: Option<String>,
        #[diesel(sql_type = Timestamptz)]
        at: DateTime<Utc>,
    }
    let rows: Vec<Row> = sql_query(concat!(
        "SELECT v.event_id, v.body, v.formatted_body, v.timestamp AS at
         FROM tributary.messages m
         JOIN tributary.conversation_access a
           ON a.conversation_id = m.conversation_id AND a.user_id = $1
         JOIN tributary.message_versions v
           ON v.room_id = m.room_id AND v.target_event_id = m.event_id
         WHERE m.id = $2 AND ",
        may_see!("m.received_at", "m.origin_server_ts"),
        " AND ",
        visible_version!(),
        " ORDER BY v.event_id <> v.target_event_id, v.origin_server_ts, v.event_id COLLATE \"C\""
    ))
    .bind::<Text, _>(user_id)
    .bind::<SqlUuid, _>(id)
    .load(conn)
    .await?;
    let version = |row: Row| Version {
        event_id: row.event_id,
        body: row.body,
        formatted_body: row.formatted_body,
        at: row.at,
    };
    Ok(rows.into_iter().map(version).collect())
}

/// Those of these messages that the viewer may see, in no order.
///
/// # Errors
///
/// When the statement fails.
pub async fn by_ids(
    mut conn: &Connection,
    user_id: &str,
    ids: &[Uuid],
) -> QueryResult<Vec<Message>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}
         FROM tributary.messages m
         JOIN tributary.conversations conv ON conv.id = m.conversation_id
         JOIN tributary.conversation_access a ON a.conversation_id = conv.id AND a.user_id = $1
         {OF_MESSAGE}
         WHERE m.id = ANY($2) AND {MAY_SEE}"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(ids)
    .kept()
    .load(&mut conn)
    .await?;
    Ok(rows.into_iter().map(Message::from).collect())
}

/// A message as one viewer sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The message.
    pub message: Message,
    /// How many messages of its conversation they have not read.
    pub unread_count: i32,
}

/// These messages as these viewers see them, by viewer, in no order: each pair names both.
/// What one may not see is not there.
///
/// # Errors
///
/// When the statement fails.
pub async fn shown_to(
    conn: &Connection,
    wanted: &[(&str, Uuid)],
) -> QueryResult<HashMap<String, Vec<Shown>>> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    read_shown(conn, wanted).await
}

/// Prepares the statement of [`shown_to`].
pub(in crate::db) async fn prepare(conn: &Connection) -> QueryResult<()> {
    read_shown(conn, &[]).await.map(drop)
}

async fn read_shown(
    mut conn: &Connection,
    wanted: &[(&str, Uuid)],
) -> QueryResult<HashMap<String, Vec<Shown>>> {
    #[derive(QueryableByName)]
    struct Seen {
        #[diesel(sql_type = Text)]
        user_id: String,
        #[diesel(sql_type = Integer)]
        unread_count: i32,
        #[diesel(embed)]
        row: Row,
    }
    let (users, ids): (Vec<_>, Vec<_>) = wanted.iter().copied().unzip();
    let rows: Vec<Seen> = sql_query(format!(
        "SELECT a.user_id, a.unread_count, {COLUMNS}
         FROM unnest($1::text[], $2::uuid[]) AS w(user_id, message_id)
         JOIN tributary.messages m ON m.id = w.message_id
         JOIN tributary.conversations conv ON conv.id = m.conversation_id
         -- A lookup each, as is may-see: as joins they may read all who see the conversation for each of them.
         CROSS JOIN LATERAL (
             SELECT a.* FROM tributary.conversation_access a
             WHERE a.user_id = w.user_id AND a.conversation_id = m.conversation_id OFFSET 0) AS a
         {OF_MESSAGE}
         WHERE {MAY_SEE_EACH}"
    ))
    .bind::<Array<Text>, _>(users)
    .bind::<Array<SqlUuid>, _>(ids)
    .kept()
    .load(&mut conn)
    .await?;
    let mut shown: HashMap<String, Vec<Shown>> = HashMap::new();
    for seen in rows {
        let one = Shown {
            message: seen.row.into(),
            unread_count: seen.unread_count,
        };
        shown.entry(seen.user_id).or_default().push(one);
    }
    Ok(shown)
}

/// The newest message that the viewer may see in each of these conversations.
///
/// # Errors
///
/// When the statement fails.
pub async fn last_of(
    conn: &mut Connection,
    user_id: &str,
    conversation_ids: &[Uuid],
) -> QueryResult<Vec<Message>> {
    let rows: Vec<Row> = sql_query(format!(
        "SELECT {COLUMNS}
         FROM tributary.conversation_access a
         JOIN tributary.conversations conv ON conv.id = a.conversation_id
         CROSS JOIN LATERAL (
             SELECT m.* FROM tributary.messages m
             WHERE m.conversation_id = a.conversation_id AND {MAY_SEE_EACH}
             ORDER BY m.timestamp DESC, m.event_id COLLATE \"C\" DESC LIMIT 1) AS m
         {OF_MESSAGE}
         WHERE a.user_id = $1 AND a.conversation_id = ANY($2)"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .kept()
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(Message::from).collect())
}
