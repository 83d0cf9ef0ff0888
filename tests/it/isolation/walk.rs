//! Each of the others tries each operation with each of Alice's ids.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder, header::HeaderName};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    house::{ALICE, Hidden, House, Ids, MARK, OTHERS, Other},
    routes::{Operation, operations},
};
use crate::support::app::Answer;

/// An id that nobody has.
const MISSING: Uuid = Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057);

/// What an id in a request is an id of.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Conversation,
    Message,
    Connection,
    Media,
}

const KINDS: [Kind; 4] = [
    Kind::Conversation,
    Kind::Message,
    Kind::Connection,
    Kind::Media,
];

impl Kind {
    /// Of what stands in a path between braces. Another one must be known here before its
    /// route can be tested.
    fn of_path(path: &str) -> Self {
        match path.split("/{id}").next().unwrap() {
            "/api/conversations" => Self::Conversation,
            "/api/messages" => Self::Message,
            "/api/messenger/connections" => Self::Connection,
            "/api/media" => Self::Media,
            _ => panic!("{path}: this test has to be told what its parameter is, and given one"),
        }
    }

    /// Of a query's parameter, if it is an id.
    fn of_query(operation: &Operation, name: &str) -> Option<Self> {
        match name {
            "connectionId" => Some(Self::Connection),
            "conversationId" => Some(Self::Conversation),
            "limit" | "cursor" | "purge" | "q" | "thumbnail" | "redirect" | "ticket" | "from"
            | "to" | "timeZone" | "order" => None,
            _ => panic!("{operation}: this test has to be told what ?{name}= is"),
        }
    }

    const fn ids(self, hidden: &Hidden) -> &Ids {
        match self {
            Self::Conversation => &hidden.conversations,
            Self::Message => &hidden.messages,
            Self::Connection => &hidden.connections,
            Self::Media => &hidden.media,
        }
    }
}

/// The body that an operation wants. Where it names things they are Alice's, which are to
/// be passed over.
fn body(house: &House, operation: &Operation) -> Option<Value> {
    match operation.path.as_str() {
        "/api/media/tickets" => Some(json!({"ids": house.files()})),
        "/api/messenger/link" => Some(json!({"code": "AAAA1111"})),
        path if operation.has_body() => panic!("{path}: this test has to be told its body"),
        _ => None,
    }
}

/// What is asked of an operation with one id: its path, and its query.
fn targets(operation: &Operation) -> Vec<(Kind, String)> {
    let Operation { path, .. } = operation;
    assert_eq!(
        operation.parameters("path").len(),
        path.matches('{').count(),
        "{operation} describes its path"
    );
    let mut targets = Vec::new();
    if path.contains('{') {
        assert_eq!(path.matches('{').count(), 1, "{operation}");
        targets.push((Kind::of_path(path), path.replace("{id}", "ID")));
    }
    for name in operation.parameters("query") {
        if let Some(kind) = Kind::of_query(operation, &name) {
            let more = match path.as_str() {
                "/api/search" => "&q=a",
                // The same ones whenever it is asked.
                "/api/analytics" => "&from=2020-01-01&to=2100-01-01",
                _ => "",
            };
            targets.push((kind, format!("{path}?{name}=ID{more}")));
        }
    }
    targets
}

async fn ask(house: &House, user_id: &str, operation: &Operation, path: &str) -> Answer {
    let request = house.request(user_id, operation.method.clone(), path);
    let with_body = |request: RequestBuilder| match body(house, operation) {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = Answer::of(with_body(request)).await;
    assert!(answer.status < 500, "{operation}: {answer:?}");
    answer
}

/// Every id of Alice's is like one that does not exist, and like one that is none.
async fn try_ids(house: &House, other: &Other, operation: &Operation, hidden: &Hidden) -> usize {
    let mut tried = 0;
    for (kind, path) in targets(operation) {
        let at = |id: &str| path.replace("ID", id);
        let missing = ask(house, other.user_id, operation, &at(&MISSING.to_string())).await;
        assert_eq!(missing.status, 404, "{operation}: {missing:?}");
        // Those of the other kinds as well: an id is not looked up elsewhere either.
        let foreign = KINDS.iter().flat_map(|kind| kind.ids(hidden));
        let foreign = foreign.map(Uuid::to_string);
        for id in foreign.chain(["x".to_owned()]) {
            let answer = ask(house, other.user_id, operation, &at(&id)).await;
            assert_eq!(
                (answer.status, &answer.text),
                (404, &missing.text),
                "{}: {operation} with {id}, {kind:?}",
                other.user_id
            );
            assert_eq!(shape(&answer), shape(&missing), "{operation} with {id}");
            tried += 1;
        }
    }
    tried
}

/// Which headers there are: they tell nothing either.
fn shape(answer: &Answer) -> Vec<&str> {
    answer.headers.keys().map(HeaderName::as_str).collect()
}

/// What needs no id shows nothing of Alice's, nor goes on from where she is.
async fn try_lists(house: &House, other: &Other, operation: &Operation, hidden: &Hidden) -> usize {
    let Operation { path, .. } = operation;
    if path.contains('{') {
        return 0;
    }
    let queries = operation.parameters("query");
    let has = |name: &str| queries.iter().any(|query| query == name);
    let search = if has("q") {
        format!("&q={MARK}")
    } else {
        String::new()
    };
    let mut paths = vec![format!("{path}?{}", search.trim_start_matches('&'))];
    if has("cursor") {
        let cursor = alices_cursor(house, path, &search).await;
        paths.push(format!("{path}?cursor={cursor}{search}"));
    }
    for path in &paths {
        let answer = ask(house, other.user_id, operation, path).await;
        hidden.check(&format!("{operation} to {}", other.user_id), &answer.text);
    }
    paths.len()
}

/// A place in a list of Alice's, or in her export.
async fn alices_cursor(house: &House, path: &str, search: &str) -> String {
    let first = if path == "/api/export" {
        let export = house.get(ALICE, path).await.text;
        let line = export.lines().nth(1).expect("a first line of Alice's");
        serde_json::from_str::<Value>(line).unwrap()["cursor"].clone()
    } else {
        let page = house.get(ALICE, &format!("{path}?limit=1{search}")).await;
        page.json()["nextCursor"].clone()
    };
    first.as_str().expect("there is more of Alice's").to_owned()
}

/// What one of the others may read of the chat that they share with Alice.
async fn try_shared(house: &House, other: &Other, hidden: &Hidden) {
    let list = house.get(other.user_id, "/api/conversations").await;
    hidden.check(other.user_id, &list.text);
    for conversation in list.json()["items"].as_array().unwrap() {
        let path = format!(
            "/api/conversations/{}",
            conversation["id"].as_str().unwrap()
        );
        let messages = house.get(other.user_id, &format!("{path}/messages")).await;
        for answer in [&messages, &house.get(other.user_id, &path).await] {
            assert_eq!(answer.status, 200);
            hidden.check(other.user_id, &answer.text);
        }
        for message in messages.json()["items"].as_array().unwrap() {
            let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
            hidden.check(other.user_id, &house.get(other.user_id, &path).await.text);
        }
    }
}

/// What Alice reads, all of it.
async fn alices(house: &House, operations: &[Operation], all: &Hidden) -> BTreeMap<String, Value> {
    let mut answers = BTreeMap::new();
    for operation in operations.iter().filter(|o| o.method == Method::GET) {
        for (kind, path) in targets(operation) {
            for id in kind.ids(all) {
                let path = path.replace("ID", &id.to_string());
                let answer = house.get(ALICE, &path).await;
                assert_eq!(answer.status, 200, "{path} is Alice's: {answer:?}");
                // A file is what it is.
                let answer = serde_json::from_str(&answer.text).unwrap_or(answer.text.into());
                answers.insert(path, answer);
            }
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_not_ones_own_does_not_exist() {
    let house = House::new().await;
    let mut sockets = house.listen().await;
    house.live().await;
    let description = house.description().await;
    let operations: Vec<_> = operations(&description)
        .into_iter()
        .filter(Operation::is_of_customers)
        .collect();
    assert!(operations.len() >= 9);
    let all = house.hidden_from(None).await;
    assert!(
        all.conversations.len() == 3 && all.messages.len() >= 8 && all.media.len() == 2,
        "{all:?}"
    );
    let before = alices(&house, &operations, &all).await;
    assert!(
        before
            .values()
            .filter(|answer| answer.to_string().contains(MARK))
            .count()
            >= 10
    );

    let mut tried = 0;
    for (other, socket) in OTHERS.iter().zip(&mut sockets) {
        let hidden = house.hidden_from(Some(other)).await;
        assert!(!hidden.conversations.is_empty() && !hidden.messages.is_empty());
        try_shared(&house, other, &hidden).await;
        for operation in &operations {
            tried += try_ids(&house, other, operation, &hidden).await;
            tried += try_lists(&house, other, operation, &hidden).await;
        }
        hear(socket, other, &hidden).await;
    }
    assert!(tried >= 300, "{tried}");
    assert_eq!(
        alices(&house, &operations, &all).await,
        before,
        "somebody changed Alice's"
    );
    owned(&house, &operations, &all).await;
}

/// Every frame until a pong: what was due before is there by then.
async fn hear(socket: &mut crate::ws::client::Client, other: &Other, hidden: &Hidden) {
    socket.say(r#"{"type":"ping"}"#).await;
    let mut frames = 0;
    loop {
        let frame = socket.next().await.unwrap();
        if frame["type"] == "pong" {
            break;
        }
        hidden.check(&format!("a frame to {}", other.user_id), &frame.to_string());
        frames += 1;
    }
    // Those with an account heard of their own chat.
    let is_linked = other.user_id != "user_without_a_connection";
    assert!(!is_linked || frames > 0, "{} heard nothing", other.user_id);
}

/// In Alice's hands the same requests succeed: it is not for the paths that they failed.
async fn owned(house: &House, operations: &[Operation], all: &Hidden) {
    for operation in operations {
        for (kind, path) in targets(operation) {
            for id in kind.ids(all) {
                let path = path.replace("ID", &id.to_string());
                let answer = ask(house, ALICE, operation, &path).await;
                assert!(answer.status < 300, "{operation}: {answer:?}");
            }
        }
    }
}
