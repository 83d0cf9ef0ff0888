//! Connections. Nobody has many.

use diesel::QueryResult;
use uuid::Uuid;

use super::{Item, Place};
use crate::db::{Connection, read::connections};

/// All that are left.
pub(super) async fn behind(
    conn: &mut Connection,
    user_id: &str,
    after: Option<Uuid>,
) -> QueryResult<Vec<(Item, Place)>> {
    let mut left = connections::list(conn, user_id, None).await?;
    left.retain(|connection| after.is_none_or(|after| connection.id > after));
    left.sort_by_key(|connection| connection.id);
    let item = |connection: crate::model::connection::Connection| {
        let place = Place::Connections(Some(connection.id));
        (Item::Connection(Box::new(connection)), place)
    };
    Ok(left.into_iter().map(item).collect())
}
