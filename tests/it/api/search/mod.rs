//! `GET /api/search`.

mod index;
mod names;
mod pages;
mod queries;

use serde_json::Value;
use tributary::search::index::step;

use crate::{api::app::TestApp, support::app::Answer};

/// What a search answers.
async fn search(app: &TestApp, user: &str, query: &[(&str, &str)]) -> Answer {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .finish();
    app.get(user, &format!("/api/search?{query}")).await
}

/// The event ids of what is found, and the rest of the page.
async fn found(app: &TestApp, user: &str, q: &str) -> Vec<String> {
    let answer = search(app, user, &[("q", q)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    events(&answer.json())
}

fn events(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["matrixEventId"].as_str().unwrap().to_owned())
        .collect()
}

/// The text with brackets around its ranges, as a web page would mark them.
fn marked(text: &Value, ranges: &Value) -> String {
    let mut units: Vec<u16> = text.as_str().unwrap().encode_utf16().collect();
    for range in ranges.as_array().unwrap().iter().rev() {
        let at = |end: &str| usize::try_from(range[end].as_u64().unwrap()).unwrap();
        units.insert(at("end"), u16::from(b']'));
        units.insert(at("start"), u16::from(b'['));
    }
    String::from_utf16(&units).unwrap()
}

/// Brings the index up to date.
async fn index(app: &TestApp) {
    while step(&app.app.db).await.unwrap() {}
}
