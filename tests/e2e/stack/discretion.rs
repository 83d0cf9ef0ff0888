//! What tests come by and no log may tell: kept for `stack.py secrets`, which looks for it
//! when all tests have run.

use std::io::Write as _;

use serde_json::{Value, json};

use super::Stack;

/// Shorter texts are words that a log may use.
const SHORTEST_TEXT: usize = 12;

impl Stack {
    /// Writes a secret down.
    pub(crate) fn keep_secret(&self, kind: &str, value: &str) {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("secrets.jsonl"))
            .unwrap();
        let line = json!({ "kind": kind, "value": value });
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Writes down what people say on the remote side.
    pub(super) fn keep_texts(&self, said: &Value) {
        for name in ["text", "html"] {
            let text = said[name].as_str().unwrap_or_default();
            if text.len() >= SHORTEST_TEXT {
                self.keep_secret("message", text);
            }
        }
    }
}
