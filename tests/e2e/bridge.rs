//! What Tributary learns by asking a real bridge, and by its silence.

use serde_json::{Value, json};

use crate::{
    people::{Customer, customer},
    stack::Stack,
};

/// Waits until a customer's connection shows this.
async fn shows(stack: &Stack, customer: &Customer, what: &str, is: impl Fn(&Value) -> bool) {
    stack
        .eventually(what, async || {
            let status = stack.get(&customer.clerk, "/api/messenger/status").await;
            is(&status["connections"][0]).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_nobody_heard_is_known_after_a_start() {
    let mut stack = Stack::start_anew(&[]).await;
    let kate = customer(&stack, "kate", "15", true).await;
    shows(
        &stack,
        &kate,
        "the bridge names the account",
        |connection| connection["remoteName"] == "kate" && connection["status"] == "CONNECTED",
    )
    .await;
    stack.kill_tributary();
    stack.point_switch_at_nothing().await;
    stack.count_anew().await;
    let state = json!({
        "remoteId": kate.remote_id, "stateEvent": "BAD_CREDENTIALS", "message": "Log in again",
    });
    stack.remote("/state", state).await;
    stack
        .eventually(
            "the bridge believes that somebody took its push",
            async || {
                let taken = &stack.seen_by_switch().await["classes"]["bridge"]["statuses"]["200"];
                taken.is_u64().then_some(())
            },
        )
        .await;
    stack.point_switch_at(stack.fact("/switch/target")).await;
    stack.start_tributary().await;
    shows(&stack, &kate, "the bridge was asked", |connection| {
        connection["status"] == "ERROR" && connection["error"] == "Log in again"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_gone_is_noticed_and_so_is_that_it_is_back() {
    let stack = Stack::start_anew(&[("BRIDGES__0__SILENT_AFTER_SECONDS", "2")]).await;
    let liam = customer(&stack, "liam", "16", true).await;
    stack.run_script(&["down", "bridge"]);
    shows(&stack, &liam, "the bridge is silent", |connection| {
        let error = connection["error"].as_str().unwrap_or_default();
        connection["status"] == "CONNECTED" && error.starts_with("bridge_silent: ")
    })
    .await;
    stack.run_script(&["up", "bridge"]);
    shows(&stack, &liam, "the bridge is back", |connection| {
        connection["status"] == "CONNECTED" && connection["error"].is_null()
    })
    .await;
}

/// All but `CONNECTING`, which bridgev2 keeps to itself: only who asks is told.
#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_real_bridge_is_shown() {
    let stack = Stack::start().await;
    let mona = customer(&stack, "mona", "17", true).await;
    for (state, message, status, error) in [
        ("CONNECTED", "", "CONNECTED", None),
        ("TRANSIENT_DISCONNECT", "Wait", "CONNECTED", Some("Wait")),
        ("BACKFILLING", "", "CONNECTED", Some("BACKFILLING")),
        ("UNKNOWN_ERROR", "Oh", "ERROR", Some("Oh")),
        (
            "BRIDGE_UNREACHABLE",
            "",
            "ERROR",
            Some("BRIDGE_UNREACHABLE"),
        ),
        ("FROM_THE_FUTURE", "", "ERROR", Some("FROM_THE_FUTURE")),
        ("BAD_CREDENTIALS", "Log in", "ERROR", Some("Log in")),
        ("CONNECTED", "", "CONNECTED", None),
    ] {
        let pushed = json!({
            "remoteId": mona.remote_id, "stateEvent": state, "message": message,
        });
        stack.remote("/state", pushed).await;
        shows(&stack, &mona, state, |connection| {
            connection["status"] == status && connection["error"] == json!(error)
        })
        .await;
    }
    stack
        .remote("/logout", json!({"remoteId": mona.remote_id}))
        .await;
    shows(&stack, &mona, "logged out", |connection| {
        connection["status"] == "DISCONNECTED"
    })
    .await;
    let again = json!({
        "userId": mona.user.user_id, "remoteId": mona.remote_id, "remoteName": "Mona L.",
    });
    stack.remote("/login", again).await;
    shows(&stack, &mona, "logged in again", |connection| {
        connection["status"] == "CONNECTED" && connection["remoteName"] == "Mona L."
    })
    .await;
}
