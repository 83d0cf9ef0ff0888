//! A conversation that goes on in another room.

use serde_json::json;
use tributary::db::read::{conversations, participants};

use crate::support::world::{Customer, World, member, state};

const CAROL: &str = "@facebook_2001:lab.local";

/// Title, and what Carol is called.
async fn seen(world: &World, viewer: &Customer) -> (Option<String>, Option<String>) {
    let mut conn = world.db.get().await.unwrap();
    let page = conversations::page(&mut conn, &viewer.user_id, None, 50).await;
    let conversation = page.unwrap().items.remove(0);
    let people = participants::list(&mut conn, &viewer.user_id, conversation.id).await;
    let carol = people
        .unwrap()
        .into_iter()
        .find(|p| p.matrix_user_id == CAROL);
    (conversation.title, carol.unwrap().display_name)
}

fn some(title: &str, name: &str) -> (Option<String>, Option<String>) {
    (Some(title.to_owned()), Some(name.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_did_not_come_along_goes_on_seeing_the_old_one() {
    let world = World::new().await;
    let alice = world.customer("alice", "1001").await;
    let bob = world.customer("bob", "1002").await;
    let all = [
        alice.matrix_user_id.as_str(),
        bob.matrix_user_id.as_str(),
        CAROL,
    ];
    let name = |room: &str, id: &str, name: &str| {
        [
            state(
                room,
                &format!("${id}n"),
                "m.room.name",
                &json!({"name": name}),
            ),
            member(
                room,
                &format!("${id}c"),
                CAROL,
                "join",
                &format!("Carol {id}"),
            ),
        ]
    };
    world.group("!1", "9", &all).await;
    world.push("1", &name("!1", "1", "One")).await;
    // Of the portal's two rooms the one with the greater id leads.
    world.group("!2", "9", &all[1..]).await;
    world.push("2", &name("!2", "2", "Two")).await;
    assert_eq!(seen(&world, &alice).await, some("One", "Carol 1"));
    assert_eq!(seen(&world, &bob).await, some("Two", "Carol 2"));
    // She is still in the old one, and told what is new there.
    world.push("3", &name("!1", "3", "Three")).await;
    assert_eq!(seen(&world, &alice).await, some("Three", "Carol 3"));
    assert_eq!(seen(&world, &bob).await, some("Two", "Carol 2"));
    // And when she comes along, she sees what the others see.
    world.group("!2", "9", &all).await;
    assert_eq!(seen(&world, &alice).await, some("Two", "Carol 2"));
    let former = "SELECT count(*) FROM tributary.former_people";
    assert_eq!(world.count(former).await, 0);
}
