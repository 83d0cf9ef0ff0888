//! The homeserver pushes garbage.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::house::{HS_TOKEN, House, SECRET};
use crate::support::{app::Answer, world::text};

const MIB: usize = 1 << 20;

async fn push(house: &House, token: &str, body: String) -> u16 {
    let push = house.request(Method::PUT, &house.transaction());
    Answer::of(push.bearer_auth(token).body(body)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_garbage_costs_a_bounded_amount() {
    let house = House::new().await;
    let deep = |depth: usize| {
        format!(
            r#"{{"events":[{}{}]}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    let mut long = text(
        "!room:lab.local",
        "$long",
        "@facebook_2001:lab.local",
        SECRET,
    );
    long["content"]["body"] = SECRET.repeat(MIB / SECRET.len()).into();
    let cases = [
        (format!(r#"{{"events":"{SECRET}"}}"#), 400),
        (format!(r#"{{"events":[{{"{SECRET}":"#), 400),
        (format!(r#"{{"events":[{}1]}}"#, "1,".repeat(16 * MIB)), 400),
        (format!("[{SECRET}]"), 400),
        (deep(MIB), 200),
        (json!({"events": [long]}).to_string(), 200),
        (
            json!({"events": [{"event_id": SECRET}, 1, null, [SECRET]]}).to_string(),
            200,
        ),
    ];
    let pushes = join_all(
        cases
            .iter()
            .map(|(body, _)| push(&house, HS_TOKEN, body.clone())),
    );
    let (answers, ()) = tokio::join!(pushes, house.serves());
    for (answer, (body, expected)) in answers.into_iter().zip(&cases) {
        assert_eq!(answer, *expected, "{}", &body[..body.len().min(40)]);
    }
    house.took("pushes of garbage", 160);
    house.is_well(60).await;
}

/// Of a stranger nothing but the head is read, and of thousands a few lines are written.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_know_the_token_costs_next_to_nothing() {
    let house = House::new().await;
    let strangers = async {
        for _ in 0..20 {
            let body = || SECRET.repeat(10_000);
            let all = join_all((0..50).map(|_| push(&house, "not-the-token", body()))).await;
            assert!(all.iter().all(|status| *status == 403), "{all:?}");
        }
    };
    let ((), ()) = tokio::join!(strangers, house.serves());
    house.took("a thousand pushes of strangers", 64);
    house.is_well(30).await;
}
