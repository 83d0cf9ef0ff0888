//! Media by their Matrix addresses: a row exists as long as something shows it, and so
//! does the object that it holds.

pub mod archive;
pub mod objects;

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Binary, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Connection, statement::Keep as _};

/// Sees to it that there is a row for each of these addresses until the transaction
/// ends, whoever else forgets one.
///
/// # Errors
///
/// When a statement fails.
pub async fn hold(mut conn: &Connection, mxcs: &[String]) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Missing {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    if mxcs.is_empty() {
        return Ok(());
    }
    loop {
        let missing: Missing = sql_query(
            "WITH wanted AS (
                 SELECT DISTINCT mxc FROM unnest($1::text[]) AS w(mxc)
             ), held AS MATERIALIZED (
                 SELECT i.mxc FROM tributary.media i WHERE i.mxc = ANY($1) ORDER BY i.mxc FOR KEY SHARE
             ), new AS (
                 INSERT INTO tributary.media (mxc)
                 SELECT mxc FROM wanted WHERE mxc NOT IN (SELECT mxc FROM held) ORDER BY mxc
                 ON CONFLICT DO NOTHING
                 RETURNING mxc
             )
             SELECT count(*) AS count FROM wanted
             WHERE mxc NOT IN (SELECT mxc FROM held) AND mxc NOT IN (SELECT mxc FROM new)",
        )
        .bind::<Array<Text>, _>(mxcs)
        .kept()
        .get_result(&mut conn)
        .await?;
        // Somebody else has stored one since the statement began: the next one sees it.
        if missing.count == 0 {
            return Ok(());
        }
    }
}

/// What of the addresses that a statement names is one: others name no file.
pub(super) const IS_MXC: &str = "~ '^mxc://[^/]{1,255}/[^/]{1,255}$'";

/// An address that a statement names.
#[derive(Debug, QueryableByName)]
pub(super) struct Named {
    #[diesel(sql_type = Text)]
    pub(super) mxc: String,
}

/// Holds what a statement has named.
pub(super) async fn hold_named(conn: &Connection, named: Vec<Named>) -> QueryResult<()> {
    let mxcs: Vec<_> = named.into_iter().map(|named| named.mxc).collect();
    hold(conn, &mxcs).await
}

/// Rows that nothing showed any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many there were.
    pub files: usize,
    /// The objects that they held, and perhaps others still do.
    pub objects: Vec<Vec<u8>>,
}

/// Deletes those of these rows that nothing shows any more, and lets go what they held.
///
/// They are locked in a statement of its own, so that the deletion sees what was
/// committed by then: whoever held one may have begun to show it, or been the last
/// but us who did.
///
/// # Errors
///
/// When a statement fails.
pub async fn forget_unused(mut conn: &Connection, ids: &[Uuid]) -> QueryResult<Forgotten> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Nullable<Binary>)]
        sha256: Option<Vec<u8>>,
    }
    if ids.is_empty() {
        return Ok(Forgotten::default());
    }
    sql_query("SELECT 1 FROM tributary.media WHERE id = ANY($1) ORDER BY mxc FOR UPDATE")
        .bind::<Array<SqlUuid>, _>(ids)
        .execute(&mut conn)
        .await?;
    let rows: Vec<Row> = sql_query(
        "DELETE FROM tributary.media i
         WHERE i.id = ANY($1)
         AND NOT EXISTS (SELECT 1 FROM tributary.attachments a WHERE a.media_id = i.id)
         AND NOT EXISTS (SELECT 1 FROM tributary.conversations c WHERE c.avatar_media_id = i.id)
         AND NOT EXISTS (SELECT 1 FROM tributary.participants p WHERE p.avatar_media_id = i.id)
         AND NOT EXISTS (SELECT 1 FROM tributary.conversation_access a WHERE a.former_avatar_media_id = i.id)
         AND NOT EXISTS (SELECT 1 FROM tributary.former_people k WHERE k.avatar_media_id = i.id)
         RETURNING i.sha256",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .kept()
    .load(&mut conn)
    .await?;
    let files = rows.len();
    let mut objects: Vec<_> = rows.into_iter().filter_map(|row| row.sha256).collect();
    objects.sort_unstable();
    objects.dedup();
    objects::let_go(conn, &objects).await?;
    Ok(Forgotten { files, objects })
}
