//! The pipeline on a real Postgres: what a push leaves behind, and for whom.

use std::collections::BTreeSet;

use crate::support::{
    eventually,
    world::{self, World, member, redaction, state, text},
};
use diesel_async::SimpleAsyncConnection as _;
use serde_json::{Value, json};
use tributary::db::{
    grants,
    read::{conversations, messages, participants},
    rooms,
};

const BOT: &str = "@facebookbot:lab.local";
const CAROL: &str = "@facebook_2001:lab.local";

async fn world_with_direct_chat() -> (World, world::Customer) {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world.direct("!dm", &alice, "1001", "2001").await;
    (world, alice)
}

async fn page(world: &World, user_id: &str) -> Vec<tributary::model::message::Message> {
    let mut conn = world.db.get().await.unwrap();
    let items = conversations::page(&mut conn, user_id, None, 50)
        .await
        .unwrap()
        .items;
    let mut all = Vec::new();
    for item in items {
        all.extend(
            messages::page(&conn, user_id, item.id, None, 50)
                .await
                .unwrap()
                .expect("theirs")
                .items,
        );
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_stored_counted_and_announced_once() {
    let (world, alice) = world_with_direct_chat().await;
    let hello = text("!dm", "$1", CAROL, "hello");
    for transaction_id in ["1", "1", "2"] {
        world
            .push(transaction_id, std::slice::from_ref(&hello))
            .await;
    }
    let mut conn = world.db.get().await.unwrap();
    let items = conversations::page(&mut conn, &alice.user_id, None, 50)
        .await
        .unwrap()
        .items;
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].unread_count, items[0].is_group), (1, false));
    assert_eq!(items[0].last_message.as_ref().unwrap().body, "hello");
    let frames = "SELECT count(*) FROM tributary.outbox WHERE kind = 'message.created'";
    assert_eq!(world.count(frames).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_room_without_a_customer_nothing_is_kept_but_its_id() {
    let (world, _) = world_with_direct_chat().await;
    world.push("1", &[text("!unknown", "$secret", CAROL, "a cookie"), json!({
        "event_id": "$bad", "room_id": "!unknown", "type": "m.room.message", "content": 5,
    })]).await;
    assert_eq!(
        world
            .count("SELECT count(*) FROM tributary.rooms WHERE room_id = '!unknown'")
            .await,
        1
    );
    assert_eq!(
        world
            .count("SELECT count(*) FROM tributary.jobs WHERE key = '!unknown'")
            .await,
        1
    );
    for table in ["messages", "dead_letters", "state_events", "outbox"] {
        assert_eq!(
            world
                .count(&format!("SELECT count(*) FROM tributary.{table}"))
                .await,
            0,
            "{table}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redaction_takes_the_content_before_and_after_its_target() {
    let (world, alice) = world_with_direct_chat().await;
    world
        .push(
            "1",
            &[
                text("!dm", "$1", CAROL, "regretted"),
                redaction("!dm", "$r2", CAROL, "$2"),
            ],
        )
        .await;
    world
        .push(
            "2",
            &[
                redaction("!dm", "$r1", CAROL, "$1"),
                text("!dm", "$2", CAROL, "regretted too"),
            ],
        )
        .await;
    let messages = page(&world, &alice.user_id).await;
    assert_eq!(messages.len(), 2);
    for message in &messages {
        assert!(message.deleted_at.is_some());
        assert_eq!(
            (message.body.as_str(), message.kind.as_str()),
            ("", "m.room.message")
        );
    }
    let left = "SELECT count(*) FROM tributary.messages WHERE content IS NOT NULL OR body <> ''";
    assert_eq!(world.count(left).await, 0);
    assert_eq!(
        world
            .count("SELECT unread_count::bigint AS count FROM tributary.conversation_access")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_ends_access_and_what_was_before_stays() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    let bob = world.customer("bob", "1002").await;
    world
        .group(
            "!g",
            "3001",
            &[&alice.matrix_user_id, &bob.matrix_user_id, CAROL, BOT],
        )
        .await;
    world.push("1", &[text("!g", "$1", CAROL, "to both")]).await;
    world
        .push(
            "2",
            &[
                member("!g", "$leave", &bob.matrix_user_id, "leave", "Bob"),
                text("!g", "$2", CAROL, "to Alice alone"),
            ],
        )
        .await;
    let bodies = |messages: Vec<tributary::model::message::Message>| {
        messages
            .into_iter()
            .map(|message| message.body)
            .collect::<Vec<_>>()
    };
    assert_eq!(bodies(page(&world, &bob.user_id).await), ["to both"]);
    assert_eq!(
        bodies(page(&world, &alice.user_id).await),
        ["to Alice alone", "to both"]
    );
    world
        .push(
            "3",
            &[
                member("!g", "$join", &bob.matrix_user_id, "join", "Bob"),
                text("!g", "$3", CAROL, "welcome back"),
            ],
        )
        .await;
    assert_eq!(
        bodies(page(&world, &bob.user_id).await),
        ["welcome back", "to both"]
    );
}

/// Said, and received by the homeserver, so many milliseconds ago.
fn ago(mut event: Value, age: i64) -> Value {
    event["unsigned"]["age"] = json!(age);
    said_ago(event, age)
}

/// Said so long ago, whenever it was received.
fn said_ago(mut event: Value, age: i64) -> Value {
    event["origin_server_ts"] = json!(event["origin_server_ts"].as_i64().unwrap() - age);
    event
}

/// Alice and Bob, who have been customers for an hour, in a group with Carol.
async fn world_with_group() -> (World, [world::Customer; 2]) {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    let bob = world.customer("bob", "1002").await;
    let members = [&alice.matrix_user_id, &bob.matrix_user_id, CAROL, BOT];
    world.group("!g", "3001", &members).await;
    let mut conn = world.db.get().await.unwrap();
    conn.batch_execute(
        "UPDATE tributary.messenger_connections SET linked_at = now() - interval '1 hour'",
    )
    .await
    .unwrap();
    (world, [alice, bob])
}

/// The bodies that a user sees, the newest first, and how many are unread.
async fn seen(world: &World, customer: &world::Customer) -> (Vec<String>, i64) {
    let messages = page(world, &customer.user_id).await;
    let unread = format!(
        "SELECT unread_count::bigint AS count FROM tributary.conversation_access WHERE user_id = '{}'",
        customer.user_id
    );
    (
        messages.into_iter().map(|message| message.body).collect(),
        world.count(&unread).await,
    )
}

/// When a push was held up, ages count back from too late. What was said behind the leave in it
/// comes with the next one, or with one to another replica, and with its right age.
#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_was_held_up_ends_access_when_it_was_said() {
    for membership in ["leave", "ban"] {
        for order in [[0, 1, 2, 3], [0, 2, 1, 3], [3, 2, 0, 1], [1, 3, 2, 0]] {
            let (world, [alice, bob]) = world_with_group().await;
            let mut leave = member("!g", "$leave", &bob.matrix_user_id, membership, "Bob");
            leave["sender"] = json!(CAROL);
            let pushes = [
                ago(text("!g", "$1", CAROL, "to both"), 40_000),
                said_ago(leave, 30_000),
                ago(text("!g", "$2", CAROL, "to Alice alone"), 29_000),
                ago(text("!g", "$3", CAROL, "to both, last"), 31_000),
            ];
            for push in order {
                world
                    .push(&push.to_string(), std::slice::from_ref(&pushes[push]))
                    .await;
            }
            assert_eq!(
                seen(&world, &bob).await,
                (vec!["to both, last".into(), "to both".into()], 2),
                "{order:?}"
            );
            assert_eq!(
                seen(&world, &alice).await.0,
                ["to Alice alone", "to both, last", "to both"],
                "{order:?}"
            );
            let frames = "SELECT count(*) FROM tributary.outbox
                          WHERE kind = 'message.created' AND user_id = 'user_bob'";
            let overtaken = i64::from(order == [0, 2, 1, 3] || order == [3, 2, 0, 1]);
            assert_eq!(world.count(frames).await, 2 + overtaken, "{order:?}");
        }
    }
}

/// Bridges date events back to when the network had them: such a time says nothing of what the
/// homeserver received.
#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_is_dated_back_takes_nothing_that_was_there() {
    let (world, [_, bob]) = world_with_group().await;
    let leave = member("!g", "$leave", &bob.matrix_user_id, "leave", "Bob");
    let said = [
        ago(text("!g", "$1", CAROL, "long before"), 120_000),
        ago(text("!g", "$2", CAROL, "just before"), 5_000),
    ];
    world.push("1", &said).await;
    world.push("2", &[said_ago(leave, 61_000)]).await;
    assert_eq!(
        seen(&world, &bob).await,
        (vec!["just before".into(), "long before".into()], 2)
    );
}

/// A customer's membership, in place of the one that event `replaced` has said.
fn instead(id: &str, replaced: &str, customer: &world::Customer, membership: &str) -> Value {
    let mut event = member("!g", id, &customer.matrix_user_id, membership, "Bob");
    event["unsigned"]["replaces_state"] = json!(replaced);
    event
}

/// What everybody sees, Bob's leave, which is held up, what is said behind it, and his return.
fn held_up_while_he_is_away(bob: &world::Customer) -> [Value; 5] {
    [
        ago(text("!g", "$1", CAROL, "to both"), 40_000),
        said_ago(instead("$leave", "$before", bob, "leave"), 30_000),
        ago(text("!g", "$2", CAROL, "to Alice alone"), 29_000),
        ago(instead("$join", "$leave", bob, "join"), 28_000),
        ago(text("!g", "$3", CAROL, "welcome back"), 27_000),
    ]
}

/// Who comes back before the push with their leave has come in seems to have done so before they left.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_while_the_leave_is_held_up_has_what_is_said_from_then_on() {
    for order in [
        [0, 1, 2, 3, 4],
        [0, 1, 3, 2, 4],
        [0, 1, 3, 4, 2],
        [1, 0, 3, 4, 2],
        [0, 2, 3, 4, 1],
    ] {
        let (world, [alice, bob]) = world_with_group().await;
        let pushes = held_up_while_he_is_away(&bob);
        for push in order {
            let events = std::slice::from_ref(&pushes[push]);
            world.push(&push.to_string(), events).await;
        }
        let of_both = ["welcome back", "to both"];
        assert_eq!(seen(&world, &bob).await.0, of_both, "{order:?}");
        // The second leave comes in before what seems to be the first one's time.
        let leave = ago(instead("$again", "$join", &bob, "leave"), 20_000);
        world.push("5", &[leave]).await;
        let later = ago(text("!g", "$4", CAROL, "to Alice again"), 10_000);
        world.push("6", &[later]).await;
        assert_eq!(seen(&world, &bob).await.0, of_both, "{order:?}");
        let of_alice = [
            "to Alice again",
            "welcome back",
            "to Alice alone",
            "to both",
        ];
        assert_eq!(seen(&world, &alice).await.0, of_alice, "{order:?}");
    }
}

/// What was said behind the return comes with the next push, and with its right age.
#[tokio::test(flavor = "multi_thread")]
async fn a_return_that_was_held_up_begins_access_when_it_was_said() {
    let (world, [alice, bob]) = world_with_group().await;
    let said =
        |id: &str, body: &str, seconds: i64| ago(text("!g", id, CAROL, body), seconds * 1_000);
    let pushes = [
        vec![said("$1", "to both", 100)],
        vec![ago(instead("$leave", "$before", &bob, "leave"), 90_000)],
        vec![said("$2", "to Alice alone", 60)],
        // What is held up with the return, and was said before it, seems to be received behind it.
        vec![
            said_ago(text("!g", "$3", CAROL, "to Alice before"), 50_000),
            said_ago(instead("$join", "$leave", &bob, "join"), 40_000),
        ],
        vec![said("$4", "welcome back", 30)],
    ];
    for (n, push) in pushes.iter().enumerate() {
        world.push(&n.to_string(), push).await;
    }
    let of_bob = ["welcome back", "to both"].map(str::to_owned).to_vec();
    assert_eq!(seen(&world, &bob).await, (of_bob, 2));
    let told = "SELECT count(*) FROM tributary.outbox WHERE kind = 'message.created' AND user_id = 'user_bob'";
    assert_eq!(world.count(told).await, 2);
    // What is behind it seems to be before it: two leaves, and the return between them.
    let turns = [
        ago(instead("$away", "$join", &bob, "leave"), 25_000),
        said("$5", "to Alice for a while", 24),
        ago(instead("$here", "$away", &bob, "join"), 23_000),
        said("$6", "welcome again", 22),
    ];
    world.push("5", &turns).await;
    let left = ago(instead("$again", "$here", &bob, "leave"), 20_000);
    world.push("6", &[left]).await;
    world.push("7", &[said("$7", "to Alice again", 10)]).await;
    let of_bob = ["welcome again", "welcome back", "to both"];
    assert_eq!(seen(&world, &bob).await.0, of_bob);
    assert_eq!(seen(&world, &alice).await.0.len(), 7);
}

/// Both come in one push when pushes have failed for a while.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_and_is_banned_later_has_left_before() {
    let (world, [alice, bob]) = world_with_group().await;
    let pushed = [
        ago(text("!g", "$1", CAROL, "to both"), 80_000),
        ago(instead("$leave", "$before", &bob, "leave"), 70_000),
        ago(text("!g", "$2", CAROL, "to Alice alone"), 60_000),
        ago(instead("$ban", "$leave", &bob, "ban"), 50_000),
    ];
    world.push("1", &pushed).await;
    assert_eq!(seen(&world, &bob).await.0, ["to both"]);
    assert_eq!(seen(&world, &alice).await.0, ["to Alice alone", "to both"]);
}

/// Pushes that have failed for a while come together, and what the homeserver has lost comes when
/// a room is compared: then nobody has seen Bob away.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_and_is_back_by_one_push_misses_what_was_said_between() {
    let said =
        |id: &str, body: &str, seconds: i64| ago(text("!g", id, CAROL, body), seconds * 1_000);
    let (world, [alice, bob]) = world_with_group().await;
    let turn = |id: &str, replaced: &str, membership: &str, seconds: i64| {
        ago(instead(id, replaced, &bob, membership), seconds * 1_000)
    };
    let pushed = [
        said("$1", "to both", 90),
        turn("$leave", "$before", "leave", 80),
        said("$2", "to Alice", 70),
        turn("$ban", "$leave", "ban", 69),
        turn("$unban", "$ban", "leave", 68),
        said("$3", "to Alice still", 67),
        turn("$invite", "$unban", "invite", 60),
        said("$4", "welcome", 59),
        turn("$join", "$invite", "join", 58),
        said("$5", "back", 50),
        turn("$renamed", "$join", "join", 49),
        turn("$leave2", "$renamed", "leave", 40),
        said("$6", "to Alice again", 30),
        turn("$join2", "$leave2", "join", 20),
        said("$7", "back again", 10),
    ];
    let of_bob = ["back again", "back", "welcome", "to both"];
    world.push("1", &pushed).await;
    assert_eq!(
        seen(&world, &bob).await,
        (of_bob.map(str::to_owned).to_vec(), 4)
    );
    assert_eq!(seen(&world, &alice).await.1, 7);
    let told = "SELECT count(*) FROM tributary.outbox WHERE kind = 'message.created' AND user_id = 'user_bob'";
    assert_eq!(world.count(told).await, 4);
    // Once more is not twice, and what is there now is theirs.
    let left = ago(instead("$leave3", "$join2", &bob, "leave"), 1_000);
    world
        .push(
            "2",
            &[
                said("$8", "last", 5),
                left,
                said("$9", "to Alice at last", 0),
            ],
        )
        .await;
    let grants = "SELECT count(*) FROM tributary.room_grants WHERE user_id = 'user_bob'";
    assert_eq!(world.count(grants).await, 3);
    assert_eq!(seen(&world, &bob).await.0[..2], ["last", "back again"]);
    assert_eq!(seen(&world, &alice).await.0[0], "to Alice at last");
}

/// And is gone again: what was said while they were back is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_been_back_in_between_has_what_was_said_then() {
    let (world, [_, bob]) = world_with_group().await;
    let pushed = [
        ago(instead("$leave", "$before", &bob, "leave"), 80_000),
        ago(text("!g", "$1", CAROL, "to Alice"), 70_000),
        ago(instead("$join", "$leave", &bob, "join"), 60_000),
        ago(text("!g", "$2", CAROL, "to both"), 50_000),
        ago(instead("$leave2", "$join", &bob, "leave"), 40_000),
        ago(text("!g", "$3", CAROL, "to Alice again"), 30_000),
    ];
    world.push("1", &pushed).await;
    assert_eq!(seen(&world, &bob).await.0, ["to both"]);
}

/// Whose end is known already: what has been lost comes in behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_comes_in_behind_the_last_leave_takes_what_was_said_in_it() {
    let (world, [_, bob]) = world_with_group().await;
    let pushes = [
        vec![ago(text("!g", "$1", CAROL, "to both"), 90_000)],
        vec![ago(instead("$last", "$join", &bob, "leave"), 20_000)],
        vec![
            ago(text("!g", "$4", CAROL, "to Alice again"), 15_000),
            ago(instead("$here", "$last", &bob, "join"), 10_000),
            ago(text("!g", "$5", CAROL, "to both again"), 5_000),
        ],
        // The page with the leave, and the next one.
        vec![
            ago(instead("$leave", "$before", &bob, "leave"), 80_000),
            ago(text("!g", "$2", CAROL, "to Alice"), 70_000),
        ],
        vec![
            ago(instead("$join", "$leave", &bob, "join"), 60_000),
            ago(text("!g", "$3", CAROL, "welcome back"), 50_000),
        ],
    ];
    for (n, push) in pushes.iter().enumerate() {
        world.push(&n.to_string(), push).await;
    }
    let of_bob = ["to both again", "welcome back", "to both"];
    assert_eq!(seen(&world, &bob).await.0, of_bob);
}

/// One page has the leave, and the next one the return.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_not_taken_for_the_return_that_is_yet_to_come() {
    let (world, [_, bob]) = world_with_group().await;
    let pushes = [
        vec![
            ago(instead("$renamed", "$join", &bob, "join"), 50_000),
            ago(text("!g", "$4", CAROL, "hello"), 40_000),
        ],
        vec![
            ago(text("!g", "$1", CAROL, "to both"), 90_000),
            ago(instead("$leave", "$before", &bob, "leave"), 80_000),
            ago(text("!g", "$2", CAROL, "to Alice"), 70_000),
        ],
        vec![
            ago(instead("$join", "$leave", &bob, "join"), 60_000),
            ago(text("!g", "$3", CAROL, "welcome back"), 55_000),
        ],
    ];
    for (n, push) in pushes.iter().enumerate() {
        world.push(&n.to_string(), push).await;
    }
    let of_bob = ["hello", "welcome back", "to both"];
    assert_eq!(seen(&world, &bob).await.0, of_bob);
}

/// Whoever has left is taken to be back by the name that they have then, until the return comes in.
#[tokio::test(flavor = "multi_thread")]
async fn a_return_that_comes_in_behind_a_later_name_begins_access() {
    let (world, [_, bob]) = world_with_group().await;
    let pushes = [
        ago(instead("$leave", "$before", &bob, "leave"), 80_000),
        ago(text("!g", "$1", CAROL, "to Alice"), 70_000),
        ago(instead("$renamed", "$join", &bob, "join"), 50_000),
        ago(text("!g", "$3", CAROL, "hello"), 40_000),
        ago(text("!g", "$2", CAROL, "welcome back"), 55_000),
        ago(instead("$join", "$leave", &bob, "join"), 60_000),
    ];
    for (n, event) in pushes.into_iter().enumerate() {
        world.push(&n.to_string(), &[event]).await;
    }
    let of_bob = ["hello", "welcome back"].map(str::to_owned).to_vec();
    assert_eq!(seen(&world, &bob).await, (of_bob, 2));
}

/// A remote server's clock may be ahead of the one that says when they are back.
#[tokio::test(flavor = "multi_thread")]
async fn a_return_is_behind_the_leave_that_it_replaces_whatever_their_clocks_say() {
    let (world, [_, bob]) = world_with_group().await;
    let mut kicked = ago(instead("$leave", "$before", &bob, "leave"), 80_000);
    kicked = said_ago(kicked, -30_000);
    let pushes = [
        kicked,
        ago(text("!g", "$1", CAROL, "to Alice"), 75_000),
        ago(instead("$join", "$leave", &bob, "join"), 70_000),
        ago(text("!g", "$2", CAROL, "welcome back"), 65_000),
    ];
    world.push("1", &pushes).await;
    assert_eq!(seen(&world, &bob).await.0, ["welcome back"]);
}

/// By its bridge, which had it from the network: what was said between is no more theirs for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_return_that_is_dated_back_to_before_the_leave_shows_nothing_of_between() {
    let (world, [_, bob]) = world_with_group().await;
    let back = ago(instead("$join", "$leave", &bob, "join"), 30_000);
    let pushes = [
        ago(instead("$leave", "$before", &bob, "leave"), 40_000),
        ago(text("!g", "$1", CAROL, "to Alice"), 35_000),
        said_ago(back, 20_000),
        ago(text("!g", "$2", CAROL, "welcome back"), 25_000),
    ];
    for (n, event) in pushes.iter().enumerate() {
        let events = std::slice::from_ref(event);
        world.push(&n.to_string(), events).await;
    }
    assert_eq!(seen(&world, &bob).await.0, ["welcome back"]);
}

/// The homeserver lost the push with it; the comparison finds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_is_known_behind_the_return_takes_what_was_said_between() {
    let (world, [_, bob]) = world_with_group().await;
    let events = [
        ago(text("!g", "$1", CAROL, "to both"), 90_000),
        ago(text("!g", "$2", CAROL, "to Alice"), 70_000),
        ago(instead("$join", "$leave", &bob, "join"), 60_000),
        ago(text("!g", "$3", CAROL, "welcome back"), 50_000),
        ago(instead("$leave", "$before", &bob, "leave"), 80_000),
    ];
    for (n, event) in events.into_iter().enumerate() {
        world.push(&n.to_string(), &[event]).await;
    }
    assert_eq!(
        seen(&world, &bob).await,
        (vec!["welcome back".into(), "to both".into()], 2)
    );
}

/// A history may have been read by somebody who had left it long before they were linked.
#[tokio::test(flavor = "multi_thread")]
async fn a_leave_from_before_the_link_takes_nothing() {
    let (world, [_, bob]) = world_with_group().await;
    let mut conn = world.db.get().await.unwrap();
    let linked_now = "UPDATE tributary.messenger_connections SET linked_at = now()";
    conn.batch_execute(linked_now).await.unwrap();
    let pushed = [
        ago(instead("$leave", "$before", &bob, "leave"), 80_000),
        ago(text("!g", "$1", CAROL, "while away"), 70_000),
        ago(instead("$join", "$leave", &bob, "join"), 60_000),
    ];
    world.push("1", &pushed).await;
    assert_eq!(seen(&world, &bob).await.0, ["while away"]);
}

/// A room that is no portal any more ends them, and there is no leave to say when.
#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_was_taken_back_does_not_end_what_began_with_the_return() {
    let (world, [_, bob]) = world_with_group().await;
    for (n, event) in held_up_while_he_is_away(&bob).into_iter().enumerate() {
        world.push(&n.to_string(), &[event]).await;
    }
    let mut conn = world.db.get().await.unwrap();
    conn.batch_execute(
        "UPDATE tributary.rooms SET kind = 'other', bridge_id = NULL, protocol_id = NULL, channel_id = NULL",
    )
    .await
    .unwrap();
    grants::sync(&mut conn, &["!g".to_owned()]).await.unwrap();
    let open = "SELECT count(*) FROM tributary.room_grants WHERE until_at IS NULL";
    assert_eq!(world.count(open).await, 0);
    assert_eq!(seen(&world, &bob).await.0, ["welcome back", "to both"]);
}

/// What decides what is announced and what decides what is read are written down apart.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_is_what_is_read() {
    const UNTIL_TS: i64 = 1_790_000_000_000;
    let (world, [_, bob]) = world_with_group().await;
    // Received so many milliseconds behind the leave's time, and said so many.
    let received = [
        -60_001, -8_001, -8_000, -5_001, -5_000, -3_000, 0, 1, 30_000,
    ];
    let all = received
        .iter()
        .flat_map(|at| [-1, 0, 1].map(|ts| (*at, ts)));
    let all: Vec<_> = all.collect();
    let said = all.iter().enumerate();
    let said = said.map(|(n, _)| text("!g", &format!("${n}"), CAROL, &n.to_string()));
    world.push("1", &said.collect::<Vec<_>>()).await;
    let mut conn = world.db.get().await.unwrap();
    let received = |at: i64| format!("to_timestamp({UNTIL_TS} / 1000.0) + interval '1 ms' * {at}");
    for (n, (at, ts)) in all.iter().enumerate() {
        let sql = format!(
            "UPDATE tributary.messages SET received_at = {}, origin_server_ts = {} WHERE event_id = '${n}'",
            received(*at),
            UNTIL_TS + ts
        );
        conn.batch_execute(&sql).await.unwrap();
    }
    // Return and leave came in so long behind that time, and were said at it; so many of all are between them.
    for (from_at, from_ts, until_at, until_ts, count) in [
        (-60_000, false, 0, true, 6 * 3 - 3),
        (-60_000, false, 29_999, true, 7 * 3 - 4),
        (-60_000, false, -3_000, true, 5 * 3 - 4),
        (-60_000, false, 29_999, false, 7 * 3),
        (30_000, false, 60_000, false, 3),
        (30_000, true, 60_000, false, 3 + 2 * 2),
        (-5_000, true, 60_000, false, 5 * 3),
    ] {
        let case = (from_at, from_ts, until_at, until_ts);
        let said = |is_known| {
            if is_known {
                UNTIL_TS.to_string()
            } else {
                "NULL".to_owned()
            }
        };
        let sql = format!(
            "UPDATE tributary.room_grants
             SET from_at = {}, from_ts = {}, until_at = {}, until_ts = {} WHERE user_id = 'user_bob'",
            received(from_at),
            said(from_ts),
            received(until_at),
            said(until_ts)
        );
        conn.batch_execute(&sql).await.unwrap();
        let room = rooms::load(&conn, &["!g".to_owned()])
            .await
            .unwrap()
            .remove("!g")
            .unwrap();
        let grant = room.grants.iter().find(|grant| !grant.is_open()).unwrap();
        let covered = |(_, (at, ts)): &(usize, &(i64, i64))| {
            let received_at = chrono::DateTime::from_timestamp_millis(UNTIL_TS + at).unwrap();
            grant.covers(rooms::At::new(received_at, UNTIL_TS + ts))
        };
        let expected = all.iter().enumerate().filter(covered);
        let expected: BTreeSet<_> = expected.map(|(n, _)| n.to_string()).collect();
        let read: BTreeSet<_> = seen(&world, &bob).await.0.into_iter().collect();
        assert_eq!(read, expected, "{case:?}");
        assert_eq!(read.len(), count, "{case:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_follow_the_state() {
    let (world, alice) = world_with_direct_chat().await;
    world
        .push(
            "1",
            &[
                member("!dm", "$m1", CAROL, "join", "Carol"),
                member("!dm", "$m2", &alice.matrix_user_id, "join", "Alice"),
                text("!dm", "$1", CAROL, "hi"),
            ],
        )
        .await;
    let mut conn = world.db.get().await.unwrap();
    let title = async |conn: &mut tributary::db::Connection| {
        let mut items = conversations::page(conn, &alice.user_id, None, 1)
            .await
            .unwrap()
            .items;
        items.remove(0).title
    };
    assert_eq!(title(&mut conn).await.as_deref(), Some("Carol"));
    world
        .push(
            "2",
            &[state(
                "!dm",
                "$n",
                "m.room.name",
                &json!({"name": "Our chat"}),
            )],
        )
        .await;
    assert_eq!(title(&mut conn).await.as_deref(), Some("Our chat"));
    assert_eq!(
        page(&world, &alice.user_id).await[0]
            .sender
            .display_name
            .as_deref(),
        Some("Carol")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_event_becomes_a_dead_letter_and_its_neighbours_live() {
    let (world, alice) = world_with_direct_chat().await;
    world.push("1", &[
        json!(17),
        json!({"event_id": "$bad", "room_id": "!dm", "type": "m.room.message", "content": {"body": 5}}),
        json!({"event_id": "$odd", "room_id": "!dm", "type": "m.room.message", "sender": CAROL,
               "origin_server_ts": 1, "content": {"msgtype": "m.text", "body": 5}}),
        text("!dm", "$1", CAROL, "fine"),
    ]).await;
    assert_eq!(page(&world, &alice.user_id).await.len(), 1);
    assert_eq!(
        world
            .count("SELECT count(*) FROM tributary.dead_letters")
            .await,
        2
    );
}

/// One that waits for us, while we hold what it wants, gives way; here it is the push.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_deadlocks_is_begun_again() {
    let (world, alice) = world_with_direct_chat().await;
    let waiting = async |kind: &str| {
        let waiting = format!(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
             WHERE NOT l.granted AND l.locktype = '{kind}' AND a.datname = current_database()"
        );
        eventually("somebody waits", async || {
            (world.count(&waiting).await == 1).then_some(())
        })
        .await;
    };
    // Its speaker is being entered by somebody else: there it pauses, with its room locked.
    let mut pause = world.db.get().await.unwrap();
    let enter = format!(
        "BEGIN; INSERT INTO tributary.participants (conversation_id, matrix_user_id)
         SELECT id, '{CAROL}' FROM tributary.conversations"
    );
    pause.batch_execute(&enter).await.unwrap();
    let image = json!({"msgtype": "m.image", "body": "a.jpg", "url": "mxc://lab.local/a"});
    let mut event = text("!dm", "$1", CAROL, "");
    event["content"] = image;
    let events = [event];
    let push = world.push("1", &events);
    let meanwhile = async {
        waiting("transactionid").await;
        let mut other = world.db.get().await.unwrap();
        let hold = "BEGIN; SET LOCAL deadlock_timeout = '1min';
                    INSERT INTO tributary.media (mxc) VALUES ('mxc://lab.local/a')";
        other.batch_execute(hold).await.unwrap();
        let room = ["!dm".to_owned()];
        let go_on = async {
            waiting("advisory").await;
            pause.batch_execute("ROLLBACK").await.unwrap();
        };
        let (locked, ()) = tokio::join!(rooms::lock(&other, &room), go_on);
        locked.unwrap();
        other.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(push, meanwhile);
    assert_eq!(page(&world, &alice.user_id).await[0].attachments.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_message_and_an_own_receipt_read_what_is_before_them() {
    let (world, alice) = world_with_direct_chat().await;
    let unread = "SELECT unread_count::bigint AS count FROM tributary.conversation_access";
    let mut events: Vec<_> = (1..=4)
        .map(|i| text("!dm", &format!("${i}"), CAROL, "hi"))
        .collect();
    for (i, event) in (0..).zip(&mut events) {
        event["origin_server_ts"] = json!(event["origin_server_ts"].as_i64().unwrap() - 1000 + i);
    }
    world.push("1", &events[..2]).await;
    assert_eq!(world.count(unread).await, 2);
    let receipt = json!({"events": [], "ephemeral": [{"type": "m.receipt", "room_id": "!dm",
        "content": {"$1": {"m.read": {&alice.matrix_user_id: {"ts": 5}}}}}]});
    world
        .ingest
        .transaction("2", receipt.to_string().as_bytes())
        .await
        .unwrap();
    assert_eq!(world.count(unread).await, 1);
    world
        .push(
            "3",
            &[
                events[2].clone(),
                text("!dm", "$own", "@facebook_1001:lab.local", "me"),
            ],
        )
        .await;
    assert_eq!(world.count(unread).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_come_along_into_the_new_room_has_left() {
    const DAVE: &str = "@dave:lab.local";
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world
        .group("!1", "9", &[&alice.matrix_user_id, CAROL, DAVE])
        .await;
    world
        .push(
            "1",
            &[
                member("!1", "$c", CAROL, "join", "Carol"),
                member("!1", "$d", DAVE, "invite", "Dave"),
            ],
        )
        .await;
    let present = "SELECT count(*) FROM tributary.participants WHERE membership <> 'leave'";
    assert_eq!(world.count(present).await, 2);
    world
        .group("!2", "9", &[&alice.matrix_user_id, CAROL])
        .await;
    assert_eq!(world.count(present).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_only_the_new_room_sees_neither_messages_nor_people_of_the_old_one() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    let bob = world.customer("bob", "1002").await;
    let dave = "@facebook_2002:lab.local";
    world
        .group("!1", "3001", &[&alice.matrix_user_id, CAROL, dave, BOT])
        .await;
    world
        .push(
            "1",
            &[
                member("!1", "$m1", CAROL, "join", "Carol"),
                member("!1", "$m2", dave, "join", "Dave"),
                text("!1", "$1", CAROL, "in the old room"),
            ],
        )
        .await;
    world
        .group(
            "!2",
            "3001",
            &[&alice.matrix_user_id, &bob.matrix_user_id, CAROL, BOT],
        )
        .await;
    world
        .push(
            "2",
            &[
                member("!2", "$m3", CAROL, "join", "Carol"),
                text("!2", "$2", CAROL, "in the new room"),
            ],
        )
        .await;

    let mut conn = world.db.get().await.unwrap();
    let mut seen = Vec::new();
    for viewer in [&alice.user_id, &bob.user_id] {
        let list = conversations::page(&mut conn, viewer, None, 50)
            .await
            .unwrap()
            .items;
        assert_eq!(list.len(), 1);
        let people = participants::list(&mut conn, viewer, list[0].id)
            .await
            .unwrap();
        let knows_dave = people.iter().any(|p| p.matrix_user_id == dave);
        seen.push((page(&world, viewer).await.len(), knows_dave));
    }
    assert_eq!(seen, [(2, true), (1, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_no_customer_was_in_the_room_is_not_kept() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    world
        .group("!g", "3001", &[&alice.matrix_user_id, CAROL, BOT])
        .await;
    let aged = |event: Value, seconds: i64| ago(event, seconds * 1000);
    let of_alice = |id, membership| member("!g", id, &alice.matrix_user_id, membership, "Alice");
    world
        .push("1", &[aged(of_alice("$leave", "leave"), 60)])
        .await;
    // Discovery sees the return; here it is the state that it would read.
    world
        .group("!g", "3001", &[&alice.matrix_user_id, CAROL, BOT])
        .await;
    world
        .push(
            "2",
            &[
                aged(text("!g", "$before", CAROL, "before"), 70),
                aged(text("!g", "$gap", CAROL, "behind her back"), 30),
                // Not before the return, however little time it took.
                aged(text("!g", "$after", CAROL, "after"), 0),
            ],
        )
        .await;
    let bodies: Vec<_> = page(&world, &alice.user_id)
        .await
        .into_iter()
        .map(|message| message.body)
        .collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert_eq!(
        world.count("SELECT count(*) FROM tributary.messages").await,
        2
    );
}
