//! Folding commutes (DESIGN invariant 3): whatever order, repetition and batching
//! the events of a room arrive in, on one connection or on several at once, the
//! stored result is the same.

use futures_util::stream::{self, StreamExt as _};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::support::world::{self, World};

const CAROL: &str = "@facebook_2001:lab.local";
const DAVE: &str = "@facebook_2002:lab.local";
const BOT: &str = "@facebookbot:lab.local";
const MEMBERSHIPS: [&str; 3] = ["join", "leave", "invite"];
/// How many histories are tried; more with `TRIBUTARY_TEST_HISTORIES`.
const HISTORIES: usize = 20;

/// One thing that happens, by small numbers: targets may be known or not.
#[derive(Debug, Clone)]
enum Step {
    Message {
        sender: bool,
        at: i64,
        odd: bool,
    },
    Redaction {
        target: usize,
        at: i64,
    },
    Member {
        ghost: bool,
        membership: usize,
        name: usize,
        at: i64,
        replaces: usize,
    },
    Name {
        name: usize,
        at: i64,
        replaces: usize,
    },
    Pruned {
        at: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..30_i64;
    let index = 0..60_usize;
    prop_oneof![
        6 => (any::<bool>(), at.clone(), prop::bool::weighted(0.1))
            .prop_map(|(sender, at, odd)| Step::Message { sender, at, odd }),
        3 => (index.clone(), at.clone()).prop_map(|(target, at)| Step::Redaction { target, at }),
        2 => (any::<bool>(), 0..3_usize, 0..3_usize, at.clone(), index.clone()).prop_map(
            |(ghost, membership, name, at, replaces)| Step::Member { ghost, membership, name, at, replaces }
        ),
        2 => (0..4_usize, at.clone(), index).prop_map(|(name, at, replaces)| Step::Name { name, at, replaces }),
        1 => at.prop_map(|at| Step::Pruned { at }),
    ]
}

/// A history, and the order, with repetitions, and the sizes of the batches in
/// which it arrives the second time.
fn arrival() -> impl Strategy<Value = (Vec<Step>, Vec<usize>, Vec<usize>)> {
    prop::collection::vec(step(), 1..60).prop_flat_map(|steps| {
        let all: Vec<usize> = (0..steps.len()).collect();
        let again = prop::collection::vec(0..steps.len(), 0..20);
        let order = again.prop_flat_map(move |again| {
            let mut order = all.clone();
            order.extend(again);
            Just(order).prop_shuffle()
        });
        (
            Just(steps),
            order,
            prop::collection::vec(1..12_usize, 1..20),
        )
    })
}

/// The event of a step, in a room.
fn event(room: &str, index: usize, step: &Step) -> Value {
    let id = |index: usize| format!("${index}-{room}");
    let base = |kind: &str, sender: &str, at: i64, content: Value| {
        json!({
            "type": kind, "room_id": room, "event_id": id(index), "sender": sender,
            "origin_server_ts": 1_700_000_000_000 + at * 1000, "content": content,
        })
    };
    match step {
        Step::Message { sender, at, odd } => {
            let sender = if *sender { CAROL } else { DAVE };
            let body = if *odd {
                json!(7)
            } else {
                json!(format!("message {index}"))
            };
            base(
                "m.room.message",
                sender,
                *at,
                json!({"msgtype": "m.text", "body": body}),
            )
        }
        Step::Redaction { target, at } => base(
            "m.room.redaction",
            CAROL,
            *at,
            json!({ "redacts": id(*target) }),
        ),
        Step::Member {
            ghost,
            membership,
            name,
            at,
            replaces,
        } => {
            let who = if *ghost { CAROL } else { DAVE };
            let names = [json!("One"), json!("Two"), json!({"not": "a name"})];
            let content = json!({
                "membership": MEMBERSHIPS[*membership],
                "displayname": names[*name],
            });
            let mut event = base("m.room.member", who, *at, content);
            event["state_key"] = json!(who);
            event["unsigned"] = json!({ "replaces_state": id(*replaces) });
            event
        }
        Step::Name { name, at, replaces } => {
            let names = [json!("A"), json!("B"), json!(""), json!(5)];
            let mut event = base("m.room.name", BOT, *at, json!({"name": names[*name]}));
            event["state_key"] = json!("");
            event["unsigned"] = json!({ "replaces_state": id(*replaces) });
            event
        }
        Step::Pruned { at } => {
            let mut event = base("m.room.message", DAVE, *at, json!({}));
            event["unsigned"] = json!({"redacted_because": {
                "event_id": format!("$because-{index}-{room}"), "sender": CAROL,
                "origin_server_ts": 1_700_000_000_000_i64 + at * 1000,
            }});
            event
        }
    }
}

/// What is stored of a room's conversation, ids, arrival times and unread counts aside.
async fn stored(world: &World, room: &str) -> String {
    #[derive(diesel::QueryableByName)]
    struct Dump {
        #[diesel(sql_type = diesel::sql_types::Text)]
        dump: String,
    }
    use diesel_async::RunQueryDsl as _;
    let mut conn = world.db.get().await.unwrap();
    let dump: Dump = diesel::sql_query(
        "SELECT jsonb_pretty(jsonb_build_object(
             'conversation', (SELECT jsonb_build_array(c.name, c.topic, c.is_group)
                 FROM tributary.conversations c WHERE c.matrix_room_id = $1),
             'titles', (SELECT jsonb_agg(a.title ORDER BY a.user_id) FROM tributary.conversation_access a
                 JOIN tributary.conversations c ON c.id = a.conversation_id WHERE c.matrix_room_id = $1),
             'participants', (SELECT jsonb_agg(jsonb_build_array(p.matrix_user_id, p.display_name,
                     p.membership, p.is_service) ORDER BY p.matrix_user_id)
                 FROM tributary.participants p JOIN tributary.conversations c ON c.id = p.conversation_id
                 WHERE c.matrix_room_id = $1),
             'messages', (SELECT jsonb_agg(jsonb_build_array(m.event_id, m.sender, m.type, m.body, m.content,
                     m.timestamp, m.deleted_at) ORDER BY m.event_id)
                 FROM tributary.messages m WHERE m.room_id = $1),
             'state', (SELECT jsonb_agg(jsonb_build_array(s.event_id, s.type, s.content) ORDER BY s.event_id)
                 FROM tributary.state_events s WHERE s.room_id = $1),
             'members', (SELECT jsonb_agg(jsonb_build_array(r.user_id, r.membership) ORDER BY r.user_id)
                 FROM tributary.room_members r WHERE r.room_id = $1),
             'dead', (SELECT jsonb_agg(d.event_id ORDER BY d.event_id)
                 FROM tributary.dead_letters d WHERE d.room_id = $1))) AS dump",
    )
    .bind::<diesel::sql_types::Text, _>(room)
    .get_result(&mut conn)
    .await
    .unwrap();
    dump.dump.replace(room, "!room")
}

fn batches<'a>(order: &'a [usize], sizes: &'a [usize]) -> Vec<&'a [usize]> {
    let (mut rest, mut sizes, mut found) = (order, sizes.iter().cycle(), Vec::new());
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).min(rest.len());
        let (batch, behind) = rest.split_at(size);
        found.push(batch);
        rest = behind;
    }
    found
}

async fn portal(world: &World, alice: &world::Customer, room: &str) {
    world
        .group(room, room, &[&alice.matrix_user_id, CAROL, DAVE, BOT])
        .await;
}

fn histories() -> usize {
    std::env::var("TRIBUTARY_TEST_HISTORIES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(HISTORIES)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_arrival_is_of_no_consequence() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    let mut runner = TestRunner::new(Config::default());
    for case in 0..histories() {
        let (steps, order, sizes) = arrival().new_tree(&mut runner).unwrap().current();
        let [first, second, third] = ["a", "b", "c"].map(|which| format!("!{case}{which}"));
        for room in [&first, &second, &third] {
            portal(&world, &alice, room).await;
        }
        let whole: Vec<_> = steps
            .iter()
            .enumerate()
            .map(|(i, step)| event(&first, i, step))
            .collect();
        world.push(&format!("{case}-0"), &whole).await;

        let pushes = batches(&order, &sizes);
        for (number, batch) in pushes.iter().enumerate() {
            let events: Vec<_> = batch
                .iter()
                .map(|&i| event(&second, i, &steps[i]))
                .collect();
            world.push(&format!("{case}-1-{number}"), &events).await;
        }
        let at_once = pushes.iter().enumerate().map(|(number, batch)| {
            let events: Vec<_> = batch.iter().map(|&i| event(&third, i, &steps[i])).collect();
            let (world, id) = (&world, format!("{case}-2-{number}"));
            async move { world.push(&id, &events).await }
        });
        // As many as there are connections.
        stream::iter(at_once)
            .buffer_unordered(8)
            .collect::<Vec<()>>()
            .await;

        let expected = stored(&world, &first).await;
        assert_eq!(
            stored(&world, &second).await,
            expected,
            "shuffled: {steps:?} {order:?}"
        );
        assert_eq!(
            stored(&world, &third).await,
            expected,
            "at once: {steps:?} {order:?}"
        );
    }
}
