//! Codes and what redeeming one does.

use chrono::TimeDelta;
use tributary::{
    accounts::{Error, Refused},
    model::connection::{Connection, Status},
};

use crate::accounts::{
    at_once, refusal,
    world::{ALICE, BOB, BOT, USER_A, USER_B, World},
};

const WRONG: &str = "ZZZZZZZZ";
const ROOM: &str = "!dm:lab.local";

fn code_of(answer: Result<Connection, Error>) -> &'static str {
    answer.map_or_else(|_| "refused", |_| "ok")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_maps_what_is_known_and_queues_the_rest() {
    let world = World::new().await;
    world
        .portal(ROOM, "77", &[ALICE, BOT, "@facebook_5:lab.local"])
        .await;
    world.portal("!quiet:lab.local", "77", &[ALICE, BOT]).await;
    world.portal("!other:lab.local", "88", &[BOB, BOT]).await;
    world
        .execute("UPDATE tributary.rooms SET backfill = false WHERE room_id = '!quiet:lab.local'")
        .await;
    let linked = world.linked(USER_A, ALICE).await;
    assert_eq!(
        (linked.status, linked.backfill.rooms_total),
        (Status::Connected, 2)
    );
    assert_eq!(
        world.frames(USER_A, 0).await,
        [
            "connection.status",
            "conversation.updated",
            "conversation.updated"
        ]
    );
    let jobs = world
        .texts(
            "SELECT kind || ' ' || key || ' ' || payload::text AS t FROM tributary.jobs ORDER BY 1",
        )
        .await;
    assert_eq!(
        jobs,
        [
            "backfill !dm:lab.local {\"days\": 30, \"maxMessages\": 5000}",
            "discover !dm:lab.local {}",
            "discover !quiet:lab.local {}",
            "discover_bridge meta {}",
        ]
    );
    world.message(ROOM, "@facebook_5:lab.local", "hello").await;
    assert_eq!(world.frames(USER_A, 3).await, ["message.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_filled_by_itself_unless_wanted() {
    let backfill = serde_json::json!({"backfill": {"on_connect": false}});
    let world = World::with(crate::accounts::world::config(backfill)).await;
    world.portal(ROOM, "77", &[ALICE, BOT]).await;
    world.linked(USER_A, ALICE).await;
    assert_eq!(world.count("jobs WHERE kind = 'backfill'").await, 0);
    assert_eq!(world.count("jobs").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_connection_keeps_its_id() {
    let world = World::new().await;
    let (one, other) = (world.accounts.clone(), world.replica());
    let (one, other) = tokio::join!(one.connect(USER_A, None), other.connect(USER_A, None));
    let waiting = one.unwrap();
    assert_eq!(
        (waiting.id, waiting.status),
        (other.unwrap().id, Status::Pending)
    );
    assert_eq!(world.connections(USER_A).await.len(), 1);

    let code = world.code(ALICE).await;
    let linked = world.accounts.link(USER_A, &code, None).await.unwrap();
    assert_eq!((linked.id, linked.status), (waiting.id, Status::Connected));
    assert_eq!(world.count("messenger_connections").await, 1);
    assert_eq!(
        world.accounts.connect(USER_A, None).await.unwrap().id,
        waiting.id
    );

    let second = world.linked(USER_A, BOB).await;
    assert_ne!(second.id, waiting.id);
    assert_eq!(world.connections(USER_A).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_lives_ten_minutes() {
    let world = World::new().await;
    let (late, timely) = (world.code(ALICE).await, world.code(BOB).await);
    world.pass(TimeDelta::seconds(540));
    assert_eq!(
        code_of(world.accounts.link(USER_B, &timely, None).await),
        "ok"
    );
    world.pass(TimeDelta::seconds(61));
    let refused = refusal(world.accounts.link(USER_A, &late, None).await);
    assert_eq!(refused, Refused::NotFound("code"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_redeem_a_code_at_once_one_wins() {
    let world = World::new().await;
    let replica = world.replica();
    for round in 0..10 {
        let matrix_user_id = format!("@alice{round}:lab.local");
        let code = world.code(&matrix_user_id).await;
        let (a, b) = tokio::join!(
            world.accounts.link(USER_A, &code, None),
            replica.link(USER_B, &code, None)
        );
        let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
        assert_eq!(won.unwrap().matrix_user_id, Some(matrix_user_id));
        assert_eq!(refusal(lost), Refused::Taken);
    }
    let owned = world.connections(USER_A).await.len() + world.connections(USER_B).await.len();
    assert_eq!(owned, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redeemed_code_is_its_owners() {
    let world = World::new().await;
    let code = world.code(ALICE).await;
    let linked = world.accounts.link(USER_A, &code, None).await.unwrap();
    let seen = world.position(USER_A).await;
    let spelled = format!(" {}-{} ", code[..4].to_lowercase(), &code[4..]);
    let again = world.accounts.link(USER_A, &spelled, None).await.unwrap();
    assert_eq!(again.id, linked.id);
    assert_eq!(world.position(USER_A).await, seen, "nothing happened");
    assert_eq!(
        refusal(world.accounts.link(USER_B, &code, None).await),
        Refused::Taken
    );
    assert!(world.connections(USER_B).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_tries_a_minute_close_the_door() {
    let world = World::new().await;
    let right = world.code(ALICE).await;
    for wrong in [WRONG, "", "no code", WRONG, "\u{0}"] {
        let refused = refusal(world.accounts.link(USER_A, wrong, None).await);
        assert_eq!(refused, Refused::NotFound("code"), "{wrong:?}");
    }
    let refused = refusal(world.accounts.link(USER_A, &right, None).await);
    let Refused::TooManyTries { retry_after } = refused else {
        panic!("{refused:?}")
    };
    assert!(
        (50..=60).contains(&retry_after.as_secs()),
        "{retry_after:?}"
    );
    let other = world.code(BOB).await;
    assert_eq!(
        code_of(world.accounts.link(USER_B, &other, None).await),
        "ok"
    );
    world.pass(TimeDelta::seconds(61));
    assert_eq!(
        code_of(world.accounts.link(USER_A, &right, None).await),
        "ok"
    );
    let outcomes = world
        .texts("SELECT outcome AS t FROM tributary.audit WHERE actor = 'user_a' ORDER BY at, id")
        .await;
    assert_eq!(
        outcomes[..6],
        [
            "not_found",
            "not_found",
            "not_found",
            "not_found",
            "not_found",
            "rate_limited"
        ]
    );
    assert_eq!(outcomes[6..], ["ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tries_are_counted_across_replicas() {
    let world = World::new().await;
    let replica = world.replica();
    let tries = (0..20).map(|n| {
        let accounts = if n % 2 == 0 {
            world.accounts.clone()
        } else {
            replica.clone()
        };
        async move { refusal(accounts.link(USER_A, WRONG, None).await).code() }
    });
    let answers = at_once(tries).await;
    let wrong = answers.iter().filter(|code| **code == "not_found");
    assert_eq!(wrong.count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tries_of_an_address_are_counted_whoever_makes_them_and_wherever() {
    let world = World::new().await;
    let right = world.code(ALICE).await;
    let replica = world.replica();
    let address = |text: &str| text.parse().ok();
    let first = world.accounts.link("user_x", WRONG, address("2001:db8::1"));
    assert_eq!(refusal(first.await).code(), "not_found");
    world
        .execute(
            "INSERT INTO tributary.link_attempts (user_id, attempted_at, address)
             SELECT user_id || n, attempted_at, address
             FROM tributary.link_attempts, generate_series(1, 29) AS n",
        )
        .await;
    let tries = (0..40).map(|n| {
        let accounts = [&world.accounts, &replica][n % 2].clone();
        // Of an IPv6 network all addresses are one.
        let (user, origin) = (format!("user_{n}"), address(&format!("2001:db8::{n}")));
        async move { refusal(accounts.link(&user, WRONG, origin).await).code() }
    });
    let answers = at_once(tries).await;
    let wrong = answers.iter().filter(|code| **code == "not_found");
    assert_eq!(wrong.count(), 50 - 30);
    let refused = refusal(
        world
            .replica()
            .link(USER_A, &right, address("2001:db8::aa"))
            .await,
    );
    assert_eq!(refused.code(), "rate_limited");
    let elsewhere = address("2001:db8:0:1::1");
    let linked = world.accounts.link(USER_A, &right, elsewhere).await;
    assert_eq!(code_of(linked), "ok");

    world.pass(TimeDelta::seconds(61));
    let other = world.code(BOB).await;
    let linked = world
        .accounts
        .link(USER_B, &other, address("2001:db8::aa"))
        .await;
    assert_eq!(code_of(linked), "ok");
    assert_eq!(world.count("link_attempts").await, 0, "nobody's are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_code_is_no_wrong_try() {
    let world = World::new().await;
    let origin = "203.0.113.1".parse().ok();
    for _ in 0..2 {
        let code = world.code(ALICE).await;
        for _ in 0..6 {
            let linked = world.accounts.link(USER_A, &code, origin).await.unwrap();
            assert_eq!(linked.matrix_user_id.as_deref(), Some(ALICE));
        }
        // Neither is one that somebody else was faster with.
        let late = world.accounts.link(USER_B, &code, origin).await;
        assert_eq!(refusal(late), Refused::Taken);
        let id = world.connections(USER_A).await[0].id;
        let gone = world.accounts.disconnect(USER_A, id, false, None).await;
        gone.unwrap();
    }
    assert_eq!(world.count("link_attempts").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_let_go_can_be_linked_again() {
    let world = World::new().await;
    world
        .portal(ROOM, "77", &[ALICE, BOT, "@facebook_5:lab.local"])
        .await;
    let first = world.linked(USER_A, ALICE).await;
    world
        .message(ROOM, "@facebook_5:lab.local", "to the first")
        .await;
    world
        .accounts
        .disconnect(USER_A, first.id, false, None)
        .await
        .unwrap();
    let second = world.linked(USER_B, ALICE).await;
    assert_ne!(second.id, first.id);
    world
        .message(ROOM, "@facebook_5:lab.local", "to the second")
        .await;
    let created = |frames: Vec<&str>| {
        frames
            .iter()
            .filter(|kind| **kind == "message.created")
            .count()
    };
    assert_eq!(created(world.frames(USER_A, 0).await), 1);
    assert_eq!(created(world.frames(USER_B, 0).await), 1);
    assert_eq!(world.count("conversations").await, 1);
}
