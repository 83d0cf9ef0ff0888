//! Who opens too many sockets, or too often.

use std::sync::Arc;

use serde_json::{Value, json};
use tributary::ws::Hub;

use super::{
    ALICE, BOB,
    client::{Refused, Server},
    support::eventually,
    world::World,
};

/// Nobody is admitted by waiting as long as such a test takes.
fn strict(burst: usize) -> Value {
    json!({
        "limits": {"per_ip_per_second": 1, "per_user_per_second": 1, "burst": burst},
        "server": {"trusted_proxies": ["127.0.0.1"]},
    })
}

/// Handshakes until one is refused with 429, which has to be soon.
async fn refused(server: &Server, token: impl Fn() -> String, from: impl Fn(usize) -> String) {
    for nth in 0..50 {
        let query = format!("?token={}", token());
        let request = server.request_with(&query, "x-forwarded-for", &from(nth));
        match server.handshake(request).await {
            Err(Refused { status: 429, body }) => {
                assert_eq!(body["code"], "rate_limited");
                assert!(nth >= 2, "at the {nth}. time");
                return;
            }
            Ok(_) | Err(Refused { status: 401, .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("it was never refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_of_an_address_are_counted_before_their_token() {
    let world = World::with(strict(2)).await;
    let server = Server::start(&world);
    let address = |_| "203.0.113.1".to_owned();
    refused(&server, || "garbage".to_owned(), address).await;
    let query = format!("?token={}", world.token(ALICE));
    let other = server.request_with(&query, "x-forwarded-for", "203.0.113.2");
    assert!(server.handshake(other).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_of_a_user_are_counted_wherever_they_are() {
    let world = World::with(strict(2)).await;
    let server = Server::start(&world);
    let everywhere = |nth| format!("203.0.113.{nth}");
    refused(&server, || world.token(ALICE), everywhere).await;
    let query = format!("?token={}", world.token(BOB));
    assert!(server.handshake(server.request(&query)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_has_room_for_so_many_sockets() {
    let world = World::new().await;
    let server = Server::with(Arc::clone(&world.app), Hub::with_places(1));
    let first = server.live(&world, ALICE).await;
    let query = format!("?token={}", world.token(BOB));
    let refused = server
        .handshake(server.request(&query))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (503, &json!("unavailable"))
    );
    drop(first);
    eventually("there is room again", async || {
        server.handshake(server.request(&query)).await.ok()
    })
    .await;
}
