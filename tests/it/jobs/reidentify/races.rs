//! Whatever is seen first, and whoever looks at once: the outcome is the same.

use tributary::{
    db::kin::{self, Ties},
    model::portal::Portal,
};

use super::{CAROL, NEW, OLD, bodies, closed, conversations, new, old, only};
use crate::support::{
    discovery::{Discovery, Room},
    world::{World, text},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_order_in_which_it_is_seen_is_of_no_consequence() {
    /// What can be seen of it.
    #[derive(Clone, Copy, Debug)]
    enum Sight {
        Old,
        New,
        Tombstone,
    }
    use Sight::{New, Old, Tombstone};
    let both = format!("{NEW} {OLD}");
    for order in [
        vec![Old, New, Tombstone],
        vec![Old, Tombstone, New],
        vec![New, Old, Tombstone],
        vec![New, Tombstone, Old],
        vec![Tombstone, Old, New],
        vec![Tombstone, New, Old],
        vec![Old, Old, Tombstone, Tombstone, New, New, Old],
        vec![New, Old, Tombstone, New, Old, New],
    ] {
        let world = World::new().await;
        world.customer("alice", "1001").await;
        world.customer("bob", "1002").await;
        let discovery = Discovery::start(&world).await;
        discovery.show(&old());
        discovery.show(&new());
        for (nth, sight) in order.iter().enumerate() {
            match sight {
                Old => discovery.discover(&[OLD]).await,
                New => discovery.discover(&[NEW]).await,
                Tombstone => {
                    let closed = closed(old(), NEW);
                    discovery.show(&closed);
                    let push = nth.to_string();
                    discovery.push(&push, closed.tombstone()).await;
                }
            }
        }
        let events = [text(OLD, "$1", CAROL, "old"), text(NEW, "$2", CAROL, "new")];
        world.push("last", &events).await;
        let conversation = only(&world).await;
        assert_eq!(conversation.is(), ("3001", NEW, both.as_str()), "{order:?}");
        for (user_id, sees) in [
            ("user_alice", vec!["new", "old"]),
            ("user_bob", vec!["new"]),
        ] {
            let read = bodies(&world, user_id, conversation.id).await.unwrap();
            assert_eq!(read, sees, "{order:?}");
        }
        let carol = "SELECT count(*) FROM tributary.participants
                     WHERE display_name = 'Caroline' AND membership = 'join'";
        assert_eq!(world.count(carol).await, 1, "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_that_look_at_once_see_each_other() {
    let both = format!("{NEW} {OLD}");
    let renamed = Room {
        channel: "3001",
        ..old()
    };
    for other in [closed(old(), NEW), renamed] {
        for known in [vec![OLD, NEW], vec![OLD], vec![NEW], vec![]] {
            let world = World::new().await;
            world.customer("alice", "1001").await;
            let discovery = Discovery::start(&world).await;
            discovery.show(&old());
            discovery.show(&new());
            discovery.discover(&known).await;
            assert_eq!(conversations(&world).await.len(), known.len());
            discovery.show(&other);
            discovery.discover_at_once([OLD, NEW]).await;
            assert_eq!(only(&world).await.is(), ("3001", NEW, both.as_str()));
        }
    }
}

/// They see each other only behind the locks.
#[tokio::test(flavor = "multi_thread")]
async fn two_new_rooms_of_one_portal_have_a_lock_in_common() {
    let world = World::new().await;
    let portal = Portal {
        protocol_id: "facebookgo".to_owned(),
        channel_id: "2001".to_owned(),
        receiver: "1001".to_owned(),
        room_type_v2: None,
        room_type: None,
    };
    let mut conn = world.db.get().await.unwrap();
    let mut locks = Vec::new();
    for room_id in [OLD, NEW] {
        let ties = Ties {
            room_id,
            portal: Some(("meta", &portal)),
            replaced_by: None,
        };
        locks.push(kin::to_lock(&mut conn, ties).await.unwrap());
    }
    assert!(locks[0].contains(&OLD.to_owned()) && locks[1].contains(&NEW.to_owned()));
    assert!(locks[0].iter().any(|name| locks[1].contains(name)));
}

/// Each of two jobs makes one conversation of two; the second has to lock all three rooms.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_finds_more_rooms_behind_the_locks_looks_again() {
    const NEWEST: &str = "!newest:lab.local";
    let world = World::new().await;
    world.customer("alice", "1001").await;
    let discovery = Discovery::start(&world).await;
    let newest = Room {
        id: NEWEST,
        channel: "4001",
        created_ts: 3000,
        ..new()
    };
    for room in [old(), new(), newest] {
        discovery.show(&room);
        discovery.discover(&[room.id]).await;
    }
    let first = conversations(&world).await[0].id;
    let before = discovery.asked().await;
    discovery.show(&closed(old(), NEW));
    discovery.show(&closed(new(), NEWEST));
    discovery.discover_at_once([OLD, NEW]).await;
    let all = format!("{NEW} {NEWEST} {OLD}");
    let conversation = only(&world).await;
    assert_eq!(
        (conversation.id, conversation.is()),
        (first, ("4001", NEWEST, all.as_str()))
    );
    assert_eq!(discovery.asked().await - before, 3);
}
