//! What `doctor` says of a house in which one thing is broken, and of one in which none is.

mod broken;
mod loaded;

use std::{collections::BTreeMap, io::Write as _, path::PathBuf, process::Output};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::stack::Stack;

/// As long as a key of 2048 bits is.
const MODULUS: [u8; 256] = [0xd5; 256];

/// What it stands on that no stack has: Clerk, and a folder for files.
struct Doctor<'a> {
    stack: &'a Stack,
    clerk: MockServer,
    folder: tempfile::TempDir,
}

/// What it said.
struct Said {
    code: i32,
    checks: Vec<Value>,
    text: String,
}

impl<'a> Doctor<'a> {
    async fn new(stack: &'a Stack) -> Self {
        let clerk = MockServer::start().await;
        let key = |id| {
            let n = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, MODULUS);
            json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "n": n, "e": "AQAB"})
        };
        let keys = json!({"keys": [key("one"), key("two")]});
        Mock::given(path("/jwks.json"))
            .respond_with(ResponseTemplate::new(200).set_body_json(keys))
            .mount(&clerk)
            .await;
        let folder = tempfile::tempdir().unwrap();
        Self {
            stack,
            clerk,
            folder,
        }
    }

    /// A copy of the registration with something changed.
    fn registration(&self, change: impl Fn(&str) -> String) -> (&'static str, String) {
        let yaml = std::fs::read_to_string(self.stack.fact("/tributary/registration")).unwrap();
        let changed = change(&yaml);
        assert_ne!(changed, yaml);
        let path = self.path("registration.yaml");
        std::fs::write(&path, changed).unwrap();
        ("APPSERVICE__REGISTRATION", path.display().to_string())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it says with these keys of the configuration changed.
    fn said(&self, settings: &[(&str, &str)]) -> Said {
        let output = self.run(&["doctor", "--json"], settings);
        let text = String::from_utf8(output.stdout).unwrap();
        let said: Value = serde_json::from_str(&text).unwrap();
        let code = output.status.code().unwrap();
        assert_eq!(said["ok"], code == 0, "{text}");
        Said {
            code,
            checks: said["checks"].as_array().unwrap().clone(),
            text: self.run_for_people(settings),
        }
    }

    fn run_for_people(&self, settings: &[(&str, &str)]) -> String {
        let output = self.run(&["doctor"], settings);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whatever it prints is kept: no secret may be in it (`stack.py secrets`).
    fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let jwks = format!("{}/jwks.json", self.clerk.uri());
        let store = format!("file:{}", self.path("media").display());
        let mut keys = BTreeMap::from([("CLERK__JWKS_URL", &*jwks), ("MEDIA__STORE", &*store)]);
        keys.extend(settings.iter().copied());
        let output = self.stack.tributary(arguments, keys).output().unwrap();
        let log = self.stack.log("tributary-commands");
        let mut log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        log.write_all(&output.stdout).unwrap();
        log.write_all(&output.stderr).unwrap();
        output
    }
}

impl Said {
    /// What has failed, and why.
    fn failed(&self) -> Vec<(&str, &str)> {
        let failed = self
            .checks
            .iter()
            .filter(|check| check["status"] == "failed");
        let text = |check: &'_ Value, key| -> &str {
            let check: &Value = self.checks.iter().find(|it| *it == check).unwrap();
            check[key].as_str().unwrap_or_default()
        };
        failed
            .map(|check| (text(check, "check"), text(check, "code")))
            .collect()
    }

    /// What stands on something that has failed.
    fn skipped(&self) -> Vec<&str> {
        let skipped = self
            .checks
            .iter()
            .filter(|check| check["status"] == "skipped");
        skipped
            .map(|check| check["check"].as_str().unwrap())
            .collect()
    }

    fn of(&self, name: &str) -> &Value {
        let found = self.checks.iter().find(|check| check["check"] == name);
        found.unwrap_or_else(|| panic!("{name} was not looked at"))
    }

    /// Exactly this is broken, and it says how to put it right.
    #[track_caller]
    fn is_only(&self, name: &str, code: &str) -> &str {
        assert_eq!(self.failed(), [(name, code)], "{}", self.text);
        assert_eq!(self.code, 1);
        assert!(
            self.text.contains(&format!("failed  {name}")),
            "{}",
            self.text
        );
        let fix = self.of(name)["fix"].as_str().unwrap();
        assert!(!fix.is_empty());
        fix
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_to_be_put_right_in_a_healthy_house() {
    let mut stack = Stack::start_anew(&[]).await;
    let running = Doctor::new(&stack).await.said(&[]);
    assert_eq!(running.failed(), [], "{}", running.text);
    assert_eq!(running.skipped(), Vec::<&str>::new());
    assert_eq!((running.code, running.checks.len()), (0, 15));
    assert!(
        running.of("homeserver.ping")["message"]
            .as_str()
            .unwrap()
            .contains("by Tributary, if that is what listens")
    );
    assert!(
        running.of("clerk.keys")["message"]
            .as_str()
            .unwrap()
            .starts_with("3 keys")
    );

    stack.stop_tributary();
    let stopped = Doctor::new(&stack).await.said(&[]);
    assert_eq!(stopped.failed(), [], "{}", stopped.text);
    assert!(
        stopped.of("homeserver.ping")["message"]
            .as_str()
            .unwrap()
            .contains("by doctor")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_no_secret_however_much_is_broken() {
    let stack = Stack::take().await;
    stack.run_script(&["up", "synapse"]);
    let doctor = Doctor::new(&stack).await;
    let settings = [
        (
            "DATABASE__URL",
            "postgres://me:hunter2-of-postgres@127.0.0.1:9/x?password=hunter2-again",
        ),
        ("HOMESERVER__URL", "http://127.0.0.1:9"),
        ("BRIDGES__0__PROVISIONING_URL", "http://127.0.0.1:9"),
        ("BRIDGES__0__PROVISIONING_SECRET", "hunter2-of-provisioning"),
        ("CLERK__JWKS_URL", "http://127.0.0.1:9/keys"),
        ("MEDIA__STORE", "s3://bucket?endpoint=http://127.0.0.1:9"),
        ("MEDIA__ACCESS_KEY_ID", "hunter2-of-the-store"),
        ("MEDIA__SECRET_ACCESS_KEY", "hunter2-of-the-store"),
    ];
    let said = doctor.said(&settings);
    assert_eq!(said.code, 1);
    let names: Vec<_> = said.failed().into_iter().map(|(name, _)| name).collect();
    let all = [
        "database.reachable",
        "homeserver.reachable",
        "bridge.provisioning",
        "clerk.keys",
        "media.store",
    ];
    assert_eq!(names, all);
    for output in [said.text, json!(said.checks).to_string()] {
        assert!(!output.contains("hunter2"), "{output}");
    }
}
