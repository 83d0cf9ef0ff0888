//! The desktop program's module (`contrib/companion`), run in Node on the real stack.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    people::{Customer, stranger},
    stack::Stack,
};

/// Reads what to report from its standard input, so that no process list shows a token.
const SCRIPT: &str = "
    import { readFileSync } from 'node:fs'
    import { pathToFileURL } from 'node:url'
    const { reportLogin } = await import(pathToFileURL(process.argv[1]))
    const { session, server, login } = JSON.parse(readFileSync(0, 'utf8'))
    const shown = ({ peer, code, status }) => ({ peer, code, status })
    const answer = await reportLogin(session, server, login).catch(shown)
    console.log(JSON.stringify(answer))";

/// What the module answers, or the essence of its error.
fn report(stack: &Stack, access_token: &str, customer: &Customer) -> Value {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/companion/dist/index.js");
    assert!(
        module.exists(),
        "build it: npm ci && npm test, in contrib/companion"
    );
    let mut node = Command::new("node")
        .args(["--input-type=module", "--eval", SCRIPT])
        .arg(module)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({
        "session": {
            "homeserverUrl": stack.fact("/synapse_url"), "userId": customer.user.user_id,
            "accessToken": access_token,
        },
        "server": {"url": stack.url("/"), "managerKey": stack.fact("/manager_api_key")},
        "login": {"bridgeId": "meta", "bridgeUserId": customer.remote_id},
    });
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_companion_gets_a_code_that_opens_the_account_it_names() {
    let stack = Stack::start().await;
    let ivan = stranger(&stack, "ivan", "13", true).await;
    let reported = report(&stack, &ivan.user.access_token, &ivan);
    assert_eq!(reported["status"], "CONNECTED", "{reported}");
    let again = report(&stack, &ivan.user.access_token, &ivan);
    assert_eq!(again["connectionId"], reported["connectionId"]);
    let code = again["linkCode"].as_str().unwrap();
    assert_ne!(reported["linkCode"], code);

    // The companion did not say whose account that is. The bridge, when it is asked, does.
    let named = async || {
        let known = stack
            .http
            .get(stack.url(&format!(
                "/api/admin/connections?matrixUserId={}",
                ivan.user.user_id
            )))
            .bearer_auth(stack.fact("/admin_api_key"))
            .send();
        let known: Value = known.await.unwrap().json().await.unwrap();
        (known["items"][0]["remoteName"] == "ivan").then_some(())
    };
    stack
        .eventually("the bridge names the account", named)
        .await;

    let linked = stack.redeem(&ivan.clerk, code).await;
    assert_eq!(linked["remoteName"], "ivan");
    assert_eq!(linked["id"], reported["connectionId"]);
    assert_eq!(linked["matrixUserId"], ivan.user.user_id);
    assert_eq!(linked["bridgeUserId"], ivan.remote_id);
    let after = report(&stack, &ivan.user.access_token, &ivan);
    assert_eq!(after["linkCode"], Value::Null, "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_none_reports_nothing() {
    let stack = Stack::start().await;
    let judy = stranger(&stack, "judy", "14", true).await;
    let expected = json!({"peer": "homeserver", "code": "M_UNKNOWN_TOKEN", "status": 401});
    assert_eq!(report(&stack, "syt_nobodys", &judy), expected);
}
