//! State events, and all that follows from them: members, participants, names,
//! grants, titles.

use std::collections::BTreeSet;

use diesel::QueryResult;
use uuid::Uuid;

use crate::{
    db::{
        Connection, conversations,
        former::{self, Moved},
        grants, kin, media,
        merge::{self, Merged},
        rooms::{self, Known},
        state::{self, Person, Touched},
        viewers::{self, View},
        walks,
    },
    matrix::bridges::Bridges,
    model::change::State,
};

/// What state events led to.
#[derive(Debug, Default)]
pub struct Derived {
    /// Viewers whose conversation has become part of another.
    pub removed: Vec<View>,
    /// Viewers whose conversation is new or no longer what it was.
    pub changed: Vec<View>,
    /// Whether somebody's access opened or ended.
    pub access_changed: bool,
    /// Rooms to which somebody gained access.
    pub opened: Vec<String>,
}

/// Adds state events to their sets and derives everything again that they touch.
/// `pruned` are those whose content a redaction has just taken. The caller holds
/// the rooms' locks, and has `known` them since.
///
/// # Errors
///
/// When a statement fails.
pub async fn apply(
    conn: &mut Connection,
    bridges: &Bridges,
    states: &[State],
    pruned: Vec<Touched>,
    known: &Known,
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
        let mut changed = grants::split(conn, &people).await?;
        changed.extend(sync_grants(conn, &rooms).await?);
        changed
    };
    let access_changed = !changed.is_empty();
    let opened = changed.iter().filter(|change| change.opened);
    let opened = distinct(opened.map(|change| change.room_id.clone()));
    let of = Places {
        rooms: &rooms,
        people: &people,
        known,
    };
    let views = derive(conn, bridges, &of, views(&changed)).await?;
    Ok(Derived {
        removed: Vec::new(),
        changed: views,
        access_changed,
        opened,
    })
}

/// Of what is derived again.
struct Places<'a> {
    rooms: &'a [String],
    /// Room and Matrix id.
    people: &'a [(String, String)],
    /// The rooms with their conversations.
    known: &'a Known,
}

/// Derives the conversations of these rooms again, and for these viewers what they
/// may see. Returns the viewers of what has changed, and those viewers.
///
/// # Errors
///
/// When a statement fails.
async fn derive(
    conn: &mut Connection,
    bridges: &Bridges,
    &Places {
        rooms,
        people,
        known,
    }: &Places<'_>,
    access: Vec<View>,
) -> QueryResult<Vec<View>> {
    let (mut changed, mut pictures) = (BTreeSet::new(), Vec::new());
    if !people.is_empty() {
        let people = with_external_ids(bridges, people, known);
        let derived = state::derive_participants(conn, &people).await?;
        changed.extend(derived.conversations);
        pictures.extend(derived.pictures);
    }
    changed.extend(state::derive_memberships(conn, rooms).await?);
    let derived = state::derive_conversations(conn, rooms).await?;
    changed.extend(derived.conversations);
    pictures.extend(derived.pictures);
    let conversations = conversations_of(rooms, known);
    let moved = Moved {
        people,
        views: &access,
    };
    let mut views = derive_people(conn, bridges, &conversations, changed, moved).await?;
    // Whoever has left just now is still shown what was replaced after it.
    media::forget_unused(conn, &pictures).await?;
    viewers::recount(conn, &access).await?;
    views.extend(access);
    views.sort();
    views.dedup();
    Ok(views)
}

fn views(changed: &[grants::Changed]) -> Vec<View> {
    let view = |change: &grants::Changed| View {
        user_id: change.user_id.clone(),
        conversation_id: change.conversation_id,
    };
    changed.iter().map(view).collect()
}

/// Decides again who is nobody in these conversations, what they are called, and what they
/// were to whoever has left. Returns the viewers of those that have `changed`, by this or before.
///
/// # Errors
///
/// When a statement fails.
pub(super) async fn derive_people(
    conn: &mut Connection,
    bridges: &Bridges,
    conversations: &[Uuid],
    mut changed: BTreeSet<Uuid>,
    moved: Moved<'_>,
) -> QueryResult<Vec<View>> {
    let services: Vec<_> = bridges.services().map(str::to_owned).collect();
    changed.extend(state::derive_services(conn, conversations, &services).await?);
    former::derive(conn, conversations, moved).await?;
    let (turned, renamed) = viewers::derive_titles(conn, conversations).await?;
    changed.extend(turned);
    let renamed: BTreeSet<_> = renamed.into_iter().collect();
    let concerned: Vec<_> = renamed
        .iter()
        .map(|view| view.conversation_id)
        .chain(changed.iter().copied())
        .collect();
    let present = viewers::of(conn, &concerned).await?;
    let is_told = |view: &View| changed.contains(&view.conversation_id) || renamed.contains(view);
    Ok(present.into_iter().filter(is_told).collect())
}

/// Opens and ends grants, and gives whoever gained one a row of their own.
async fn sync_grants(conn: &mut Connection, rooms: &[String]) -> QueryResult<Vec<grants::Changed>> {
    let changed = grants::sync(conn, rooms).await?;
    let opened: Vec<_> = changed
        .iter()
        .filter(|change| change.opened)
        .cloned()
        .collect();
    if !opened.is_empty() {
        viewers::ensure(conn, &views(&opened)).await?;
        // What they may see and nobody else could was not kept.
        let rooms: Vec<_> = opened.into_iter().map(|change| change.room_id).collect();
        walks::forget(conn, &rooms).await?;
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
    let led = conversations::ensure(conn, rooms, &bridges.networks()).await?;
    settle(conn, bridges, rooms, led, Derived::default()).await
}

/// Maps a room as [`map`] does, after making one of all conversations that it shows
/// to be one. The caller holds the locks of everything that `db::kin::to_lock` names.
///
/// # Errors
///
/// When a statement fails.
pub async fn map_and_merge(
    conn: &mut Connection,
    bridges: &Bridges,
    room_id: &str,
) -> QueryResult<Derived> {
    let rooms = [room_id.to_owned()];
    let found = kin::conversations(conn, room_id).await?;
    let [stays, gone @ ..] = found.as_slice() else {
        return map(conn, bridges, &rooms).await;
    };
    if gone.is_empty() {
        return map(conn, bridges, &rooms).await;
    }
    let Merged { removed, pictures } = merge::merge(conn, *stays, gone).await?;
    conversations::ensure(conn, &rooms, &bridges.networks()).await?;
    let leading = conversations::leading(conn, *stays).await?;
    let merged = Derived {
        removed,
        changed: merge::viewers_of(conn, &[*stays]).await?,
        access_changed: true,
        opened: Vec::new(),
    };
    let derived = settle(conn, bridges, &rooms, leading, merged).await?;
    media::forget_unused(conn, &pictures).await?;
    Ok(derived)
}

/// Brings grants to what members say, and derives the conversations of these rooms
/// again. Those in `led` lead theirs for the first time, so they say who everybody is.
async fn settle(
    conn: &mut Connection,
    bridges: &Bridges,
    rooms: &[String],
    led: Vec<String>,
    before: Derived,
) -> QueryResult<Derived> {
    let changed = sync_grants(conn, rooms).await?;
    let people = if led.is_empty() {
        Vec::new()
    } else {
        state::people(conn, &led).await?
    };
    let access_changed = before.access_changed || !changed.is_empty();
    let mut access = before.changed;
    access.extend(views(&changed));
    let all = distinct(rooms.iter().cloned().chain(led.iter().cloned()));
    let known = rooms::load(conn, &all).await?;
    // Another room leads: that is shown.
    let moved = conversations_of(&led, &known);
    access.extend(viewers::of(conn, &moved).await?);
    let of = Places {
        rooms: &all,
        people: &people,
        known: &known,
    };
    Ok(Derived {
        removed: before.removed,
        changed: derive(conn, bridges, &of, access).await?,
        access_changed,
        opened: Vec::new(),
    })
}

fn with_external_ids(bridges: &Bridges, people: &[(String, String)], known: &Known) -> Vec<Person> {
    let external_id = |room_id: &str, user_id: &str| {
        let mapped = known.get(room_id)?.mapped.as_ref()?;
        bridges.external_id(&mapped.bridge_id, user_id)
    };
    let person = |(room_id, user_id): &(String, String)| Person {
        external_id: external_id(room_id, user_id),
        room_id: room_id.clone(),
        user_id: user_id.clone(),
    };
    people.iter().map(person).collect()
}

fn conversations_of(rooms: &[String], known: &Known) -> Vec<Uuid> {
    let mapped = rooms.iter().filter_map(|id| known.get(id)?.mapped.as_ref());
    let ids: BTreeSet<_> = mapped.map(|mapped| mapped.conversation_id).collect();
    ids.into_iter().collect()
}

fn distinct(ids: impl Iterator<Item = String>) -> Vec<String> {
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}
