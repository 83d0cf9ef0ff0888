use reqwest::Method;
use serde_json::{Value, json};

use super::{accepted, no, refused};
use crate::accounts::{
    server::Server,
    world::{ALICE, USER_A, World},
};

const PATH: &str = "/api/messenger/connect";

#[tokio::test(flavor = "multi_thread")]
async fn connecting_twice_is_connecting_once() {
    let server = Server::start(World::new().await).await;
    let connect = || server.request_as(USER_A, Method::POST, PATH);
    let first = accepted(connect(), 202).await;
    assert_eq!(first["status"], "PENDING");
    assert_eq!(first["matrixUserId"], Value::Null);
    assert_eq!(accepted(connect(), 202).await, first);
    let code = json!({"code": server.world.code(ALICE).await});
    let link = server.request_as(USER_A, Method::POST, "/api/messenger/link");
    let linked = accepted(link.json(&code), 200).await;
    assert_eq!(linked["id"], first["id"]);
    assert_eq!(accepted(connect(), 202).await, linked);
    assert_eq!(
        refused(server.request(Method::POST, PATH)).await,
        no(401, "unauthorized")
    );
}
