//! Whatever order events arrive in.

use serde_json::{Value, json};

use super::{BEFORE, LATER, USER_A, USER_B, aged, group, leave, named};
use crate::{
    api::conversations::alice_and_bob,
    support::{app::TestApp, pushes::text},
};

const HOUR: i64 = 3_600_000;
const ORDERS: [[usize; 4]; 8] = [
    [0, 1, 2, 3],
    [0, 2, 1, 3],
    [1, 0, 2, 3],
    [1, 2, 0, 3],
    [2, 0, 1, 3],
    [2, 1, 0, 3],
    [3, 2, 1, 0],
    [2, 3, 0, 1],
];

/// All that a user is shown of a group, without what differs between two of them.
async fn shown(app: &TestApp, user: &str, room: &str) -> Value {
    let list = app.get(user, "/api/conversations").await.json();
    let mut items = list["items"].as_array().unwrap().iter();
    let id = items.find(|item| item["matrixRoomId"] == room).unwrap()["id"].clone();
    let path = format!("/api/conversations/{}", id.as_str().unwrap());
    let conversation = app.get(user, &path).await.json();
    let mut people: Vec<_> = conversation["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|person| {
            json!([
                person["matrixUserId"],
                person["displayName"],
                person["membership"]
            ])
        })
        .collect();
    people.sort_by_key(ToString::to_string);
    let sql = format!(
        "SELECT count(*) FROM tributary.conversation_access a
         JOIN tributary.media i ON i.id = a.former_avatar_media_id
         JOIN tributary.former_people k USING (user_id, conversation_id)
         JOIN tributary.media f ON f.id = k.avatar_media_id
         WHERE a.conversation_id = {id} AND i.mxc = '{}' AND f.mxc = '{}'",
        BEFORE[0], BEFORE[1]
    )
    .replace('"', "'");
    let pictures = crate::support::world::count(&app.app.db, &sql).await;
    json!({"title": conversation["title"], "people": people, "pictures": pictures})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_was_follows_from_the_events_alone() {
    let app = alice_and_bob().await;
    let mut seen = Vec::new();
    for (n, order) in ORDERS.iter().enumerate() {
        let room = format!("!g{n}");
        group(&app, &room).await;
        let newcomer = super::member(&room, super::NEWCOMER, "$new", "Newcomer");
        let pushes = [
            named(&room, "1", "Grace", BEFORE)
                .map(|event| aged(event, 3 * HOUR))
                .to_vec(),
            vec![aged(leave(&room), 2 * HOUR)],
            named(&room, "2", "Quentin", LATER)
                .map(|event| aged(event, HOUR))
                .to_vec(),
            vec![
                aged(newcomer, HOUR),
                aged(text(&room, super::GHOST, "$t", "later"), HOUR),
            ],
        ];
        for &push in order {
            app.push_events(&format!("{n} {push}"), &pushes[push]).await;
        }
        seen.push([
            shown(&app, USER_A, &room).await,
            shown(&app, USER_B, &room).await,
        ]);
    }
    let [of_alice, of_bob] = &seen[0];
    assert_eq!(of_alice["title"], "Grace and others");
    assert_eq!(
        (&of_alice["pictures"], &of_bob["pictures"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(of_alice["people"].as_array().unwrap().len(), 3);
    assert_eq!(of_bob["people"].as_array().unwrap().len(), 4);
    for (n, views) in seen.iter().enumerate() {
        assert_eq!(views, &seen[0], "{:?}", ORDERS[n]);
    }
}

/// The push with the leave was held up, so its receipt is counted back from too late. What was
/// said behind it comes with its right age, before it or after it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_behind_a_leave_that_was_held_up_is_not_what_it_was() {
    let app = alice_and_bob().await;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [2, 0, 1], [2, 1, 0]] {
        let room = format!("!g{order:?}");
        group(&app, &room).await;
        let mut leave = aged(leave(&room), 30_000);
        leave["unsigned"]["age"] = json!(0);
        let pushes = [
            named(&room, "1", "Grace", BEFORE)
                .map(|event| aged(event, 31_000))
                .to_vec(),
            vec![leave],
            named(&room, "2", "Quentin", LATER)
                .map(|event| aged(event, 29_000))
                .to_vec(),
        ];
        for push in order {
            app.push_events(&format!("{room} {push}"), &pushes[push])
                .await;
        }
        let of_alice = shown(&app, USER_A, &room).await;
        assert_eq!(of_alice["title"], "Grace and others", "{order:?}");
        assert_eq!(of_alice["pictures"], 1, "{order:?}");
        let of_bob = shown(&app, USER_B, &room).await;
        assert_eq!(of_bob["title"], "Quentin and others", "{order:?}");
    }
}
