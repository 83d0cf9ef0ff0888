use reqwest::Method;

use super::{no, refused};
use crate::accounts::{
    server::Server,
    world::{ALICE, BOB, BOT, USER_A, USER_B, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_let_go_then_purged() {
    let server = Server::start(World::new().await).await;
    let world = &server.world;
    world.portal("!dm:lab.local", "77", &[ALICE, BOT]).await;
    let id = world.linked(USER_A, ALICE).await.id;
    world
        .message("!dm:lab.local", "@facebook_5:lab.local", "hello")
        .await;
    let path = format!("/api/messenger/connections/{id}");
    for (query, messages) in [
        ("", 1),
        ("?purge=false", 1),
        ("?purge=true", 0),
        ("?purge=true", 0),
    ] {
        let delete = server.request_as(USER_A, Method::DELETE, &format!("{path}{query}"));
        let response = delete.send().await.unwrap();
        assert_eq!(response.status(), 204, "{query}");
        assert_eq!(world.count("messages").await, messages, "{query}");
    }
    let odd = server.request_as(USER_A, Method::DELETE, &format!("{path}?purge=perhaps"));
    assert_eq!(refused(odd).await, no(400, "invalid_request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_does_not_exist() {
    let server = Server::start(World::new().await).await;
    let theirs = server.world.linked(USER_B, BOB).await.id.to_string();
    for id in [theirs.as_str(), "01890a5d-ac96-774b-bcce-b302099a8057", "x"] {
        let path = format!("/api/messenger/connections/{id}?purge=true");
        let delete = server.request_as(USER_A, Method::DELETE, &path);
        assert_eq!(refused(delete).await, no(404, "not_found"), "{id}");
        assert_eq!(
            refused(server.request(Method::DELETE, &path)).await,
            no(401, "unauthorized")
        );
    }
}
