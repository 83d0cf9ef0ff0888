//! Linked customers and their rooms.

use anyhow::Context as _;
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use tributary::{
    db::{self, Database, rooms::Resolution},
    ingest,
    matrix::bridges::Bridges,
    model::{new_id, portal::Portal},
};

use super::events::{Chat, Shape};

const BOT: &str = "@facebookbot:lab.local";

/// Links the customers of `shape` and maps their rooms.
pub(crate) async fn populate(db: &Database, bridges: &Bridges, shape: Shape) -> anyhow::Result<()> {
    for number in 0..shape.customers {
        link(db, number).await?;
    }
    for chat in shape.chats() {
        map(db, bridges, &chat).await?;
    }
    Ok(())
}

async fn link(db: &Database, number: usize) -> anyhow::Result<()> {
    diesel::sql_query(
        "INSERT INTO tributary.messenger_connections
             (id, user_id, bridge_id, matrix_user_id, bridge_user_id, status, linked_at)
         VALUES ($1, $2, 'meta', $3, $4, 'CONNECTED', now())",
    )
    .bind::<diesel::sql_types::Uuid, _>(new_id())
    .bind::<diesel::sql_types::Text, _>(format!("user_{number}"))
    .bind::<diesel::sql_types::Text, _>(Shape::customer(number))
    .bind::<diesel::sql_types::Text, _>(number.to_string())
    .execute(&mut db.get().await?)
    .await
    .context("a customer could not be linked")?;
    Ok(())
}

/// Leaves a room as discovery would: resolved, its members known, mapped.
async fn map(db: &Database, bridges: &Bridges, chat: &Chat) -> anyhow::Result<()> {
    let portal = Portal {
        protocol_id: "facebookgo".into(),
        channel_id: chat.remote_id.clone(),
        receiver: chat.customer.clone(),
        room_type_v2: Some("dm".into()),
        room_type: Some("dm".into()),
    };
    let members: Vec<_> = [chat.customer.as_str(), chat.ghost.as_str(), BOT]
        .map(|user_id| (user_id.to_owned(), "join".to_owned()))
        .into();
    let rooms = [chat.room_id.clone()];
    let resolution = Resolution::Portal {
        bridge_id: "meta",
        portal: &portal,
        created_ts: Some(1),
    };
    let mut conn = db.get().await?;
    conn.transaction(async |conn| {
        db::rooms::lock(conn, &rooms).await?;
        db::rooms::resolve(conn, &chat.room_id, &resolution).await?;
        db::members::replace(conn, &chat.room_id, &members).await?;
        ingest::map_rooms(conn, bridges, &rooms).await
    })
    .await
    .context("a room could not be mapped")?;
    Ok(())
}
