//! Conversations that are found by their title or by somebody in them.

use super::query::Query;
use crate::{
    db::{
        self, Connection,
        read::{conversations, participants, search},
    },
    model::search::{FoundConversation, FoundName},
};

/// Conversations that are told; whoever wants more types more.
const MOST: usize = 10;

/// The viewer's conversations whose title, or the name of somebody in them, is searched for;
/// those with the newest messages first.
///
/// # Errors
///
/// When a statement fails.
pub async fn conversations(
    conn: &mut Connection,
    user_id: &str,
    query: &Query,
) -> db::Result<Vec<FoundConversation>> {
    let mut snapshot = conn.build_transaction().read_only();
    let found = snapshot.run(async |conn| {
        search::by_lookups(conn).await?;
        named(conn, user_id, query).await
    });
    found.await
}

async fn named(
    conn: &mut Connection,
    user_id: &str,
    query: &Query,
) -> db::Result<Vec<FoundConversation>> {
    let has = |one: &&search::Named| one.names.iter().any(|name| query.find(&[name]).is_some());
    let all = search::names(conn, user_id).await?;
    // A name may be of somebody whom this viewer never met there: some are for nothing.
    let ids = all.iter().filter(has).map(|one| one.id).take(2 * MOST);
    let ids: Vec<_> = ids.collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let people = participants::of(conn, user_id, &ids).await?;
    let mut found = Vec::new();
    for conversation in conversations::by_ids(conn, user_id, &ids).await? {
        let people = people.get(&conversation.id).into_iter().flatten();
        let names = people.filter_map(|person| person.display_name.as_deref());
        let mut names: Vec<_> = conversation
            .title
            .as_deref()
            .into_iter()
            .chain(names)
            .collect();
        names.sort_unstable();
        names.dedup();
        let names: Vec<_> = names
            .into_iter()
            .filter_map(|name| found_in(query, name))
            .collect();
        if !names.is_empty() {
            found.push(FoundConversation {
                conversation,
                names,
            });
        }
    }
    found.sort_by_key(|found| ids.iter().position(|id| *id == found.conversation.id));
    found.truncate(MOST);
    Ok(found)
}

fn found_in(query: &Query, name: &str) -> Option<FoundName> {
    let in_name = query.find(&[name])?.ranges.pop()?;
    Some(FoundName {
        name: name.to_owned(),
        in_name,
    })
}
