//! Resolves a room: is it a portal, of which conversation, for whom?
//!
//! Ingest only records that a room exists and queues this. What went by
//! meanwhile is fetched by the walk over `/messages` that follows the mapping, so
//! nothing is missed and no content of a room without a customer is kept.
//!
//! It runs again when the state that decides has changed. A bridge gives a portal
//! another identity in two ways (bridgev2, `ReIDPortal`): it writes another
//! `m.bridge` into the same room, or, when there is a room of that identity already,
//! a tombstone into this one that names it, and then its ghosts and its bot leave. So
//! what is in the database of a tombstone counts as well as what `/state` says.

mod room_state;

use diesel_async::AsyncConnection as _;
use serde_json::Map;

use self::room_state::{Found, RoomState, room_id as valid};
use super::{
    Handler, Lease, Outcome,
    backfill::Span,
    eyes::Eyes,
    reconcile::{self, Reconcile},
    retry,
};
use crate::{
    config,
    db::{
        self, Connection, backfills, connection_rooms, grants,
        jobs::{Job, NewJob, enqueue},
        kin::{self, Ties},
        members, rooms,
        state::{self, Touched},
        stream,
        viewers::View,
        walks,
    },
    ingest::{self, Derived, Ingest},
    matrix::client::{ClientError, Homeserver},
    model::frame::{Frame, FrameKind},
};

/// The job `discover`; its key is the room id.
pub struct Discover {
    /// What stores.
    pub ingest: Ingest,
    /// What is asked.
    pub homeserver: Homeserver,
    /// How much history a new room gets.
    pub backfill: config::Backfill,
}

/// How often `/state` is asked for in one run, while what was seen keeps changing.
const TRIES: u8 = 5;

/// What was known of a room before its `/state` was asked for.
struct Known {
    /// How many member events.
    member_events: i64,
    /// The room that replaces it, as the bridge's bot was heard to say.
    replaced_by: Option<String>,
}

/// A room as it was seen.
struct Look<'a> {
    room_id: &'a str,
    /// None when nobody of ours is in the room.
    state: Option<&'a RoomState>,
    found: Option<Found<'a>>,
    known: Known,
}

impl Handler for Discover {
    const KIND: &'static str = "discover";

    async fn run(&self, job: &Job, _lease: &Lease) -> Outcome {
        for _ in 0..TRIES {
            match self.look(&job.key).await {
                Ok(Some(kind)) => {
                    return Outcome::Done {
                        reason: kind.to_owned(),
                    };
                }
                Ok(None) => {}
                Err(outcome) => return outcome,
            }
        }
        Outcome::Retry {
            error: "the room changed all the time".to_owned(),
            after: None,
        }
    }
}

fn again(error: &db::Error) -> Outcome {
    Outcome::Retry {
        error: error.to_string(),
        after: None,
    }
}

impl Discover {
    /// One look at the room; none when what was seen is no longer true.
    async fn look(&self, room_id: &str) -> Result<Option<&'static str>, Outcome> {
        let known = self.known(room_id).await.map_err(|e| again(&e))?;
        let state = self.state(room_id).await.map_err(|error| retry(&error))?;
        let look = Look {
            room_id,
            found: state
                .as_ref()
                .and_then(|state| state.portal(&self.ingest.bridges)),
            state: state.as_ref(),
            known,
        };
        self.settle(&look).await.map_err(|error| again(&error))
    }

    async fn known(&self, room_id: &str) -> Result<Known, db::Error> {
        let mut conn = self.ingest.db.get().await?;
        let tombstones = kin::tombstones(&mut conn, room_id).await?;
        let by_bot = tombstones.into_iter().find(|tombstone| {
            let bridge = self.ingest.bridges.of_bot(&tombstone.sender);
            bridge.is_some_and(|bridge| bridge.id == tombstone.bridge_id)
                && valid(&tombstone.replacement_room).is_some()
        });
        Ok(Known {
            member_events: members::events(&mut conn, room_id).await?,
            replaced_by: by_bot.map(|tombstone| tombstone.replacement_room),
        })
    }

    async fn state(&self, room_id: &str) -> Result<Option<RoomState>, ClientError> {
        let mut eyes = Eyes::new(&self.homeserver, &self.ingest.bridges, room_id);
        let read =
            eyes.read(|eyes| async move { self.homeserver.state(room_id, Some(&eyes)).await });
        let Some(raw) = read.await? else {
            return Ok(None);
        };
        let mut batch = ingest::Batch::default();
        let now = self.ingest.clock.now();
        for event in &raw {
            batch.decode(event, Some(room_id), now);
        }
        Ok(Some(RoomState::new(batch)))
    }

    /// Writes down what the room is, and maps it if a linked customer is in it.
    /// A leave that was pushed while `/state` was on its way must not be undone by
    /// it: unless there still are as many member events, nothing is written. Nor if
    /// meanwhile it became one conversation with rooms that are not locked: locks
    /// are taken in one order, so these must be there from the start.
    async fn settle(&self, look: &Look<'_>) -> Result<Option<&'static str>, db::Error> {
        let mut conn = self.ingest.db.get().await?;
        let heads = conn
            .transaction(async |conn| {
                let names = kin::to_lock(conn, look.ties()).await?;
                let before = rooms::lock_and_load(conn, &names).await?;
                let is_true = members::events(conn, look.room_id).await?
                    == look.known.member_events
                    && kin::to_lock(conn, look.ties())
                        .await?
                        .iter()
                        .all(|name| names.binary_search(name).is_ok());
                if !is_true {
                    return Ok(None);
                }
                let was_ingested = before
                    .get(look.room_id)
                    .is_some_and(rooms::Room::is_ingested);
                let derived = self.map(conn, look, was_ingested).await?;
                stream::append(conn, &frames(derived)).await.map(Some)
            })
            .await
            .map_err(|error: diesel::result::Error| db::Error::from(error))?;
        let Some(heads) = heads else {
            return Ok(None);
        };
        self.ingest.feed.advance(&heads);
        self.ingest.jobs.notify_one();
        Ok(Some(if look.found.is_some() {
            "portal"
        } else {
            "other"
        }))
    }

    async fn map(
        &self,
        conn: &mut Connection,
        look: &Look<'_>,
        was_ingested: bool,
    ) -> db::Result<Derived> {
        let room_ids = [look.room_id.to_owned()];
        look.resolve(conn).await?;
        look_around(conn, look).await?;
        let members = members_who_see(conn, look).await?;
        let mut derived = ingest::map_and_merge(conn, &self.ingest.bridges, look.room_id).await?;
        let after = rooms::load(conn, &room_ids).await?;
        let is_ingested = after
            .get(look.room_id)
            .is_some_and(rooms::Room::is_ingested);
        if let Some(state) = look.state.filter(|_| is_ingested) {
            let states = state.kept();
            let applied =
                ingest::apply_states(conn, &self.ingest.bridges, &states, members, &after).await?;
            derived.changed.extend(applied.changed);
            // Whoever has gained access since it was walked has more to see than was kept.
            if !was_ingested || walks::get(conn, look.room_id).await?.is_none() {
                self.queue_history(conn, look.room_id, state.created_ts())
                    .await?;
            }
        }
        Ok(derived)
    }

    /// Queues what brings in the history of a room that is new to somebody, unless the
    /// operator fills it by hand.
    async fn queue_history(
        &self,
        conn: &mut Connection,
        room_id: &str,
        created_ts: Option<i64>,
    ) -> db::Result<()> {
        let wanted = connection_rooms::to_fill(conn, &[room_id.to_owned()]).await?;
        let linked = connection_rooms::seen_by_links_since(conn, room_id).await?;
        // A room that is younger than the link has nothing from before it.
        let is_older = linked
            .zip(created_ts)
            .is_none_or(|(link, room)| room < link.timestamp_millis());
        if !self.backfill.on_connect && is_older {
            let job = |key| NewJob {
                kind: Reconcile::KIND,
                key,
                payload: reconcile::since_link(),
            };
            let jobs: Vec<_> = wanted.into_iter().map(job).collect();
            enqueue(conn, &jobs).await?;
            return Ok(());
        }
        let span = Span {
            days: self.backfill.days,
            max_messages: self.backfill.max_messages,
        };
        backfills::enqueue(conn, &wanted, &span.payload()).await?;
        Ok(())
    }
}

impl Look<'_> {
    fn ties(&self) -> Ties<'_> {
        Ties {
            room_id: self.room_id,
            portal: self.found.as_ref().map(|f| (f.bridge_id, &f.portal)),
            replaced_by: self.replaced_by(),
        }
    }

    fn replaced_by(&self) -> Option<&str> {
        let heard = self.known.replaced_by.as_deref();
        let seen = match (self.state, &self.found) {
            (Some(state), Some(found)) => state.replacement(found.bot),
            _ => None,
        };
        seen.or(heard).filter(|id| *id != self.room_id)
    }

    async fn resolve(&self, conn: &mut Connection) -> db::Result<()> {
        let resolution = self
            .found
            .as_ref()
            .map_or(rooms::Resolution::Other, |found| {
                rooms::Resolution::Portal {
                    bridge_id: found.bridge_id,
                    portal: &found.portal,
                    created_ts: self.state.and_then(RoomState::created_ts),
                }
            });
        // The bridge has left its portal: what it was stays known.
        if self.state.is_some() || !rooms::is_portal(conn, self.room_id).await? {
            rooms::resolve(conn, self.room_id, &resolution).await?;
        }
        if let Some(replaced_by) = self.replaced_by() {
            kin::replace(conn, self.room_id, replaced_by).await?;
        }
        // Of a room that is no portal not even the members are anybody's business.
        let members = match (self.state, &self.found) {
            (Some(state), Some(_)) => state.members(),
            _ => Vec::new(),
        };
        members::replace(conn, self.room_id, &members).await
    }
}

/// Queues the resolution of the rooms at the ends of a tombstone that nobody has
/// looked at yet. That a room names a predecessor proves nothing: only what is
/// found there does.
async fn look_around(conn: &mut Connection, look: &Look<'_>) -> db::Result<()> {
    let predecessor = look
        .found
        .as_ref()
        .and_then(|_| look.state?.predecessor())
        .filter(|id| *id != look.room_id);
    let ends: Vec<_> = [look.replaced_by(), predecessor]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    if ends.is_empty() {
        return Ok(());
    }
    let unknown = rooms::to_discover(conn, &ends).await?;
    rooms::note(conn, &unknown).await?;
    let job = |key: String| NewJob {
        kind: Discover::KIND,
        key,
        payload: Map::new(),
    };
    let jobs: Vec<_> = unknown.into_iter().map(job).collect();
    enqueue(conn, &jobs).await?;
    Ok(())
}

/// Keeps the member events of those who see the room, before their access is decided: it
/// ends when they left, and not when that was seen.
async fn members_who_see(conn: &mut Connection, look: &Look<'_>) -> db::Result<Vec<Touched>> {
    let Some(state) = look.state else {
        return Ok(Vec::new());
    };
    let holders = grants::holders(conn, look.room_id).await?;
    let mut states = state.kept();
    states.retain(|s| s.kind == "m.room.member" && holders.contains(&s.state_key));
    if states.is_empty() {
        return Ok(Vec::new());
    }
    state::insert(conn, &states).await
}

/// A conversation that has become part of another goes before that one is shown.
fn frames(mut derived: Derived) -> Vec<Frame> {
    derived.changed.sort();
    derived.changed.dedup();
    let frame = |kind: fn(uuid::Uuid) -> FrameKind| {
        move |view: View| Frame {
            user_id: view.user_id,
            kind: kind(view.conversation_id),
        }
    };
    let removed = frame(|conversation_id| FrameKind::ConversationRemoved { conversation_id });
    let updated = frame(|conversation_id| FrameKind::ConversationUpdated { conversation_id });
    let removed = derived.removed.into_iter().map(removed);
    removed
        .chain(derived.changed.into_iter().map(updated))
        .collect()
}
