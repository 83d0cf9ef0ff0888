//! State events, and all that follows from them: members, participants, names,
//! grants, titles.

use std::collections::BTreeSet;

use diesel::QueryResult;
use uuid::Uuid;

use crate::{
    db::{
        Connection, grants,
        state::{self, Person, Touched},
        viewers::{self, View},
    },
    matrix::bridges::Bridges,
    model::change::State,
};

/// What state events led to.
#[derive(Debug, Default)]
pub struct Derived {
    /// Viewers whose conversation is new or no longer what it was.
    pub changed: Vec<View>,
    /// Whether somebody's access opened or ended.
    pub access_changed: bool,
}

/// Adds state events to their sets and derives everything again that they touch.
/// `pruned` are those whose content a redaction has just taken. The caller holds
/// the rooms' locks.
///
/// # Errors
///
/// When a statement fails.
pub async fn apply(
    conn: &mut Connection,
    bridges: &Bridges,
    states: &[State],
    pruned: Vec<Touched>,
) -> QueryResult<Derived> {
    let mut touched = if states.is_empty() {
        Vec::new()
    } else {
        state::insert(conn, states).await?
    };
    touched.extend(pruned);
    if touched.is_empty() {
        return Ok(Derived::default());
    }
    let rooms = distinct(touched.iter().map(|t| t.room_id.clone()));
    let people: Vec<_> = touched
        .iter()
        .filter(|t| t.kind == "m.room.member")
        .map(|t| (t.room_id.clone(), t.state_key.clone()))
        .collect();
    let changed = if people.is_empty() {
        Vec::new()
    } else {
        state::derive_members(conn, &people).await?;
        sync_grants(conn, &rooms).await?
    };
    derive(conn, bridges, &rooms, &people, changed).await
}

/// Derives the conversations of these rooms again, after their grants may have changed.
///
/// # Errors
///
/// When a statement fails.
async fn derive(
    conn: &mut Connection,
    bridges: &Bridges,
    rooms: &[String],
    people: &[(String, String)],
    changed: Vec<grants::Changed>,
) -> QueryResult<Derived> {
    if !people.is_empty() {
        let people = with_external_ids(conn, bridges, rooms, people).await?;
        state::derive_participants(conn, &people).await?;
    }
    state::derive_memberships(conn, rooms).await?;
    state::derive_conversations(conn, rooms).await?;
    let conversations = conversations_of(conn, rooms).await?;
    let mut views = people_changed(conn, bridges, &conversations).await?;
    let access: Vec<_> = changed
        .iter()
        .map(|c| View {
            user_id: c.user_id.clone(),
            conversation_id: c.conversation_id,
        })
        .collect();
    viewers::recount(conn, &access).await?;
    views.extend(access);
    views.sort();
    views.dedup();
    Ok(Derived {
        changed: views,
        access_changed: !changed.is_empty(),
    })
}

/// Decides again who is nobody in these conversations, and what they are called.
/// Returns every viewer of them.
///
/// # Errors
///
/// When a statement fails.
pub(super) async fn people_changed(
    conn: &mut Connection,
    bridges: &Bridges,
    conversations: &[Uuid],
) -> QueryResult<Vec<View>> {
    let services: Vec<_> = bridges.services().map(str::to_owned).collect();
    state::derive_services(conn, conversations, &services).await?;
    viewers::derive_titles(conn, conversations).await
}

/// Opens and ends grants, and gives whoever gained one a row of their own.
async fn sync_grants(conn: &mut Connection, rooms: &[String]) -> QueryResult<Vec<grants::Changed>> {
    let changed = grants::sync(conn, rooms).await?;
    let opened: Vec<_> = changed
        .iter()
        .filter(|change| change.opened)
        .map(|c| View {
            user_id: c.user_id.clone(),
            conversation_id: c.conversation_id,
        })
        .collect();
    if !opened.is_empty() {
        viewers::ensure(conn, &opened).await?;
    }
    Ok(changed)
}

/// Maps rooms whose members are known: gives the portals among them that have a
/// linked member their conversation, and opens and ends grants. The caller holds
/// the rooms' locks.
///
/// # Errors
///
/// When a statement fails.
pub async fn map(
    conn: &mut Connection,
    bridges: &Bridges,
    rooms: &[String],
) -> QueryResult<Derived> {
    crate::db::rooms::ensure_conversations(conn, rooms, &bridges.networks()).await?;
    let changed = sync_grants(conn, rooms).await?;
    derive(conn, bridges, rooms, &[], changed).await
}

async fn with_external_ids(
    conn: &mut Connection,
    bridges: &Bridges,
    rooms: &[String],
    people: &[(String, String)],
) -> QueryResult<Vec<Person>> {
    let loaded = crate::db::rooms::load(conn, rooms).await?;
    let external_id = |room_id: &str, user_id: &str| {
        let mapped = loaded.get(room_id)?.mapped.as_ref()?;
        bridges.external_id(&mapped.bridge_id, user_id)
    };
    Ok(people
        .iter()
        .map(|(room_id, user_id)| Person {
            external_id: external_id(room_id, user_id),
            room_id: room_id.clone(),
            user_id: user_id.clone(),
        })
        .collect())
}

async fn conversations_of(conn: &mut Connection, rooms: &[String]) -> QueryResult<Vec<Uuid>> {
    let loaded = crate::db::rooms::load(conn, rooms).await?;
    let ids: BTreeSet<_> = loaded
        .values()
        .filter_map(|room| room.mapped.as_ref())
        .map(|mapped| mapped.conversation_id)
        .collect();
    Ok(ids.into_iter().collect())
}

fn distinct(ids: impl Iterator<Item = String>) -> Vec<String> {
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}
