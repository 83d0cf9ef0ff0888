use reqwest::Method;
use serde_json::json;

use super::{accepted, no, refused};
use crate::accounts::{
    server::Server,
    world::{ALICE, BOB, USER_A, USER_B, World},
};

const PATH: &str = "/api/messenger/status";

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_connection_leads() {
    let server = Server::start(World::new().await).await;
    let status = |query: &str| server.request_as(USER_A, Method::GET, &format!("{PATH}{query}"));
    let nothing = json!({"connections": [], "status": null, "connectionId": null, "error": null});
    assert_eq!(accepted(status(""), 200).await, nothing);

    let (first, second) = (
        server.world.linked(USER_A, ALICE).await,
        server.world.linked(USER_A, BOB).await,
    );
    server
        .world
        .accounts
        .disconnect(USER_A, second.id, false, None)
        .await
        .unwrap();
    let all = accepted(status(""), 200).await;
    assert_eq!(all["connections"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&all["connectionId"], &all["status"]),
        (&json!(second.id), &json!("DISCONNECTED"))
    );
    let one = accepted(status(&format!("?connectionId={}", first.id)), 200).await;
    assert_eq!(
        (&one["connectionId"], &one["status"]),
        (&json!(first.id), &json!("CONNECTED"))
    );
    assert_eq!(one["connections"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_does_not_exist() {
    let server = Server::start(World::new().await).await;
    let theirs = server.world.linked(USER_B, BOB).await.id.to_string();
    for id in [
        theirs.as_str(),
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "x",
        "",
    ] {
        let path = format!("{PATH}?connectionId={id}");
        let answer = refused(server.request_as(USER_A, Method::GET, &path)).await;
        assert_eq!(answer, no(404, "not_found"), "{id}");
    }
    assert_eq!(
        refused(server.request(Method::GET, PATH)).await,
        no(401, "unauthorized")
    );
}
