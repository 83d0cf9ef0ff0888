//! However many users, rooms and strangers there are, there are as many series.

use serde_json::json;

use super::house::{FRIEND, House, ROOM};
use crate::support::world::text;

/// What no label may have in it: Matrix ids, Clerk ids, UUIDs, addresses.
fn looks_like_an_id(value: &str) -> bool {
    let is_uuid = value.split(['/', '-']).filter(|part| part.len() >= 8);
    let has_digits = is_uuid
        .into_iter()
        .any(|part| part.bytes().filter(u8::is_ascii_digit).count() >= 3);
    value.contains(['@', '!', '$', '#', ':', '?', '=', '%', ' '])
        || ["user_", "sess_", "lab.local", "127.0.0.1"]
            .iter()
            .any(|part| value.contains(part))
        || has_digits
}

async fn traffic(house: &House, from: usize) {
    for n in from..from + 60 {
        let events = [
            text(ROOM, &format!("$m{n}"), FRIEND, "hi"),
            text(
                &format!("!room{n}:lab.local"),
                &format!("$n{n}"),
                FRIEND,
                "hi",
            ),
        ];
        let body = json!({"events": events}).to_string();
        assert_eq!(house.push(&format!("t{n}"), body).await, 200);
        for path in [
            format!("/api/conversations/01890a5d-ac96-774b-bcce-{n:012}"),
            format!("/api/nothing/{n}"),
            format!("/@user{n}:lab.local"),
            format!("/_matrix/app/v1/users/@facebook_{n}:lab.local"),
            format!("/api/search?q={n}"),
        ] {
            house.at(&path).await;
            let method = format!("METHOD{n}").parse().unwrap();
            let request = house.http.request(method, house.url(&path));
            request.send().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_of_many_makes_no_more_series_than_that_of_few() {
    let house = House::new().await;
    traffic(&house, 0).await;
    house.scrape().await;
    let few = house.scrape().await;
    traffic(&house, 1000).await;
    let many = house.scrape().await;
    let new = many
        .series
        .keys()
        .filter(|name| !few.series.contains_key(*name));
    // What was tried in the background meanwhile may have its first call.
    let new: Vec<_> = new.filter(|name| name.contains("http_")).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(many.series.len() < 1500, "{}", many.series.len());
    for name in many.series.keys() {
        let Some((_, labels)) = name.split_once('{') else {
            continue;
        };
        for label in labels.trim_end_matches('}').split("\",") {
            let (name, value) = label.split_once("=\"").unwrap();
            // A route's parameters have names.
            let value = value.trim_end_matches('"').replace("{user_id}", "");
            let is_known = matches!(name, "version" | "le");
            assert!(is_known || !looks_like_an_id(&value), "{label}");
        }
    }
}

#[test]
fn ids_are_told_from_names() {
    for id in [
        "@facebook_1:lab.local",
        "!room:lab.local",
        "user_2abc",
        "/api/messages/01890a5d-ac96-774b-bcce-b302099a8057",
    ] {
        assert!(looks_like_an_id(id), "{id}");
    }
    for name in [
        "/api/conversations/{id}",
        "2xx",
        "4401",
        "backfill",
        "CONNECTED",
    ] {
        assert!(!looks_like_an_id(name), "{name}");
    }
}
