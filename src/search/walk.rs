//! The newest messages of a viewer, read as they are, backwards from a place.
//!
//! There is no index over all conversations of a viewer by time. A stretch of time is read
//! of each conversation, and how long the next stretch is follows from what was in the last.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::db::{
    self, Connection,
    read::search::{self, Candidate, Place, Scope},
};

/// The first stretch.
const FIRST: TimeDelta = TimeDelta::days(1);
/// How much longer than the last one a stretch is at most.
const WIDEN: i32 = 16;
/// Stretches of one step: a customer who wrote once a year must not cost a look for each day.
const MOST_STRETCHES: usize = 8;

/// A walk backwards.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    scope: Scope<'a>,
    /// What was read is behind it; none once there is nothing left.
    pub(super) at: Option<Place>,
    stretch: TimeDelta,
}

impl<'a> Walk<'a> {
    /// From a place; none is the newest message.
    pub(super) async fn from(
        conn: &mut Connection,
        scope: Scope<'a>,
        before: Option<Place>,
    ) -> db::Result<Self> {
        let newest = search::newest(conn, scope).await?.map(just_behind);
        Ok(Self {
            scope,
            at: before.or(newest),
            // One conversation has its own index.
            stretch: if scope.conversation_id.is_some() {
                TimeDelta::MAX
            } else {
                FIRST
            },
        })
    }

    /// The next messages, about `most` of them.
    pub(super) async fn step(
        &mut self,
        conn: &mut Connection,
        most: usize,
        most_characters: i32,
    ) -> db::Result<Vec<Candidate>> {
        let mut read = Vec::with_capacity(most);
        for _ in 0..MOST_STRETCHES {
            let Some(before) = self.at else { break };
            let wanted = most.saturating_sub(read.len());
            if wanted == 0 {
                break;
            }
            let from = before.at.checked_sub_signed(self.stretch);
            let from = from.filter(|from| *from > DateTime::UNIX_EPOCH);
            let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
            let found = search::window(
                conn,
                self.scope,
                (from.unwrap_or(DateTime::UNIX_EPOCH), before),
                (limit, most_characters),
            );
            let found = found.await?;
            self.at = match found.last() {
                Some(last) if found.len() >= wanted => Some(last.place()),
                _ => from.map(|at| Place {
                    at,
                    id: Uuid::nil(),
                }),
            };
            if found.len() < wanted {
                self.widen(wanted, found.len());
            }
            read.extend(found);
        }
        Ok(read)
    }

    /// As long as it takes for what is wanted, if the messages before are as many.
    fn widen(&mut self, wanted: usize, found: usize) {
        let times = wanted
            .saturating_sub(found)
            .checked_div(found)
            .unwrap_or(usize::MAX);
        let times = i32::try_from(times).unwrap_or(WIDEN).clamp(1, WIDEN);
        self.stretch = self
            .stretch
            .checked_mul(times + 1)
            .unwrap_or(TimeDelta::MAX);
    }
}

/// Before any message that is later.
fn just_behind(at: DateTime<Utc>) -> Place {
    Place {
        at,
        id: Uuid::max(),
    }
}
