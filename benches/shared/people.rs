//! Linked customers and their rooms.

use anyhow::Context as _;
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use tributary::{
    db::{self, Database, rooms::Resolution},
    ingest,
    matrix::bridges::Bridges,
    model::{new_id, portal::Portal},
};

use super::events::Shape;

const BOT: &str = "@facebookbot:lab.local";
const SPOKEN: &str = "
    INSERT INTO tributary.participants (conversation_id, matrix_user_id, external_id, has_spoken, membership)
    SELECT r.conversation_id, m.user_id, substring(m.user_id FROM '^@facebook_(.+):'), true, m.membership
    FROM tributary.rooms r JOIN tributary.room_members m USING (room_id)
    WHERE r.room_id = $1 AND m.user_id <> $2 ON CONFLICT DO NOTHING";

/// Links the customers of `shape` and maps their rooms.
pub(crate) async fn populate(db: &Database, bridges: &Bridges, shape: Shape) -> anyhow::Result<()> {
    for number in 0..shape.customers {
        link(db, number).await?;
    }
    for chat in shape.chats() {
        let portal = Portal {
            protocol_id: "facebookgo".into(),
            channel_id: chat.remote_id,
            receiver: chat.customer.clone(),
            room_type_v2: Some("dm".into()),
            room_type: Some("dm".into()),
        };
        let people = [chat.customer, chat.ghost];
        map(db, bridges, &chat.room_id, &portal, &people).await?;
    }
    Ok(())
}

/// Makes a customer's connection.
pub(crate) async fn link(db: &Database, number: usize) -> anyhow::Result<()> {
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

/// Leaves a room as discovery would: resolved, its members known, mapped; and all but the
/// bot have said something there already.
pub(crate) async fn map(
    db: &Database,
    bridges: &Bridges,
    room_id: &str,
    portal: &Portal,
    people: &[String],
) -> anyhow::Result<()> {
    let bot = BOT.to_owned();
    let members: Vec<_> = people
        .iter()
        .chain([&bot])
        .map(|user_id| (user_id.clone(), "join".to_owned()))
        .collect();
    let rooms = [room_id.to_owned()];
    let resolution = Resolution::Portal {
        bridge_id: "meta",
        portal,
        created_ts: Some(1),
    };
    let mut conn = db.get().await?;
    conn.transaction(async |conn| {
        db::rooms::lock(conn, &rooms).await?;
        db::rooms::resolve(conn, room_id, &resolution).await?;
        db::members::replace(conn, room_id, &members).await?;
        ingest::map_rooms(conn, bridges, &rooms).await?;
        diesel::sql_query(SPOKEN)
            .bind::<diesel::sql_types::Text, _>(room_id)
            .bind::<diesel::sql_types::Text, _>(BOT)
            .execute(conn)
            .await?;
        Ok::<_, db::QueryError>(())
    })
    .await
    .context("a room could not be mapped")?;
    Ok(())
}
