//! Who opens connections, and says nothing, or little, or slowly.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, interval};

use super::{
    crowd::{self, Crowd, OTHER_DESCRIPTORS},
    house::{HS_TOKEN, House},
    wire::Wire,
};
use crate::support::app::session;

/// Of one that has said nothing a place, a task and a few hundred bytes are kept, of one in the
/// middle of a request a buffer as well: in all so many KiB, and what everybody else costs.
const EACH_KIB: usize = 20;
const OTHERS_MIB: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_half_open_connections_keeps_nobody_out() {
    let (size, places) = crowd::size();
    let house = House::with(places + OTHER_DESCRIPTORS).await;
    let most_mib = OTHERS_MIB + places * EACH_KIB / 1024;
    for (bytes, what) in [(0, "half-open"), (500, "that have begun a request")] {
        let gathering = async {
            let crowd = Crowd::open(house.address, size, bytes).await;
            // Who has begun one is given up in seconds, which may be less than it takes.
            let least = if bytes == 0 { places * 9 / 10 } else { 0 };
            (crowd, house.holds(least).await)
        };
        let ((crowd, held), ()) = tokio::join!(gathering, house.serves());
        // All places are taken, and whoever has something to say still gets one.
        house.serves().await;
        house.took(&format!("{size} {what}, {held} at once"), most_mib);
        crowd.leave().await;
        house.has_its_descriptors().await;
        house.took("when they are gone", most_mib);
    }
    let displaced = house.metric("tributary_connections_displaced_total").await;
    assert!(displaced > 0, "nobody made room");
    house.is_well(30).await;
    let told = house.told("too many connections: some are refused, or have to make room");
    assert!((1..=10).contains(&told), "{told} lines");
}

/// Says so much, then a byte from time to time; what is answered, and after how long.
async fn drip(house: &House, head: &str) -> (Option<u16>, Duration) {
    let (began, mut wire) = (Instant::now(), Wire::open(house).await);
    assert!(wire.say(head).await);
    let mut ticks = interval(Duration::from_millis(250));
    let answer = loop {
        tokio::select! {
            answer = wire.answer() => break answer,
            _ = ticks.tick() => {}
        }
        wire.say("x").await;
    };
    (answer, began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_slow_is_given_up_and_nobody_waits_for_them() {
    let house = House::new().await;
    let token = session(&house.alice.user_id);
    let head = "GET /livez HTTP/1.1\r\nvelociraptor: ".to_owned();
    let body = format!(
        "POST /api/messenger/link HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\ncontent-length: 1000\r\n\r\n{{\"velociraptor"
    );
    let slow = async {
        let heads = join_all((0..200).map(|_| drip(&house, &head)));
        let bodies = join_all((0..200).map(|_| drip(&house, &body)));
        tokio::join!(heads, bodies)
    };
    // A push has a minute. Whoever knows the token can hold as much as is read of one.
    let push = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {HS_TOKEN}\r\n\
         content-length: 60000000\r\n\r\n{{\"events\": [\"velociraptor",
        house.transaction()
    );
    let pushes = join_all((0..200).map(|_| async {
        let mut wire = Wire::open(&house).await;
        assert!(wire.say(&push).await);
        wire
    }));
    let pushes = pushes.await;
    let others = async {
        house.serves().await;
        house.serves().await;
    };
    let ((heads, bodies), ()) = tokio::join!(slow, others);
    for (answer, took) in heads {
        assert!(
            answer.is_none() && took >= Duration::from_secs(9),
            "{answer:?} {took:?}"
        );
    }
    for (answer, took) in bodies {
        assert!(
            answer == Some(408) && took >= Duration::from_secs(9),
            "{answer:?} {took:?}"
        );
    }
    house.took("600 slow peers", 96);
    drop(pushes);
    house.is_well(30).await;
}
