//! Resolves a room: is it a portal, of which conversation, for whom?
//!
//! Ingest only records that a room exists and queues this. What went by
//! meanwhile is fetched by the walk over `/messages` that follows the mapping, so
//! nothing is missed and no content of a room without a customer is kept.

use diesel_async::AsyncConnection as _;

use super::{
    Handler, Lease, Outcome,
    backfill::{self, Span},
    eyes, retry,
};
use crate::{
    config,
    db::{
        self, Connection,
        jobs::{Job, NewJob, enqueue},
        members, rooms, stream,
    },
    fold,
    ingest::{self, Ingest},
    matrix::client::{ClientError, Homeserver},
    model::{
        change::{Change, State},
        frame::{Frame, FrameKind},
        incoming::IncomingEvent,
        portal::Portal,
    },
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

/// How often `/state` is asked for in one run, while members come and go.
const TRIES: u8 = 5;

/// What `/state` says of a room.
#[derive(Debug, Default)]
struct RoomState {
    events: Vec<IncomingEvent>,
}

/// A portal as its state shows it.
struct Found<'a> {
    bridge_id: &'a str,
    portal: Portal,
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
            error: "members came and went all the time".to_owned(),
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
        let known = self.member_events(room_id).await.map_err(|e| again(&e))?;
        let state = self.state(room_id).await.map_err(|error| retry(&error))?;
        let settled = self.settle(room_id, state.unwrap_or_default(), known).await;
        settled.map_err(|error| again(&error))
    }

    async fn member_events(&self, room_id: &str) -> Result<i64, db::Error> {
        let mut conn = self.ingest.db.get().await?;
        Ok(members::events(&mut conn, room_id).await?)
    }

    async fn state(&self, room_id: &str) -> Result<Option<RoomState>, ClientError> {
        let read = eyes::read(
            &self.homeserver,
            &self.ingest.bridges,
            room_id,
            |eyes| async move { self.homeserver.state(room_id, Some(&eyes)).await },
        );
        let Some(raw) = read.await? else {
            return Ok(None);
        };
        let mut batch = ingest::Batch::default();
        let now = self.ingest.clock.now();
        for event in &raw {
            // What cannot be decoded decides nothing, and may not be kept either:
            // whether the room is mapped is not known yet.
            batch.decode(event, Some(room_id), now);
        }
        Ok(Some(RoomState {
            events: batch.events,
        }))
    }

    /// Writes down what the room is, and maps it if a linked customer is in it.
    /// A leave that was pushed while `/state` was on its way must not be undone by
    /// it: unless there still are `known` member events, nothing is written.
    async fn settle(
        &self,
        room_id: &str,
        state: RoomState,
        known: i64,
    ) -> Result<Option<&'static str>, db::Error> {
        let found = self.portal(&state);
        let kind = if found.is_some() { "portal" } else { "other" };
        let mut conn = self.ingest.db.get().await?;
        let heads = conn
            .transaction(async |conn| {
                let room_ids = [room_id.to_owned()];
                let before = rooms::lock_and_load(conn, &room_ids).await?;
                if members::events(conn, room_id).await? != known {
                    return Ok(None);
                }
                let was_ingested = before.get(room_id).is_some_and(rooms::Room::is_ingested);
                self.resolve(conn, room_id, found.as_ref(), &state).await?;
                let mut derived = ingest::map_rooms(conn, &self.ingest.bridges, &room_ids).await?;
                let after = rooms::load(conn, &room_ids).await?;
                if after.get(room_id).is_some_and(rooms::Room::is_ingested) {
                    let states = kept(&state.events);
                    let applied =
                        ingest::apply_states(conn, &self.ingest.bridges, &states, Vec::new())
                            .await?;
                    derived.changed.extend(applied.changed);
                    if !was_ingested {
                        self.queue_backfill(conn, room_id).await?;
                    }
                }
                derived.changed.sort();
                derived.changed.dedup();
                let updated = |view: db::viewers::View| Frame {
                    user_id: view.user_id,
                    kind: FrameKind::ConversationUpdated {
                        conversation_id: view.conversation_id,
                    },
                };
                let frames: Vec<_> = derived.changed.into_iter().map(updated).collect();
                stream::append(conn, &frames).await.map(Some)
            })
            .await
            .map_err(|error: diesel::result::Error| db::Error::from(error))?;
        let Some(heads) = heads else {
            return Ok(None);
        };
        self.ingest.feed.advance(&heads);
        self.ingest.jobs.notify_one();
        Ok(Some(kind))
    }

    async fn resolve(
        &self,
        conn: &mut Connection,
        room_id: &str,
        found: Option<&Found<'_>>,
        state: &RoomState,
    ) -> db::Result<()> {
        let resolution = found.map_or(rooms::Resolution::Other, |found| {
            rooms::Resolution::Portal {
                bridge_id: found.bridge_id,
                portal: &found.portal,
                created_ts: state
                    .first("m.room.create")
                    .map(|event| event.origin_server_ts),
            }
        });
        rooms::resolve(conn, room_id, &resolution).await?;
        // Of a room that is no portal not even the members are anybody's business.
        let members = if found.is_some() {
            state.members()
        } else {
            Vec::new()
        };
        members::replace(conn, room_id, &members).await
    }

    async fn queue_backfill(&self, conn: &mut Connection, room_id: &str) -> db::Result<()> {
        let span = Span {
            days: self.backfill.days,
            max_messages: self.backfill.max_messages,
        };
        let job = NewJob {
            kind: backfill::Backfill::KIND,
            key: room_id.to_owned(),
            payload: span.payload(),
        };
        enqueue(conn, &[job]).await?;
        Ok(())
    }

    /// The bridge information by a bridge's own bot; what anybody else wrote there
    /// is nothing. A space is no conversation.
    fn portal(&self, state: &RoomState) -> Option<Found<'_>> {
        let is_space = state
            .first("m.room.create")
            .is_some_and(|create| create.content.get("type").is_some_and(|t| t == "m.space"));
        if is_space {
            return None;
        }
        let mut infos: Vec<_> = state
            .events
            .iter()
            .filter(|event| matches!(event.kind.as_str(), "m.bridge" | "uk.half-shot.bridge"))
            .filter_map(|event| {
                let bridge = self.ingest.bridges.of_bot(&event.sender)?;
                let portal = Portal::from_content(&event.content)?;
                let rank = (event.origin_server_ts, event.kind == "m.bridge");
                Some((
                    rank,
                    Found {
                        bridge_id: &bridge.id,
                        portal,
                    },
                ))
            })
            .collect();
        infos.sort_by_key(|(rank, _)| *rank);
        infos.pop().map(|(_, found)| found)
    }
}

impl RoomState {
    fn first(&self, kind: &str) -> Option<&IncomingEvent> {
        self.events
            .iter()
            .find(|event| event.kind == kind && event.state_key.is_some())
    }

    fn members(&self) -> Vec<(String, String)> {
        let member = |event: &IncomingEvent| {
            let membership = event.content.get("membership")?.as_str()?;
            (event.kind == "m.room.member")
                .then(|| Some((event.state_key.clone()?, membership.to_owned())))?
        };
        self.events.iter().filter_map(member).collect()
    }
}

fn kept(events: &[IncomingEvent]) -> Vec<State> {
    events
        .iter()
        // A state event that cannot be folded decides nothing.
        .flat_map(|event| fold::fold(event).unwrap_or_default())
        .filter_map(|change| match change {
            Change::State(state) => Some(state),
            _ => None,
        })
        .collect()
}
