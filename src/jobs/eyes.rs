//! Whose eyes to read a room with: the bridge's bot, or any ghost that is in it.
//! Tributary itself never joins (bridges kick strangers).

use ruma::api::Direction;

use crate::matrix::{
    bridges::Bridges,
    client::{ClientError, Homeserver, MessagesPage, MessagesQuery},
};

/// How many ghosts are tried.
const GHOSTS: usize = 3;

/// The eyes on one room: whoever saw something last is asked first.
pub(super) struct Eyes<'a> {
    homeserver: &'a Homeserver,
    bridges: &'a Bridges,
    room_id: &'a str,
    last: Option<String>,
}

impl<'a> Eyes<'a> {
    pub(super) fn new(homeserver: &'a Homeserver, bridges: &'a Bridges, room_id: &'a str) -> Self {
        Self {
            homeserver,
            bridges,
            room_id,
            last: None,
        }
    }

    /// A page of the room's history, backwards from a token, or from the newest event;
    /// none when nobody of ours is in the room.
    pub(super) async fn page(
        &mut self,
        from: Option<&str>,
        limit: u32,
    ) -> Result<Option<MessagesPage>, ClientError> {
        self.turn(Direction::Backward, from, limit).await
    }

    /// The same, forwards from a token.
    pub(super) async fn page_after(
        &mut self,
        from: &str,
        limit: u32,
    ) -> Result<Option<MessagesPage>, ClientError> {
        self.turn(Direction::Forward, Some(from), limit).await
    }

    async fn turn(
        &mut self,
        dir: Direction,
        from: Option<&str>,
        limit: u32,
    ) -> Result<Option<MessagesPage>, ClientError> {
        let (homeserver, room_id) = (self.homeserver, self.room_id);
        self.read(|eyes| async move {
            let query = MessagesQuery {
                room: room_id,
                as_user: Some(&eyes),
                dir,
                from,
                to: None,
                limit,
                lazy_load: true,
            };
            homeserver.messages(&query).await
        })
        .await
    }

    /// Reads with the eyes that saw last, with the bots', then with ghosts'; none when
    /// nobody of ours is in the room.
    pub(super) async fn read<T, F: Future<Output = Result<T, ClientError>>>(
        &mut self,
        call: impl Fn(String) -> F,
    ) -> Result<Option<T>, ClientError> {
        let bots = self.bridges.iter().map(|bridge| bridge.bot.clone());
        let mut eyes: Vec<_> = self.last.take().into_iter().chain(bots).collect();
        eyes.dedup();
        for eyes in eyes {
            if let Some(seen) = self.look(eyes, &call).await? {
                return Ok(Some(seen));
            }
        }
        for ghost in self.ghosts().await? {
            if let Some(seen) = self.look(ghost, &call).await? {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    async fn look<T, F: Future<Output = Result<T, ClientError>>>(
        &mut self,
        eyes: String,
        call: impl Fn(String) -> F,
    ) -> Result<Option<T>, ClientError> {
        match call(eyes.clone()).await {
            Ok(seen) => {
                self.last = Some(eyes);
                Ok(Some(seen))
            }
            Err(ClientError::Forbidden | ClientError::NotFound) => Ok(None),
            Err(error) => {
                // It is still their turn: nothing says that they are not in the room.
                self.last = Some(eyes);
                Err(error)
            }
        }
    }

    /// Ghosts that are in the room: `/joined_members` needs no membership of the asker.
    async fn ghosts(&self) -> Result<Vec<String>, ClientError> {
        let members = match self.homeserver.joined_members(self.room_id, None).await {
            Ok(members) => members,
            Err(ClientError::Forbidden | ClientError::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let is_ghost = |id: &str| {
            self.bridges
                .iter()
                .any(|bridge| bridge.external_id(id).is_some())
        };
        Ok(members
            .into_iter()
            .map(|id| id.to_string())
            .filter(|id| is_ghost(id))
            .take(GHOSTS)
            .collect())
    }
}
