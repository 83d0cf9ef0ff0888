//! Whose eyes to read a room with: the bridge's bot, or any ghost that is in it.
//! Tributary itself never joins (bridges kick strangers).

use ruma::api::Direction;

use crate::matrix::{
    bridges::Bridges,
    client::{ClientError, Homeserver, MessagesPage, MessagesQuery},
};

/// Ghosts that are in a room: `/joined_members` needs no membership of the asker.
async fn ghosts(
    homeserver: &Homeserver,
    bridges: &Bridges,
    room_id: &str,
) -> Result<Vec<String>, ClientError> {
    let members = match homeserver.joined_members(room_id, None).await {
        Ok(members) => members,
        Err(ClientError::Forbidden | ClientError::NotFound) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let is_ghost = |id: &str| {
        bridges
            .iter()
            .any(|bridge| bridge.external_id(id).is_some())
    };
    Ok(members
        .into_iter()
        .map(|id| id.to_string())
        .filter(|id| is_ghost(id))
        .take(3)
        .collect())
}

/// Reads with the bots' eyes, then with ghosts'; none when nobody of ours is in
/// the room.
pub(super) async fn read<T, F: Future<Output = Result<T, ClientError>>>(
    homeserver: &Homeserver,
    bridges: &Bridges,
    room_id: &str,
    call: impl Fn(String) -> F,
) -> Result<Option<T>, ClientError> {
    for bridge in bridges {
        match call(bridge.bot.clone()).await {
            Err(ClientError::Forbidden | ClientError::NotFound) => {}
            answer => return answer.map(Some),
        }
    }
    for ghost in ghosts(homeserver, bridges, room_id).await? {
        match call(ghost).await {
            Err(ClientError::Forbidden | ClientError::NotFound) => {}
            answer => return answer.map(Some),
        }
    }
    Ok(None)
}

/// A page of a room's history, backwards from a token, or from the newest event;
/// none when nobody of ours is in the room.
pub(super) async fn page(
    homeserver: &Homeserver,
    bridges: &Bridges,
    room_id: &str,
    from: Option<&str>,
    limit: u32,
) -> Result<Option<MessagesPage>, ClientError> {
    read(homeserver, bridges, room_id, |eyes| async move {
        let query = MessagesQuery {
            room: room_id,
            as_user: Some(&eyes),
            dir: Direction::Backward,
            from,
            to: None,
            limit,
            lazy_load: true,
        };
        homeserver.messages(&query).await
    })
    .await
}
