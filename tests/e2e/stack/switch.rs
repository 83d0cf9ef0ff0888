//! The switch that stands before Tributary.

use serde_json::{Value, json};

use super::Stack;

impl Stack {
    /// Sets how the switch before Tributary treats requests.
    pub(crate) async fn switch(&self, setting: Value) {
        let url = format!("{}/mode", self.fact("/switch/control_url"));
        self.http
            .put(url)
            .json(&setting)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }

    /// Sets where the switch sends requests.
    pub(crate) async fn point_switch_at(&self, url: &str) {
        self.set_target(json!(url)).await;
    }

    /// From now on nobody gets what is sent; bridges are told that somebody did.
    pub(crate) async fn point_switch_at_nothing(&self) {
        self.set_target(Value::Null).await;
    }

    async fn set_target(&self, url: Value) {
        let target = format!("{}/target", self.fact("/switch/control_url"));
        let request = self.http.put(target).json(&json!({ "url": url }));
        request.send().await.unwrap().error_for_status().unwrap();
    }

    /// What the switch has counted.
    pub(crate) async fn seen_by_switch(&self) -> Value {
        let url = format!("{}/stats", self.fact("/switch/control_url"));
        self.http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Has the switch begin to count again.
    pub(crate) async fn count_anew(&self) {
        let url = format!("{}/stats", self.fact("/switch/control_url"));
        let answer = self.http.delete(url).send().await.unwrap();
        answer.error_for_status().unwrap();
    }
}
