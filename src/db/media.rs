//! Media by their Matrix addresses: a row exists as long as something shows it.

use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, statement::Keep as _};

/// Deletes those of these rows that nothing shows any more.
///
/// They are locked in a statement of its own, so that the deletion sees what was
/// committed by then: whoever held one may have begun to show it, or been the last
/// but us who did.
///
/// # Errors
///
/// When a statement fails.
pub async fn forget_unused(mut conn: &Connection, ids: &[Uuid]) -> QueryResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    sql_query("SELECT 1 FROM tributary.media WHERE id = ANY($1) ORDER BY id FOR UPDATE")
        .bind::<Array<SqlUuid>, _>(ids)
        .execute(&mut conn)
        .await?;
    sql_query(
        "DELETE FROM tributary.media i
         WHERE i.id = ANY($1)
         AND NOT EXISTS (SELECT 1 FROM tributary.attachments a WHERE a.media_id = i.id)
         AND NOT EXISTS (SELECT 1 FROM tributary.conversations c WHERE c.avatar_media_id = i.id)
         AND NOT EXISTS (SELECT 1 FROM tributary.participants p WHERE p.avatar_media_id = i.id)",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .kept()
    .execute(&mut conn)
    .await?;
    Ok(())
}
