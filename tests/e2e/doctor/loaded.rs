//! What the homeserver has loaded is not the file that Tributary has.

use std::{fs, path::PathBuf};

use super::{Doctor, Said};
use crate::stack::Stack;

/// A homeserver with another registration of ours, until this is dropped.
struct Other<'a> {
    stack: &'a Stack,
    file: PathBuf,
    right: String,
}

impl<'a> Other<'a> {
    fn new(stack: &'a Stack) -> Self {
        let file = PathBuf::from(stack.fact("/tributary/registration"));
        let right = fs::read_to_string(&file).unwrap();
        Self { stack, file, right }
    }

    /// What doctor says, who has the right file, once the homeserver has this one.
    async fn said(&self, change: impl Fn(&str) -> String) -> Said {
        let doctor = Doctor::new(self.stack).await;
        let (_, changed) = doctor.registration(change);
        let right = doctor.path("right.yaml");
        fs::write(&right, &self.right).unwrap();
        fs::copy(changed, &self.file).unwrap();
        self.stack.run_script(&["restart", "synapse"]);
        let said = doctor.said(&[("APPSERVICE__REGISTRATION", right.to_str().unwrap())]);
        fs::write(&self.file, &self.right).unwrap();
        said
    }
}

impl Drop for Other<'_> {
    fn drop(&mut self) {
        fs::write(&self.file, &self.right).unwrap();
        self.stack.run_script(&["restart", "synapse"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_homeserver_has_loaded_is_told() {
    let mut stack = Stack::start_anew(&[]).await;
    stack.stop_tributary();
    let other = Other::new(&stack);
    let url = format!("url: {}", stack.fact("/tributary/public_url"));

    // Another registration altogether, as if ours were not in homeserver.yaml.
    let said = other.said(|yaml| yaml.replace("as_token: ", "as_token: x"));
    let fix = said.await;
    let fix = fix.is_only("homeserver.as_token", "as_token_unknown");
    assert!(fix.contains("app_service_config_files:"), "{fix}");

    let said = other
        .said(|yaml| yaml.replace(&url, "url: http://127.0.0.1:9"))
        .await;
    let fix = said.is_only("homeserver.ping", "ping_unreachable");
    assert!(fix.contains(&url), "{fix}");

    let said = other.said(|yaml| yaml.replace(&url, "url: null")).await;
    said.is_only("homeserver.ping", "ping_no_url");

    let said = other
        .said(|yaml| yaml.replace("id: tributary", "id: else"))
        .await;
    said.is_only("homeserver.ping", "ping_other_id");

    let said = other
        .said(|yaml| yaml.replace("@facebookbot", "@nobody"))
        .await;
    let fix = said.is_only("homeserver.namespace", "namespace_without_bot");
    assert!(fix.contains("the homeserver has an older one"), "{fix}");
}
