//! What is in the store, what is on its way there, and what may leave it.
//!
//! An object's row is there before the object and goes after it. An upload's row is there
//! from before its first byte until the object is either held or let go again. So what a
//! crash leaves is always found: by [`stale_uploads`], or by what [`let_go`] marks.
//!
//! Who comes to hold an object locks its row, and so does [`begin_leaving`]: of the two
//! that meet, the later one sees the other.

use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Binary, Bool, Double, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    db::{Connection, statement::Keep as _},
    model::media::ContentHash,
};

/// An upload begins.
///
/// # Errors
///
/// When the statement fails.
pub async fn begin_upload(mut conn: &Connection, id: Uuid) -> QueryResult<()> {
    sql_query("INSERT INTO tributary.media_uploads (id) VALUES ($1)")
        .bind::<SqlUuid, _>(id)
        .execute(&mut conn)
        .await?;
    Ok(())
}

/// It goes up in parts, which the store calls so. False when it has been taken for dead.
///
/// # Errors
///
/// When the statement fails.
pub async fn in_parts(mut conn: &Connection, id: Uuid, multipart_id: &str) -> QueryResult<bool> {
    let rows = sql_query("UPDATE tributary.media_uploads SET multipart_id = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(multipart_id)
        .execute(&mut conn)
        .await?;
    Ok(rows == 1)
}

/// Whether a content is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is to be put there.
    Absent,
    /// It is there.
    Present,
    /// It is being deleted: it can be put there when that is through.
    Leaving,
}

/// An upload knows its content: notes that it is going to be in the store, and says
/// whether it is already. None when the upload has been taken for dead.
///
/// # Errors
///
/// When a statement fails.
pub async fn expect(
    mut conn: &Connection,
    id: Uuid,
    hash: &ContentHash,
) -> QueryResult<Option<Place>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_leaving: bool,
        #[diesel(sql_type = Bool)]
        is_present: bool,
    }
    sql_query("INSERT INTO tributary.media_objects (sha256) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind::<Binary, _>(&hash.0[..])
        .execute(&mut conn)
        .await?;
    let object: Option<Row> = sql_query(
        "SELECT is_leaving, stored_at IS NOT NULL AS is_present FROM tributary.media_objects
         WHERE sha256 = $1 FOR KEY SHARE",
    )
    .bind::<Binary, _>(&hash.0[..])
    .get_result(&mut conn)
    .await
    .optional()?;
    let place = match object {
        // Gone between the two.
        None => Place::Leaving,
        Some(row) if row.is_leaving => Place::Leaving,
        Some(row) if row.is_present => Place::Present,
        Some(_) => Place::Absent,
    };
    if place == Place::Leaving {
        return Ok(Some(place));
    }
    // Its parts have become one.
    let rows = sql_query(
        "UPDATE tributary.media_uploads SET sha256 = $2, multipart_id = NULL WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Binary, _>(&hash.0[..])
    .execute(&mut conn)
    .await?;
    Ok((rows == 1).then_some(place))
}

/// The object of an upload is in the store. The caller has locked what is going to hold
/// it. False when the upload has been taken for dead, and its object perhaps deleted.
///
/// # Errors
///
/// When a statement fails.
pub async fn arrived(mut conn: &Connection, id: Uuid, hash: &ContentHash) -> QueryResult<bool> {
    let uploads = sql_query("DELETE FROM tributary.media_uploads WHERE id = $1 AND sha256 = $2")
        .bind::<SqlUuid, _>(id)
        .bind::<Binary, _>(&hash.0[..])
        .execute(&mut conn)
        .await?;
    let objects = sql_query(
        "UPDATE tributary.media_objects SET stored_at = coalesce(stored_at, now())
         WHERE sha256 = $1 AND NOT is_leaving",
    )
    .bind::<Binary, _>(&hash.0[..])
    .execute(&mut conn)
    .await?;
    Ok((uploads, objects) == (1, 1))
}

/// An upload has come to nothing, and nothing is left of it but, perhaps, its object.
///
/// # Errors
///
/// When a statement fails.
pub async fn end_upload(mut conn: &Connection, id: Uuid) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Nullable<Binary>)]
        sha256: Option<Vec<u8>>,
    }
    let ended: Option<Row> =
        sql_query("DELETE FROM tributary.media_uploads WHERE id = $1 RETURNING sha256")
            .bind::<SqlUuid, _>(id)
            .get_result(&mut conn)
            .await
            .optional()?;
    let hashes: Vec<_> = ended.and_then(|row| row.sha256).into_iter().collect();
    let_go(conn, &hashes).await
}

/// All uploads that are there are at least so old from now on.
///
/// # Errors
///
/// When the statement fails.
pub async fn age_uploads(mut conn: &Connection, seconds: f64) -> QueryResult<()> {
    sql_query(
        "UPDATE tributary.media_uploads SET started_at = now() - make_interval(secs => $1)
         WHERE started_at > now() - make_interval(secs => $1)",
    )
    .bind::<Double, _>(seconds)
    .execute(&mut conn)
    .await?;
    Ok(())
}

/// An upload of which nothing was heard for long.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct StaleUpload {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// As the store calls it.
    #[diesel(sql_type = Nullable<Text>)]
    pub multipart_id: Option<String>,
}

/// Uploads that began at least so many seconds ago.
///
/// # Errors
///
/// When the statement fails.
pub async fn stale_uploads(
    mut conn: &Connection,
    seconds: f64,
    limit: i64,
) -> QueryResult<Vec<StaleUpload>> {
    sql_query(
        "SELECT id, multipart_id FROM tributary.media_uploads
         WHERE started_at <= now() - make_interval(secs => $1) ORDER BY started_at LIMIT $2",
    )
    .bind::<Double, _>(seconds)
    .bind::<BigInt, _>(limit)
    .load(&mut conn)
    .await
}

/// Something that held these objects has let go: whether it was the last one is found out
/// by [`begin_leaving`], in a transaction of its own.
pub(super) async fn let_go(mut conn: &Connection, hashes: &[Vec<u8>]) -> QueryResult<()> {
    if hashes.is_empty() {
        return Ok(());
    }
    sql_query(
        "WITH held AS MATERIALIZED (
             SELECT sha256 FROM tributary.media_objects WHERE sha256 = ANY($1)
             ORDER BY sha256 FOR NO KEY UPDATE
         )
         UPDATE tributary.media_objects o SET released_at = now() FROM held h WHERE o.sha256 = h.sha256",
    )
    .bind::<Array<Binary>, _>(hashes)
    .kept()
    .execute(&mut conn)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Hash {
    #[diesel(sql_type = Binary)]
    sha256: Vec<u8>,
}

/// Of the objects that were let go, at most `limit`, those that nothing holds: from the
/// commit on nothing comes to hold them.
///
/// # Errors
///
/// When a statement fails.
pub async fn begin_leaving(mut conn: &Connection, limit: i64) -> QueryResult<Vec<ContentHash>> {
    let released: Vec<Hash> = sql_query(
        "SELECT sha256 FROM tributary.media_objects WHERE released_at IS NOT NULL
         ORDER BY sha256 LIMIT $1 FOR UPDATE",
    )
    .bind::<BigInt, _>(limit)
    .load(&mut conn)
    .await?;
    let released: Vec<_> = released.into_iter().map(|row| row.sha256).collect();
    // Behind the locks: whoever came to hold one has committed, or finds it leaving. What
    // an upload holds is let go again when it ends without anybody to hold it.
    let leaving: Vec<Hash> = sql_query(
        "WITH looked AS (
             UPDATE tributary.media_objects o
             SET is_leaving = f.is_free, released_at = CASE WHEN f.is_free THEN o.released_at END,
                 erasure_id = CASE WHEN f.is_free THEN o.erasure_id END
             FROM (SELECT o.sha256,
                          NOT EXISTS (SELECT 1 FROM tributary.media i WHERE i.sha256 = o.sha256)
                          AND NOT EXISTS (SELECT 1 FROM tributary.media_uploads u WHERE u.sha256 = o.sha256)
                          AS is_free
                   FROM tributary.media_objects o WHERE o.sha256 = ANY($1)) AS f
             WHERE o.sha256 = f.sha256
             RETURNING o.sha256, o.is_leaving
         )
         SELECT sha256 FROM looked WHERE is_leaving",
    )
    .bind::<Array<Binary>, _>(&released)
    .load(&mut conn)
    .await?;
    let hashes = leaving
        .iter()
        .map(|row| ContentHash::try_from(&row.sha256[..]));
    Ok(hashes.filter_map(Result::ok).collect())
}

/// These objects have left the store.
///
/// # Errors
///
/// When the statement fails.
pub async fn left(mut conn: &Connection, hashes: &[ContentHash]) -> QueryResult<()> {
    let hashes: Vec<_> = hashes.iter().map(|hash| &hash.0[..]).collect();
    sql_query("DELETE FROM tributary.media_objects WHERE sha256 = ANY($1) AND is_leaving")
        .bind::<Array<Binary>, _>(hashes)
        .execute(&mut conn)
        .await?;
    Ok(())
}

/// An erasure is through when these objects are gone, or somebody else holds them.
///
/// # Errors
///
/// When the statement fails.
pub async fn await_by(conn: &mut Connection, erasure: Uuid, hashes: &[Vec<u8>]) -> QueryResult<()> {
    if hashes.is_empty() {
        return Ok(());
    }
    sql_query("UPDATE tributary.media_objects SET erasure_id = $1 WHERE sha256 = ANY($2)")
        .bind::<SqlUuid, _>(erasure)
        .bind::<Array<Binary>, _>(hashes)
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether objects that an erasure waits for are still there.
///
/// # Errors
///
/// When the statement fails.
pub async fn are_awaited_by(conn: &mut Connection, erasure: Uuid) -> QueryResult<bool> {
    let row: Yes = sql_query(
        "SELECT EXISTS (SELECT 1 FROM tributary.media_objects WHERE erasure_id = $1) AS yes",
    )
    .bind::<SqlUuid, _>(erasure)
    .get_result(conn)
    .await?;
    Ok(row.yes)
}

#[derive(QueryableByName)]
struct Yes {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

/// Whether there is something to clear that nobody does already: an object that was let go, or
/// an upload that has become stale.
///
/// # Errors
///
/// When the statement fails.
pub async fn any_to_clear(mut conn: &Connection, stale_seconds: f64) -> QueryResult<bool> {
    let row: Yes = sql_query(
        "SELECT (EXISTS (SELECT 1 FROM tributary.media_objects WHERE released_at IS NOT NULL)
                 OR EXISTS (SELECT 1 FROM tributary.media_uploads
                            WHERE started_at <= now() - make_interval(secs => $1)))
             AND NOT EXISTS (SELECT 1 FROM tributary.jobs
                             WHERE kind = 'clear_media' AND state IN ('queued', 'running', 'waiting')) AS yes",
    )
    .bind::<Double, _>(stale_seconds)
    .get_result(&mut conn)
    .await?;
    Ok(row.yes)
}
