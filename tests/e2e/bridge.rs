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
