//! The log for machines: each line an object, with the request, the transaction or the job
//! that it is of.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tributary::{
    auth::{clerk::DEVELOPMENT_ISSUER, dev},
    clock::Clock,
};

use crate::{
    api::metrics::house::{FRIEND, HS_TOKEN, House, ROOM},
    support::{eventually, keys::signing_key, world::text},
};

/// The span of a line that is called so.
fn span<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    let spans = line["spans"].as_array()?;
    spans.iter().find(|span| span["name"] == name)
}

/// The first line that says so.
async fn line(house: &House, message: &str, of: impl Fn(&Value) -> bool) -> Value {
    eventually(message, async || {
        let lines = house.log();
        let mut said = lines.into_iter().filter(|line| line["message"] == message);
        said.find(|line| of(line))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_names_its_request_its_transaction_or_its_job() {
    let house = House::new().await;
    let path = "/_matrix/app/v1/transactions/t-1?nobody=reads-this";
    let request = house.http.request(Method::PUT, house.url(path));
    let refused = request.bearer_auth(HS_TOKEN).body("no JSON").send().await;
    let answer = refused.unwrap();
    assert_eq!(answer.status(), 400);
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();

    let told = line(&house, "a transaction was not taken", |_| true).await;
    let request = span(&told, "request").expect("a request");
    assert_eq!(request["id"], id);
    assert_eq!(request["method"], "PUT");
    assert_eq!(request["path"], "/_matrix/app/v1/transactions/{txn_id}");
    let transaction = span(&told, "transaction").expect("a transaction");
    assert_eq!(transaction["id"], "t-1");
    assert_eq!(
        (&told["level"], told["timestamp"].is_string()),
        (&json!("WARN"), true)
    );
    let spans = told["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2, "one of each: {spans:?}");

    let events = [text(
        "!nobodys:lab.local",
        "$1",
        FRIEND,
        "velociraptor-body",
    )];
    let body = json!({"events": events}).to_string();
    assert_eq!(house.push("t-2", body).await, 200);
    let tried = line(&house, "job tried", |line| line["job.kind"] == "discover").await;
    let job = span(&tried, "job").expect("a job");
    assert_eq!(
        (&job["kind"], &job["key"]),
        (&json!("discover"), &json!("!nobodys:lab.local"))
    );
    assert_eq!(tried["spans"].as_array().unwrap().len(), 1);
}

/// A handshake is a request like any other, and its token is nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_has_an_id_and_is_counted() {
    let house = House::new().await;
    let now = Clock::system().now();
    let minute = chrono::TimeDelta::minutes(1);
    let token = dev::mint(signing_key(), DEVELOPMENT_ISSUER, "user_alice", now, minute).unwrap();
    let url = house.url("/ws").replace("http", "ws");
    for (query, protocols) in [
        (format!("?token={token}"), None),
        (String::new(), Some(format!("tributary.v1, bearer.{token}"))),
    ] {
        let mut request = format!("{url}{query}").into_client_request().unwrap();
        if let Some(protocols) = protocols {
            let protocols = protocols.parse().unwrap();
            request
                .headers_mut()
                .insert("sec-websocket-protocol", protocols);
        }
        let (_socket, answer) = tokio_tungstenite::connect_async(request).await.unwrap();
        assert_eq!(answer.status(), 101);
        assert!(answer.headers().contains_key("x-request-id"));
    }
    let refused = house.at("/ws?token=nonsense").await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("x-request-id").is_some());
    let scrape = house.scrape().await;
    for (status, count) in [("1xx", 2.0), ("4xx", 1.0)] {
        let series = format!(
            r#"tributary_http_requests_total{{route="/ws",method="GET",status="{status}"}}"#
        );
        let of_it = scrape.series.get(&series);
        assert_eq!(of_it, Some(&count), "{series} in {}", scrape.text);
    }
    assert!(house.log().iter().all(|l| !l.to_string().contains(&token)));
}

/// Nothing that people say or sign in with is in a log, whatever goes wrong.
#[tokio::test(flavor = "multi_thread")]
async fn no_line_has_a_body_or_a_token() {
    let house = House::new().await;
    let mut bad = text(ROOM, "$bad", FRIEND, "");
    bad["content"] = json!({"msgtype": 1, "body": {"velociraptor": "body"}});
    let events = json!({"events": [text(ROOM, "$1", FRIEND, "velociraptor"), bad]});
    assert_eq!(house.push("1", events.to_string()).await, 200);
    assert_eq!(
        house.push("2", "velociraptor, no JSON".to_owned()).await,
        400
    );
    for path in [
        "/api/conversations?cursor=velociraptor",
        "/api/search?q=velociraptor",
        "/api/media/x?ticket=velociraptor",
        "/_matrix/app/v1/users/@x:lab.local?access_token=velociraptor",
        "/ws?token=velociraptor",
    ] {
        house.at(path).await;
        let request = house.http.get(house.url(path)).bearer_auth("velociraptor");
        request.send().await.unwrap();
    }
    line(&house, "events became dead letters", |_| true).await;
    line(&house, "a transaction was not taken", |_| true).await;
    let log = house.log();
    assert!(!log.is_empty());
    for line in log {
        let line = line.to_string();
        assert!(!line.contains("velociraptor"), "{line}");
        assert!(!line.contains(HS_TOKEN), "{line}");
    }
}
