//! What a conversation was to whoever has left it: its title and picture, and who was in it.
//!
//! A viewer has left when no grant of theirs is open in the room that leads. They are shown
//! what the state said that the room received until their last grant in it ended: a function
//! of the set of state events and of the grants, so the order of arrival is of no consequence.
//! Whoever is there is shown the present, and has no rows here.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Bool, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{
    Connection,
    grants::before_end,
    media::{self, IS_MXC},
    statement::Keep as _,
    viewers::{IS_SELF, View},
};

/// Of what may have changed for whoever has left.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moved<'a> {
    /// Rooms and people in them of whom the state may say something else.
    pub people: &'a [(String, String)],
    /// Viewers whose grants have changed.
    pub views: &'a [View],
}

/// Decides who has left these conversations, and derives for them what they were. The
/// caller holds the rooms' locks, and has derived the participants.
///
/// # Errors
///
/// When a statement fails.
pub async fn derive(
    conn: &mut Connection,
    conversation_ids: &[Uuid],
    moved: Moved<'_>,
) -> QueryResult<()> {
    let viewers = turn(conn, conversation_ids).await?;
    if viewers.is_empty() {
        return Ok(());
    }
    let is_anew =
        |viewer: &&Viewer| viewer.has_turned || moved.views.iter().any(|view| viewer.is(view));
    let anew: Vec<_> = viewers.iter().filter(is_anew).map(Viewer::view).collect();
    let mut pictures = forget(conn, &anew).await?;
    let left: Vec<_> = viewers.iter().filter(|viewer| viewer.has_left).collect();
    if !left.is_empty() {
        let all = Left::new(&left, &anew, moved.people);
        hold_pictures(conn, &all).await?;
        pictures.extend(write_people(conn, &all).await?);
        pictures.extend(write_views(conn, &all).await?);
    }
    media::forget_unused(conn, &pictures).await?;
    Ok(())
}

/// Somebody who has left, or had and is back.
#[derive(Debug, QueryableByName)]
struct Viewer {
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = SqlUuid)]
    conversation_id: Uuid,
    #[diesel(sql_type = Bool)]
    has_left: bool,
    #[diesel(sql_type = Bool)]
    has_turned: bool,
}

impl Viewer {
    fn is(&self, view: &View) -> bool {
        (&self.user_id, self.conversation_id) == (&view.user_id, view.conversation_id)
    }

    fn view(&self) -> View {
        View {
            user_id: self.user_id.clone(),
            conversation_id: self.conversation_id,
        }
    }
}

async fn turn(conn: &mut Connection, conversation_ids: &[Uuid]) -> QueryResult<Vec<Viewer>> {
    sql_query(
        "WITH found AS (
             SELECT a.user_id, a.conversation_id, a.has_left AS had_left, NOT EXISTS (
                 SELECT 1 FROM tributary.room_grants g
                 WHERE g.user_id = a.user_id AND g.conversation_id = a.conversation_id
                   AND g.room_id = conv.matrix_room_id AND g.until_at IS NULL) AS has_left
             FROM tributary.conversation_access a
             JOIN tributary.conversations conv ON conv.id = a.conversation_id
             WHERE a.conversation_id = ANY($1)
         ), turned AS (
             UPDATE tributary.conversation_access a SET has_left = f.has_left, updated_at = now()
             FROM found f
             WHERE (a.user_id, a.conversation_id) = (f.user_id, f.conversation_id)
               AND f.has_left <> f.had_left
         )
         SELECT user_id, conversation_id, has_left, has_left <> had_left AS has_turned
         FROM found WHERE has_left OR had_left",
    )
    .bind::<Array<SqlUuid>, _>(conversation_ids)
    .kept()
    .load(conn)
    .await
}

/// What is to be derived: the views, which of them as a whole, and the people that the
/// others are looked through for.
struct Left<'a> {
    users: Vec<&'a str>,
    conversations: Vec<Uuid>,
    are_whole: Vec<bool>,
    people: Vec<&'a str>,
}

impl<'a> Left<'a> {
    fn new(left: &[&'a Viewer], anew: &[View], people: &'a [(String, String)]) -> Self {
        let is_whole = |viewer: &&Viewer| anew.iter().any(|view| viewer.is(view));
        Self {
            users: left.iter().map(|viewer| viewer.user_id.as_str()).collect(),
            conversations: left.iter().map(|viewer| viewer.conversation_id).collect(),
            are_whole: left.iter().map(is_whole).collect(),
            people: people.iter().map(|(_, id)| id.as_str()).collect(),
        }
    }
}

#[derive(QueryableByName)]
struct Picture {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    id: Option<Uuid>,
}

fn pictures(rows: Vec<Picture>) -> Vec<Uuid> {
    rows.into_iter().filter_map(|row| row.id).collect()
}

/// Forgets what there is of these views; returns the pictures that it showed.
///
/// # Errors
///
/// When the statement fails.
pub async fn forget(conn: &mut Connection, views: &[View]) -> QueryResult<Vec<Uuid>> {
    if views.is_empty() {
        return Ok(Vec::new());
    }
    sql_query(
        "WITH gone AS (
             SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[]) AS v(user_id, conversation_id)
         ), people AS (
             DELETE FROM tributary.former_people k USING gone g
             WHERE (k.user_id, k.conversation_id) = (g.user_id, g.conversation_id)
             RETURNING k.avatar_media_id
         ), shown AS (
             SELECT a.* FROM tributary.conversation_access a JOIN gone g USING (user_id, conversation_id)
             WHERE a.former_avatar_media_id IS NOT NULL
         ), cleared AS (
             UPDATE tributary.conversation_access a SET former_avatar_media_id = NULL
             FROM shown s WHERE (a.user_id, a.conversation_id) = (s.user_id, s.conversation_id)
         )
         SELECT avatar_media_id AS id FROM people UNION SELECT former_avatar_media_id FROM shown",
    )
    .bind::<Array<Text>, _>(views.iter().map(|v| &v.user_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(views.iter().map(|v| v.conversation_id).collect::<Vec<_>>())
    .kept()
    .load(conn)
    .await
    .map(pictures)
}

/// The grants of viewer `a`, the last one first.
const LAST_FIRST: &str = "g.until_at DESC NULLS FIRST, g.room_id COLLATE \"C\" DESC";

/// Orders the events `s` that were received while grant `g` went on, the one first that was
/// current when it ended.
const LATEST_FIRST: &str = concat!(
    "EXISTS (SELECT 1 FROM tributary.state_events n
        WHERE n.room_id = s.room_id AND n.replaces_state = s.event_id
          AND n.type = s.type AND n.state_key = s.state_key AND n.event_id <> s.event_id
          AND ",
    before_end!("n.received_at", "n.origin_server_ts"),
    "),
    s.origin_server_ts DESC, s.event_id COLLATE \"C\" DESC"
);

/// Was event `s` received while grant `g` went on?
const BY_THEN: &str = before_end!("s.received_at", "s.origin_server_ts");

/// The people of the views `v`, as `$1` to `$4` say.
fn people() -> String {
    format!(
        "SELECT v.user_id, v.conversation_id, p.id AS participant_id, said.content
         FROM unnest($1::text[], $2::uuid[], $3::bool[]) AS v(user_id, conversation_id, is_whole)
         JOIN tributary.participants p ON p.conversation_id = v.conversation_id
         CROSS JOIN LATERAL (
             SELECT s.content FROM tributary.room_grants g
             JOIN tributary.state_events s
               ON s.room_id = g.room_id AND s.type = 'm.room.member' AND s.state_key = p.matrix_user_id
              AND {BY_THEN}
             WHERE g.user_id = v.user_id AND g.conversation_id = v.conversation_id
             ORDER BY {LAST_FIRST}, {LATEST_FIRST} LIMIT 1) AS said
         WHERE v.is_whole OR p.matrix_user_id = ANY($4)"
    )
}

/// What the room that viewer `a` was in last said of itself by then; `g` is their grant in it.
fn said(kind: &str, field: &str) -> String {
    format!(
        "(SELECT CASE WHEN jsonb_typeof(s.content -> '{field}') = 'string'
                      THEN nullif(s.content ->> '{field}', '') END
          FROM tributary.state_events s
          WHERE s.room_id = g.room_id AND s.type = '{kind}' AND s.state_key = ''
            AND {BY_THEN}
          ORDER BY {LATEST_FIRST} LIMIT 1)"
    )
}

/// The views, each with its last grant.
fn views() -> String {
    format!(
        "FROM unnest($1::text[], $2::uuid[]) AS v(user_id, conversation_id)
         JOIN tributary.conversation_access a USING (user_id, conversation_id)
         JOIN tributary.conversations conv ON conv.id = a.conversation_id
         CROSS JOIN LATERAL (
             SELECT g.room_id, g.until_at, g.until_ts FROM tributary.room_grants g
             WHERE g.user_id = a.user_id AND g.conversation_id = a.conversation_id
             ORDER BY {LAST_FIRST} LIMIT 1) AS g"
    )
}

/// A picture of then may have been forgotten since, or never been the present one.
async fn hold_pictures(conn: &mut Connection, left: &Left<'_>) -> QueryResult<()> {
    let shown = sql_query(format!(
        "SELECT DISTINCT shown.mxc
         FROM (SELECT content ->> 'avatar_url' AS mxc FROM ({}) AS people
               UNION ALL
               SELECT {} {}) AS shown
         WHERE shown.mxc {IS_MXC}",
        people(),
        said("m.room.avatar", "url"),
        views()
    ))
    .bind::<Array<Text>, _>(&left.users)
    .bind::<Array<SqlUuid>, _>(&left.conversations)
    .bind::<Array<Bool>, _>(&left.are_whole)
    .bind::<Array<Text>, _>(&left.people)
    .kept()
    .load(conn)
    .await?;
    media::hold_named(conn, shown).await
}

/// Returns the pictures that are no longer shown.
async fn write_people(conn: &mut Connection, left: &Left<'_>) -> QueryResult<Vec<Uuid>> {
    sql_query(format!(
        "WITH people AS MATERIALIZED (
             {}
         ), before AS MATERIALIZED (
             SELECT k.* FROM people JOIN tributary.former_people k
                 USING (user_id, conversation_id, participant_id)
         ), written AS (
             INSERT INTO tributary.former_people AS k
                 (user_id, conversation_id, participant_id, display_name, avatar_media_id, membership)
             SELECT user_id, conversation_id, participant_id,
                    CASE WHEN jsonb_typeof(content -> 'displayname') = 'string'
                         THEN content ->> 'displayname' END,
                    (SELECT i.id FROM tributary.media i WHERE i.mxc = content ->> 'avatar_url'),
                    coalesce(content ->> 'membership', 'leave')
             FROM people
             ON CONFLICT (user_id, conversation_id, participant_id) DO UPDATE
             SET display_name = excluded.display_name, avatar_media_id = excluded.avatar_media_id,
                 membership = excluded.membership
             WHERE (k.display_name, k.avatar_media_id, k.membership) IS DISTINCT FROM
                   (excluded.display_name, excluded.avatar_media_id, excluded.membership)
             RETURNING k.*
         )
         SELECT DISTINCT b.avatar_media_id AS id
         FROM before b JOIN written w USING (user_id, conversation_id, participant_id)
         WHERE b.avatar_media_id IS DISTINCT FROM w.avatar_media_id",
        people()
    ))
    .bind::<Array<Text>, _>(&left.users)
    .bind::<Array<SqlUuid>, _>(&left.conversations)
    .bind::<Array<Bool>, _>(&left.are_whole)
    .bind::<Array<Text>, _>(&left.people)
    .kept()
    .load(conn)
    .await
    .map(pictures)
}

/// Writes titles and pictures, the title as [`super::viewers::derive_titles`] does; returns the
/// pictures that are no longer shown.
async fn write_views(conn: &mut Connection, left: &Left<'_>) -> QueryResult<Vec<Uuid>> {
    let others = format!(
        "FROM tributary.former_people k JOIN tributary.participants p ON p.id = k.participant_id
         WHERE k.user_id = a.user_id AND k.conversation_id = a.conversation_id
           AND NOT p.is_service AND NOT {IS_SELF}"
    );
    sql_query(format!(
        "WITH found AS MATERIALIZED (
             SELECT a.user_id, a.conversation_id, a.former_avatar_media_id AS before,
                    coalesce({name}, CASE WHEN CASE
                        WHEN r.room_type_v2 IS NOT NULL THEN r.room_type_v2 = 'dm'
                        WHEN r.room_type = 'dm' THEN true
                        ELSE (SELECT count(*) <= 1 {others} AND k.membership IN ('join', 'invite')) END
                    THEN (SELECT k.display_name {others}
                          ORDER BY k.membership IN ('join', 'invite') DESC,
                                   p.external_id IS NOT NULL DESC, p.matrix_user_id COLLATE \"C\"
                          LIMIT 1) END) AS title,
                    (SELECT i.id FROM tributary.media i WHERE i.mxc = {avatar}) AS avatar
             {views}
             JOIN tributary.rooms r ON r.room_id = conv.matrix_room_id
         ), written AS (
             UPDATE tributary.conversation_access a
             SET title = f.title, former_avatar_media_id = f.avatar, updated_at = now()
             FROM found f
             WHERE (a.user_id, a.conversation_id) = (f.user_id, f.conversation_id)
               AND (a.title, a.former_avatar_media_id) IS DISTINCT FROM (f.title, f.avatar)
         )
         SELECT before AS id FROM found WHERE before IS DISTINCT FROM avatar",
        name = said("m.room.name", "name"),
        avatar = said("m.room.avatar", "url"),
        views = views()
    ))
    .bind::<Array<Text>, _>(&left.users)
    .bind::<Array<SqlUuid>, _>(&left.conversations)
    .kept()
    .load(conn)
    .await
    .map(pictures)
}
