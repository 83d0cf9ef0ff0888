//! From a Matrix user to what they see: grants, and the work that fills them.

use std::collections::BTreeSet;

use diesel::QueryResult;
use serde_json::{Map, json};

use super::{Accounts, effects::Effects};
use crate::{
    db::{Connection, connection_rooms, jobs::NewJob, rooms, viewers},
    ingest,
};

impl Accounts {
    /// Locks the portals of a connection's Matrix user. A room that gains the
    /// member meanwhile is found by the jobs.
    pub(super) async fn lock_portals(
        &self,
        conn: &mut Connection,
        bridge_id: &str,
        matrix_user_id: &str,
    ) -> QueryResult<Vec<String>> {
        let portals = rooms::portals_of(conn, bridge_id, matrix_user_id).await?;
        rooms::lock(conn, &portals).await?;
        Ok(portals)
    }

    /// Gives a newly linked connection its conversations, and queues what finds and
    /// fills the rest. The caller holds the locks of `portals`.
    pub(super) async fn open(
        &self,
        conn: &mut Connection,
        (user_id, bridge_id): (&str, &str),
        portals: &[String],
        effects: &mut Effects,
    ) -> QueryResult<()> {
        let derived = ingest::map_rooms(conn, &self.ingest.bridges, portals).await?;
        effects.conversations_changed(derived.changed);
        effects.queue(
            user_id,
            portals.iter().map(|room_id| job("discover", room_id)),
        );
        effects.queue(user_id, [job("discover_bridge", bridge_id)]);
        if self.backfill.on_connect {
            let wanted = connection_rooms::to_fill(conn, portals).await?;
            effects.queue(
                user_id,
                wanted.iter().map(|room_id| self.backfill_job(room_id)),
            );
        }
        Ok(())
    }

    /// Derives a linked connection's conversations again, after its own ghost
    /// became known: titles and unread counts leave out what is one's own. The
    /// caller holds the locks of `portals`.
    pub(super) async fn reopen(
        &self,
        conn: &mut Connection,
        user_id: &str,
        portals: &[String],
        effects: &mut Effects,
    ) -> QueryResult<()> {
        let derived = ingest::map_rooms(conn, &self.ingest.bridges, portals).await?;
        let rooms = rooms::load(conn, portals).await?;
        let mapped = rooms.values().filter_map(|room| room.mapped.as_ref());
        let conversations: Vec<_> = mapped.map(|mapped| mapped.conversation_id).collect();
        let mut own = viewers::of(conn, &conversations).await?;
        own.retain(|view| view.user_id == user_id);
        viewers::recount(conn, &own).await?;
        // Whoever is oneself there is another one, also where nothing else has changed.
        let mut changed: BTreeSet<_> = derived.changed.into_iter().collect();
        changed.extend(own);
        effects.conversations_changed(changed.into_iter().collect());
        Ok(())
    }

    fn backfill_job(&self, room_id: &str) -> NewJob {
        let payload = [
            ("days", json!(self.backfill.days)),
            ("maxMessages", json!(self.backfill.max_messages)),
        ];
        NewJob {
            payload: payload
                .map(|(key, value)| (key.to_owned(), value))
                .into_iter()
                .collect(),
            ..job("backfill", room_id)
        }
    }
}

pub(super) fn job(kind: &'static str, key: &str) -> NewJob {
    NewJob {
        kind,
        key: key.to_owned(),
        payload: Map::new(),
    }
}
