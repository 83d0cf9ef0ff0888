//! Histories that the operator asks for, and calls off.

use std::fmt;

use diesel_async::AsyncConnection as _;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Error, Operator};
use crate::{
    db::{
        self, Connection,
        admin::{
            backfills,
            targets::{self, Of},
        },
        audit::{self, Entry},
        jobs::{self, NewJob, enqueue},
        rooms,
    },
    ingest,
    model::backfill::Backfill,
};

/// Which rooms are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Matrix room, also one that is filled only when the operator asks.
    Room(String),
    /// The rooms that the linked connections of a Matrix user see.
    MatrixUser(String),
    /// The rooms that a connection sees.
    Connection(Uuid),
    /// Every room that is ingested.
    All,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of which rooms.
    pub target: Target,
    /// How many days back; as configured unless given.
    pub days: Option<u32>,
    /// At most so many messages a room; as configured unless given.
    pub max_messages: Option<u32>,
}

impl Operator {
    /// Queues backfills, those of the rooms with the latest activity first. A room that
    /// has an active one answers that, widened.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a target that is not known, [`Error::Conflict`] for a
    /// room that is switched off.
    pub async fn backfill(&self, wanted: &Wanted, act: Entry<'_>) -> Result<Vec<Backfill>, Error> {
        let mut conn = self.ingest.db.get().await?;
        let jobs = conn
            .transaction::<_, Error, _>(async |conn| self.queue(conn, wanted, act).await)
            .await?;
        self.ingest.jobs.notify_one();
        Ok(jobs)
    }

    async fn queue(
        &self,
        conn: &mut Connection,
        wanted: &Wanted,
        act: Entry<'_>,
    ) -> Result<Vec<Backfill>, Error> {
        let room_ids = wanted.target.rooms(conn).await?;
        let days = wanted.days.unwrap_or(self.backfill.days);
        let max_messages = wanted.max_messages.unwrap_or(self.backfill.max_messages);
        let queued = db::backfills::enqueue(conn, &room_ids, &span(days, max_messages)).await?;
        if let Target::Room(room_id) = &wanted.target {
            // A walk goes on where the one before has ended; what is newer may lack something.
            enqueue(conn, &[job("reconcile", room_id)]).await?;
        }
        let target = wanted.target.to_string();
        let details = json!({
            "jobs": queued.len(), "new": queued.iter().filter(|job| job.created).count(),
            "days": days, "maxMessages": max_messages,
        });
        let entry = Entry {
            target: Some(&target),
            details,
            ..act
        };
        audit::insert(conn, &entry).await?;
        let ids: Vec<_> = queued.iter().map(|job| job.id).collect();
        Ok(backfills::of(conn, &ids).await?)
    }

    /// Calls a backfill off: it stops before it stores another page.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when there is no such backfill, [`Error::Conflict`] when it
    /// has ended.
    pub async fn cancel(&self, id: Uuid, act: Entry<'_>) -> Result<Backfill, Error> {
        let mut conn = self.ingest.db.get().await?;
        let (job, heads) = conn
            .transaction::<_, Error, _>(async |conn| {
                let job = backfills::get(conn, id).await?.ok_or(Error::NotFound)?;
                // A page locks its room, then its viewers' positions, then its job.
                rooms::lock(conn, std::slice::from_ref(&job.room_id)).await?;
                if !jobs::cancel(conn, id).await? {
                    return Err(Error::Conflict("the backfill has ended already"));
                }
                let details = json!({"roomId": job.room_id});
                audit::insert(conn, &Entry { details, ..act }).await?;
                let job = backfills::get(conn, id).await?.ok_or(Error::NotFound)?;
                let heads = ingest::tell_backfill(conn, &job.room_id).await?;
                Ok((job, heads))
            })
            .await?;
        self.ingest.feed.advance(&heads);
        Ok(job)
    }
}

/// How far back a walk goes, as its job's payload.
pub(super) fn span(days: u32, max_messages: u32) -> Map<String, Value> {
    let span = [("days", days), ("maxMessages", max_messages)];
    span.map(|(key, value)| (key.to_owned(), Value::from(value)))
        .into_iter()
        .collect()
}

impl Target {
    async fn rooms(&self, conn: &mut Connection) -> Result<Vec<String>, Error> {
        let of = match self {
            Self::Room(room_id) => {
                check_room(conn, room_id).await?;
                return Ok(vec![room_id.clone()]);
            }
            Self::MatrixUser(id) => Of {
                matrix_user_id: Some(id),
                ..Of::default()
            },
            Self::Connection(id) => Of {
                connection_id: Some(*id),
                ..Of::default()
            },
            Self::All => return Ok(targets::rooms(conn, Of::default()).await?),
        };
        if !targets::is_known(conn, of).await? {
            return Err(Error::NotFound);
        }
        Ok(targets::rooms(conn, of).await?)
    }
}

/// Under the room's lock, so that nobody switches it off meanwhile.
async fn check_room(conn: &mut Connection, room_id: &str) -> Result<(), Error> {
    let room_ids = [room_id.to_owned()];
    let known = rooms::lock_and_load(conn, &room_ids).await?;
    let room = known.get(room_id).filter(|room| room.mapped.is_some());
    match room {
        None => Err(Error::NotFound),
        Some(room) if !room.enabled => Err(Error::Conflict("the room is disabled")),
        Some(_) => Ok(()),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(id) | Self::MatrixUser(id) => f.write_str(id),
            Self::Connection(id) => id.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

/// A job that needs to know no more than what it is about.
pub(super) fn job(kind: &'static str, key: &str) -> NewJob {
    NewJob {
        kind,
        key: key.to_owned(),
        payload: Map::new(),
    }
}
