//! Who the tests are about.

use serde_json::{Value, json};

use crate::stack::{MatrixUser, Stack};

/// A customer on all sides: Clerk, Matrix and Messenger.
pub(crate) struct Customer {
    pub(crate) clerk: String,
    pub(crate) remote_id: String,
    pub(crate) user: MatrixUser,
}

/// Logs a fresh customer in at the bridge and links them.
pub(crate) async fn customer(stack: &Stack, name: &str, remote_id: &str, puppet: bool) -> Customer {
    let customer = stranger(stack, name, remote_id, puppet).await;
    let Customer {
        clerk,
        remote_id,
        user,
    } = &customer;
    let linked = stack.link(clerk, user, remote_id).await;
    assert_eq!(linked["status"], "CONNECTED", "{linked}");
    customer
}

/// Logs somebody in at the bridge whom Tributary has not heard of.
pub(crate) async fn stranger(stack: &Stack, name: &str, remote_id: &str, puppet: bool) -> Customer {
    let suffix = tributary::model::new_id().simple().to_string();
    let user = stack.matrix_user(&format!("{name}-{suffix}"));
    let remote_id = format!("{remote_id}{}", digits(&suffix));
    let login = json!({
        "userId": user.user_id, "remoteId": remote_id, "remoteName": name, "doublePuppet": puppet,
    });
    stack.remote("/login", login).await;
    Customer {
        clerk: format!("user_{name}{suffix}"),
        remote_id,
        user,
    }
}

/// Remote ids are numbers on Messenger.
pub(crate) fn digits(hex: &str) -> String {
    (u128::from_str_radix(hex, 16).unwrap() % 1_000_000_000_000).to_string()
}

pub(crate) async fn conversations(stack: &Stack, customer: &Customer) -> Vec<Value> {
    stack.get_all(&customer.clerk, "/api/conversations").await
}
