//! A bridge gives its portals another identity. bridgev2 (`ReIDPortal`) either writes
//! another `m.bridge` into the room, or, when there is a room of that identity
//! already, tombstones this one into it: its bot sends `m.room.tombstone`, the ghosts
//! and the bot leave, and the customer stays behind.

mod races;

use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use serde_json::json;
use tributary::db::read;
use uuid::Uuid;

use crate::support::{
    discovery::{BOT, Discovery, Room},
    world::{World, text},
};

const ALICE: &str = "@alice:lab.local";
const BOB: &str = "@bob:lab.local";
const CAROL: &str = "@facebook_2001:lab.local";
const OLD: &str = "!old:lab.local";
const NEW: &str = "!new:lab.local";

/// The room that the bridge gives up.
fn old() -> Room {
    Room {
        id: OLD,
        protocol: "facebookgo",
        channel: "2001",
        receiver: "1001",
        created_ts: 1000,
        name: None,
        members: vec![(ALICE, "Alice"), (CAROL, "Carol"), (BOT, "Bridge")],
        predecessor: None,
        tombstone: None,
    }
}

/// The room that goes on.
fn new() -> Room {
    Room {
        id: NEW,
        channel: "3001",
        created_ts: 2000,
        members: vec![
            (ALICE, "Alice"),
            (BOB, "Bob"),
            (CAROL, "Caroline"),
            (BOT, "Bridge"),
        ],
        ..old()
    }
}

fn closed(room: Room, replacement: &'static str) -> Room {
    Room {
        tombstone: Some((BOT, replacement)),
        ..room
    }
}

#[derive(Debug, Clone, PartialEq, Eq, diesel::QueryableByName)]
struct Conversation {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    channel_id: String,
    #[diesel(sql_type = Text)]
    matrix_room_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    rooms: Option<String>,
}

impl Conversation {
    /// What does not differ from run to run.
    fn is(&self) -> (&str, &str, &str) {
        (
            &self.channel_id,
            &self.matrix_room_id,
            self.rooms.as_deref().unwrap_or(""),
        )
    }
}

/// All conversations, the oldest first, with their rooms.
async fn conversations(world: &World) -> Vec<Conversation> {
    diesel::sql_query(
        "SELECT c.id, c.channel_id, c.matrix_room_id,
                (SELECT string_agg(r.room_id, ' ' ORDER BY r.room_id) FROM tributary.rooms r
                 WHERE r.conversation_id = c.id) AS rooms
         FROM tributary.conversations c ORDER BY c.created_at, c.id",
    )
    .load(&mut world.db.get().await.unwrap())
    .await
    .unwrap()
}

async fn only(world: &World) -> Conversation {
    let mut all = conversations(world).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// The bodies that a customer reads in a conversation; none when it is not theirs.
async fn bodies(world: &World, user_id: &str, conversation_id: Uuid) -> Option<Vec<String>> {
    let conn = world.db.get().await.unwrap();
    let page = read::messages::page(&conn, user_id, conversation_id, None, 50)
        .await
        .unwrap()?;
    let mut bodies: Vec<_> = page.items.into_iter().map(|m| m.body).collect();
    bodies.sort();
    Some(bodies)
}

/// A customer's frames: kind and conversation.
async fn frames(world: &World, user_id: &str) -> Vec<(String, Uuid)> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = SqlUuid)]
        conversation_id: Uuid,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT kind, conversation_id FROM tributary.outbox WHERE user_id = $1 ORDER BY position",
    )
    .bind::<Text, _>(user_id)
    .load(&mut world.db.get().await.unwrap())
    .await
    .unwrap();
    rows.into_iter()
        .map(|row| (row.kind, row.conversation_id))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_portal_that_gets_another_identity_in_place_keeps_its_conversation() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    let discovery = Discovery::start(&world).await;
    discovery.show(&old());
    discovery.discover(&[OLD]).await;
    let before = only(&world).await;
    assert_eq!(before.is(), ("2001", OLD, OLD));
    world.push("1", &[text(OLD, "$1", CAROL, "before")]).await;

    let renamed = Room {
        channel: "3001",
        ..old()
    };
    discovery.show(&renamed);
    discovery.push("2", renamed.bridge()).await;
    let after = only(&world).await;
    assert_eq!(
        (after.id, after.is()),
        (before.id, ("3001", OLD, OLD)),
        "it goes by its room's portal"
    );

    // A re-creation of it is of the new identity.
    let again = Room {
        id: NEW,
        created_ts: 2000,
        ..renamed
    };
    discovery.show(&again);
    discovery.discover(&[NEW]).await;
    let both = format!("{NEW} {OLD}");
    let after = only(&world).await;
    assert_eq!(
        (after.id, after.is()),
        (before.id, ("3001", NEW, both.as_str()))
    );
    let read = bodies(&world, "user_alice", before.id).await.unwrap();
    assert_eq!(read, ["before"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_identity_that_another_conversation_has_makes_them_one() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    let discovery = Discovery::start(&world).await;
    for room in [old(), new()] {
        discovery.show(&room);
        discovery.discover(&[room.id]).await;
    }
    let first = conversations(&world).await[0].clone();
    assert_eq!(conversations(&world).await.len(), 2);

    let renamed = Room {
        channel: "3001",
        ..old()
    };
    discovery.show(&renamed);
    discovery.push("1", renamed.bridge()).await;
    let both = format!("{NEW} {OLD}");
    let after = only(&world).await;
    assert_eq!(
        (after.id, after.is()),
        (first.id, ("3001", NEW, both.as_str()))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_room_that_a_tombstone_names_continues_the_conversation() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    world.customer("bob", "1002").await;
    let discovery = Discovery::start(&world).await;
    discovery.show(&old());
    discovery.discover(&[OLD]).await;
    let before = only(&world).await;
    world.push("1", &[text(OLD, "$1", CAROL, "old")]).await;

    // Nobody has told of the new room: it is found because the tombstone names it.
    let closed = closed(old(), NEW);
    discovery.show(&closed);
    discovery.show(&new());
    discovery.push("2", closed.tombstone()).await;
    world.push("3", &[text(NEW, "$2", CAROL, "new")]).await;

    let after = only(&world).await;
    let both = format!("{NEW} {OLD}");
    assert_eq!(
        (after.id, after.is()),
        (before.id, ("3001", NEW, both.as_str()))
    );
    assert_eq!(
        bodies(&world, "user_alice", after.id).await.unwrap(),
        ["new", "old"]
    );
    assert_eq!(bodies(&world, "user_bob", after.id).await.unwrap(), ["new"]);
}

/// Two conversations with a life of their own, then a tombstone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_conversations_become_one_with_all_that_they_hold() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    world.customer("bob", "1002").await;
    let discovery = Discovery::start(&world).await;
    let named = Room {
        name: Some("The new one"),
        ..new()
    };
    for room in [old(), named] {
        discovery.show(&room);
        discovery.discover(&[room.id]).await;
    }
    let two = conversations(&world).await;
    let (stays, gone) = (two[0].id, two[1].id);
    world
        .push(
            "1",
            &[
                text(OLD, "$1", CAROL, "old"),
                text(NEW, "$2", CAROL, "new"),
                text(NEW, "$3", BOB, "mine"),
            ],
        )
        .await;
    let reaction = json!({
        "type": "m.reaction", "room_id": NEW, "event_id": "$5", "sender": CAROL, "origin_server_ts": 1,
        "content": {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$3", "key": "a"}},
    });
    world
        .push("2", &[text(NEW, "$4", CAROL, "unread"), reaction])
        .await;

    let closed = closed(old(), NEW);
    discovery.show(&closed);
    discovery.push("3", closed.tombstone()).await;

    let both = format!("{NEW} {OLD}");
    assert_eq!(only(&world).await.is(), ("3001", NEW, both.as_str()));
    assert_eq!(only(&world).await.id, stays, "clients know the older one");
    let (alice, bob) = ("user_alice", "user_bob");
    assert_eq!(
        bodies(&world, alice, stays).await.unwrap(),
        ["mine", "new", "old", "unread"]
    );
    assert_eq!(
        bodies(&world, bob, stays).await.unwrap(),
        ["mine", "new", "unread"]
    );
    assert_eq!(bodies(&world, alice, gone).await, None);

    // One row for each Matrix user, who is called what the new room calls them.
    let carol = "SELECT count(*) FROM tributary.participants p
                 WHERE p.matrix_user_id LIKE '@facebook_2001:%' AND p.display_name = 'Caroline'
                   AND 3 = (SELECT count(*) FROM tributary.messages m WHERE m.sender_id = p.id)";
    assert_eq!(world.count(carol).await, 1);
    let people = "SELECT count(*) FROM tributary.participants";
    assert_eq!(world.count(people).await, 4);
    let reacted = "SELECT count(*) FROM tributary.messages m JOIN tributary.participants p
                   ON m.metadata #> '{reactions,0,senders}' = jsonb_build_array(p.id)
                   WHERE p.matrix_user_id LIKE '@facebook_2001:%'";
    assert_eq!(world.count(reacted).await, 1);
    // Alice has read nothing, Bob all up to his own message.
    for (user_id, unread) in [(alice, 4), (bob, 1)] {
        let access = format!(
            "SELECT count(*) FROM tributary.conversation_access
             WHERE user_id = '{user_id}' AND unread_count = {unread} AND title = 'The new one'
               AND last_event_at = sort_at"
        );
        assert_eq!(world.count(&access).await, 1, "{user_id}");
    }

    for user_id in [alice, bob] {
        let frames = frames(&world, user_id).await;
        let removed: Vec<_> = frames
            .iter()
            .filter(|(kind, _)| kind == "conversation.removed")
            .collect();
        assert_eq!(removed, [&("conversation.removed".to_owned(), gone)]);
        assert_eq!(
            frames.last(),
            Some(&("conversation.updated".to_owned(), stays))
        );
        // What was not fetched yet leads somewhere.
        let lost = frames
            .iter()
            .filter(|(kind, id)| kind != "conversation.removed" && *id == gone);
        assert_eq!(lost.count(), 0, "{user_id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_read_markers_the_further_one_counts() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    let discovery = Discovery::start(&world).await;
    for room in [old(), new()] {
        discovery.show(&room);
        discovery.discover(&[room.id]).await;
    }
    world
        .push(
            "1",
            &[text(OLD, "$1", CAROL, "old"), text(NEW, "$2", CAROL, "new")],
        )
        .await;
    world.push("2", &[text(NEW, "$3", ALICE, "mine")]).await;
    let marker = "SELECT count(*) FROM tributary.conversation_access
                  WHERE read_through_event = '$3' AND unread_count = 0";
    assert_eq!(world.count(marker).await, 1);
    let closed = closed(old(), NEW);
    discovery.show(&closed);
    discovery.push("3", closed.tombstone()).await;
    assert_eq!(world.count(marker).await, 1);
    let rows = "SELECT count(*) FROM tributary.conversation_access";
    assert_eq!(world.count(rows).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_newer_room_that_was_merged_into_an_older_one_does_not_lead() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    let discovery = Discovery::start(&world).await;
    let newer = Room {
        created_ts: 3000,
        ..old()
    };
    discovery.show(&newer);
    discovery.show(&new());
    discovery.discover(&[OLD, NEW]).await;
    let closed = closed(newer, NEW);
    discovery.show(&closed);
    discovery.push("1", closed.tombstone()).await;
    let both = format!("{NEW} {OLD}");
    assert_eq!(only(&world).await.is(), ("3001", NEW, both.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tombstone_counts_also_when_the_bridge_has_left_the_room() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    let discovery = Discovery::start(&world).await;
    discovery.show(&old());
    discovery.show(&new());
    discovery.discover(&[OLD, NEW]).await;
    world.push("1", &[text(OLD, "$1", CAROL, "old")]).await;
    discovery.hide(&old());
    let closed = closed(old(), NEW);
    discovery.push("2", closed.tombstone()).await;
    let conversation = only(&world).await;
    let both = format!("{NEW} {OLD}");
    assert_eq!(conversation.is(), ("3001", NEW, both.as_str()));
    let read = bodies(&world, "user_alice", conversation.id).await;
    assert_eq!(read.unwrap(), ["old"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tombstone_that_proves_nothing_changes_nothing() {
    let by_alice = Room {
        tombstone: Some((ALICE, NEW)),
        ..old()
    };
    let elsewhere = Room {
        protocol: "instagramgo",
        ..new()
    };
    let claimed = Room {
        predecessor: Some(OLD),
        ..new()
    };
    for (old_room, new_room) in [
        (by_alice, new()),
        (closed(old(), NEW), elsewhere),
        (old(), claimed),
    ] {
        let world = World::new().await;
        world.customer("alice", "1001").await;
        let discovery = Discovery::start(&world).await;
        discovery.show(&old());
        discovery.show(&new_room);
        discovery.discover(&[OLD, NEW]).await;
        discovery.show(&old_room);
        if old_room.tombstone.is_some() {
            discovery.push("1", old_room.tombstone()).await;
        }
        discovery.discover(&[OLD, NEW]).await;
        assert_eq!(conversations(&world).await.len(), 2);
    }
}

/// Nobody has told of the old room: the new one names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_predecessor_is_a_reason_to_look() {
    let world = World::new().await;
    world.customer("alice", "1001").await;
    let discovery = Discovery::start(&world).await;
    let claimed = Room {
        predecessor: Some(OLD),
        ..new()
    };
    discovery.show(&claimed);
    discovery.show(&closed(old(), NEW));
    discovery.discover(&[NEW]).await;
    let both = format!("{NEW} {OLD}");
    assert_eq!(only(&world).await.is(), ("3001", NEW, both.as_str()));
}
