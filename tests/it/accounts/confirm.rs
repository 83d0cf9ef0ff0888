//! What bridges answer when they are asked.

use serde_json::{Value, json};
use tributary::{
    accounts::{Confirmed, Push, Question},
    matrix::provisioning::Login,
    model::connection::{Connection, Status},
};

use crate::accounts::world::{ALICE, BOT, USER_A, USER_B, World, askable};

const OWN_GHOST: &str = "@facebook_77:lab.local";
const FRIEND: &str = "@facebook_5:lab.local";
const DM: &str = "!dm:lab.local";
const ASKED: &str = "SELECT key AS t FROM tributary.jobs WHERE kind = 'ask_bridge' ORDER BY key";

async fn world() -> World {
    World::with(askable("http://127.0.0.1:9")).await
}

fn login(world: &World, id: &str, name: &str, state: &str) -> Login {
    Login {
        id: id.to_owned(),
        name: name.to_owned(),
        state: json!({"state_event": state, "timestamp": world.now().timestamp(), "ttl": 0}),
    }
}

async fn question(world: &World, connection: &Connection) -> Question {
    let question = world.accounts.question(connection.id).await.unwrap();
    question.expect("it is linked")
}

async fn confirm(world: &World, connection: &Connection, logins: &[Login]) {
    let question = question(world, connection).await;
    let confirmed = world.accounts.confirm(&question, logins).await.unwrap();
    assert_eq!(confirmed, Confirmed::Taken);
}

async fn push(world: &World, body: Value) {
    let push = Push::read(&body, world.now()).unwrap();
    world
        .accounts
        .bridge_state("meta", &push, None)
        .await
        .unwrap();
}

/// Status, error, id and name of the connection, as they are shown.
async fn shown(world: &World) -> (Status, [String; 3]) {
    let connection = world.connections(USER_A).await.pop().unwrap();
    let texts = [
        connection.error,
        connection.bridge_user_id,
        connection.remote_name,
    ];
    (connection.status, texts.map(Option::unwrap_or_default))
}

fn is(status: Status, texts: [&str; 3]) -> (Status, [String; 3]) {
    (status, texts.map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_and_a_link_have_the_bridge_asked_if_it_can_be() {
    let world = world().await;
    let code = world.code(ALICE).await;
    let connections = "SELECT id::text AS t FROM tributary.messenger_connections";
    let provisional = world.texts(connections).await;
    assert_eq!(world.texts(ASKED).await, provisional);
    world.execute("DELETE FROM tributary.jobs").await;
    let waiting = world.accounts.connect(USER_A, None).await.unwrap().id;
    world.accounts.link(USER_A, &code, None).await.unwrap();
    assert_eq!(world.texts(ASKED).await, [waiting.to_string()]);
    let gone = provisional[0].parse().unwrap();
    assert_eq!(world.accounts.question(gone).await.unwrap(), None);

    let deaf = World::new().await;
    deaf.linked(USER_A, ALICE).await;
    deaf.accounts.ask_all("meta").await.unwrap();
    assert_eq!(deaf.texts(ASKED).await, [""; 0]);
}

/// Whoever types the code is told whose account that is.
#[tokio::test(flavor = "multi_thread")]
async fn the_name_is_known_before_the_code_is_redeemed() {
    let world = world().await;
    let code = world.code(ALICE).await;
    let connections = "SELECT id::text AS t FROM tributary.messenger_connections";
    let provisional = world.texts(connections).await[0].parse().unwrap();
    let question = world.accounts.question(provisional).await.unwrap().unwrap();
    let answer = [login(&world, "77", "Alice on Messenger", "CONNECTED")];
    let confirmed = world.accounts.confirm(&question, &answer).await.unwrap();
    assert_eq!(confirmed, Confirmed::Taken);
    let linked = world.accounts.link(USER_A, &code, None).await.unwrap();
    assert_eq!(linked.remote_name.as_deref(), Some("Alice on Messenger"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_what_the_connection_shows() {
    let world = world().await;
    let linked = world.linked(USER_A, ALICE).await;
    let seen = world.position(USER_A).await;
    let alice = login(&world, "77", "Alice on Messenger", "CONNECTED");
    confirm(&world, &linked, std::slice::from_ref(&alice)).await;
    assert_eq!(
        shown(&world).await,
        is(Status::Connected, ["", "77", "Alice on Messenger"])
    );
    assert_eq!(world.frames(USER_A, seen).await, ["connection.status"]);
    // The same answer again is no news.
    confirm(&world, &linked, std::slice::from_ref(&alice)).await;
    assert_eq!(world.frames(USER_A, seen).await.len(), 1);

    let mut bad = login(&world, "77", "", "BAD_CREDENTIALS");
    bad.state["message"] = json!("Log in again");
    confirm(&world, &linked, &[bad]).await;
    assert_eq!(
        shown(&world).await,
        is(Status::Error, ["Log in again", "77", "Alice on Messenger"])
    );
    // Logged in anew, with another account of theirs.
    let work = login(&world, "78", "Work", "CONNECTED");
    confirm(&world, &linked, &[work]).await;
    assert_eq!(
        shown(&world).await,
        is(Status::Connected, ["", "78", "Work"])
    );
    confirm(&world, &linked, &[]).await;
    assert_eq!(shown(&world).await.0, Status::Disconnected);
    // It is displayed, and the link stays.
    question(&world, &linked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_overtaken_is_not_believed() {
    let world = world().await;
    let linked = world.linked(USER_A, ALICE).await;
    let asked = question(&world, &linked).await;
    let answer = [login(&world, "77", "Alice", "CONNECTED")];
    push(
        &world,
        json!({"state_event": "LOGGED_OUT", "user_id": ALICE, "remote_id": "77"}),
    )
    .await;
    let confirmed = world.accounts.confirm(&asked, &answer).await.unwrap();
    assert_eq!(confirmed, Confirmed::Overtaken);
    assert_eq!(shown(&world).await.0, Status::Disconnected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_about_whom_nobody_has() {
    let world = world().await;
    let linked = world.linked(USER_A, ALICE).await;
    let asked = question(&world, &linked).await;
    let ended = world.accounts.disconnect(USER_A, linked.id, false, None);
    ended.await.unwrap();
    assert_eq!(world.accounts.question(linked.id).await.unwrap(), None);
    // Somebody else has it by now.
    world.linked(USER_B, ALICE).await;
    let answer = [login(&world, "77", "Alice", "BAD_CREDENTIALS")];
    world.accounts.confirm(&asked, &answer).await.unwrap();
    assert_eq!(shown(&world).await.0, Status::Disconnected);
    assert_eq!(world.connections(USER_B).await[0].status, Status::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_states_of_one_second_have_the_bridge_asked() {
    let world = world().await;
    let linked = world.linked(USER_A, ALICE).await;
    let second = world.now().timestamp();
    let state = |state: &str, seconds: i64| json!({"state_event": state, "user_id": ALICE, "remote_id": "77", "timestamp": second + seconds});
    world.execute("DELETE FROM tributary.jobs").await;
    push(&world, state("CONNECTED", 0)).await;
    push(&world, state("CONNECTING", 0)).await;
    push(&world, state("CONNECTED", 1)).await;
    assert_eq!(world.texts(ASKED).await, [""; 0]);
    push(&world, state("LOGGED_OUT", 1)).await;
    assert_eq!(world.texts(ASKED).await, [linked.id.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_on_another_login_has_the_bridge_asked_which_there_are() {
    let world = world().await;
    let linked = world.linked(USER_A, ALICE).await;
    push(
        &world,
        json!({"state_event": "CONNECTED", "user_id": ALICE, "remote_id": "77"}),
    )
    .await;
    world.execute("DELETE FROM tributary.jobs").await;
    push(
        &world,
        json!({"state_event": "CONNECTED", "user_id": ALICE, "remote_id": "78"}),
    )
    .await;
    assert_eq!(world.texts(ASKED).await, [linked.id.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_ghost_that_the_bridge_names_is_oneself() {
    let world = world().await;
    world.portal(DM, "", &[ALICE, BOT, FRIEND, OWN_GHOST]).await;
    world
        .execute("UPDATE tributary.rooms SET room_type_v2 = 'dm'")
        .await;
    let linked = world.linked(USER_A, ALICE).await;
    world.join(DM, FRIEND, "Zoe", "").await;
    world.join(DM, OWN_GHOST, "Alice on Facebook", "").await;
    world.message(DM, OWN_GHOST, "sent from the phone").await;
    let seen = world.position(USER_A).await;
    confirm(
        &world,
        &linked,
        &[login(&world, "77", "Alice", "CONNECTED")],
    )
    .await;
    let access = "SELECT title || ' ' || unread_count AS t FROM tributary.conversation_access";
    assert_eq!(world.texts(access).await, ["Zoe 0"]);
    assert_eq!(
        world.frames(USER_A, seen).await,
        ["connection.status", "conversation.updated"]
    );
}
