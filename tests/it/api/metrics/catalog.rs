//! What is written down of the metrics, in the docs, the dashboard and the alerts, is what
//! the program has.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use regex::Regex;
use tributary::meters::meters;

const TABLE: &str = "docs/monitoring.md";
const BEGIN: &str = "<!-- metrics: written by tests/it/api/metrics/catalog.rs -->\n";
const END: &str = "<!-- end -->\n";

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

fn table() -> String {
    let mut described = meters().described().to_vec();
    described.sort();
    let mut table = "| metric | kind | labels | is |\n| --- | --- | --- | --- |\n".to_owned();
    for metric in described {
        let labels = metric.labels.iter().map(|label| format!("`{label}`"));
        let labels: Vec<_> = labels.collect();
        let (name, kind, help) = (metric.name, metric.kind, metric.help);
        writeln!(
            table,
            "| `{name}` | {kind} | {} | {help} |",
            labels.join(", ")
        )
        .unwrap();
    }
    table
}

#[test]
fn every_metric_is_in_the_docs() {
    let docs = read(TABLE);
    let (before, rest) = docs.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("TRIBUTARY_TEST_UPDATE").is_some() {
        let docs = format!("{before}{BEGIN}{}{END}{after}", table());
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE), docs).unwrap();
    } else {
        assert_eq!(written, table(), "TRIBUTARY_TEST_UPDATE=1 writes it");
    }
}

#[test]
fn metrics_are_named_as_prometheus_wants_them() {
    let names: BTreeSet<_> = meters().described().iter().map(|m| m.name).collect();
    assert_eq!(names.len(), meters().described().len(), "described once");
    for metric in meters().described() {
        let is_total = metric.name.ends_with("_total");
        assert_eq!(is_total, metric.kind == "counter", "{}", metric.name);
        let is_time = metric.name.ends_with("_seconds");
        assert!(metric.kind != "histogram" || is_time, "{}", metric.name);
        assert!(!metric.help.ends_with('.'), "{}", metric.name);
    }
}

/// A panel of a metric that is not there shows nothing, and an alert never comes.
#[test]
fn what_is_asked_for_is_there() {
    let names: BTreeSet<_> = meters().described().iter().map(|m| m.name).collect();
    let metric = Regex::new(r"\b(?:tributary|process)_[a-z0-9_]*[a-z0-9]\b").unwrap();
    let mut asked = BTreeSet::new();
    for file in [
        "contrib/monitoring/dashboard.json",
        "contrib/monitoring/rules.yml",
        "contrib/monitoring/rules.test.yml",
        TABLE,
    ] {
        for found in metric.find_iter(&read(file)) {
            let name = found.as_str();
            let base = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .filter(|base| names.contains(base));
            let name = base.unwrap_or(name);
            assert!(names.contains(name), "{file} asks for {name}");
            asked.insert(name.to_owned());
        }
    }
    assert_eq!(asked.len(), names.len(), "the docs have them all");
}

#[test]
fn every_alert_says_what_to_do() {
    let (rules, docs) = (read("contrib/monitoring/rules.yml"), read(TABLE));
    let alert = Regex::new(r"- alert: (\w+)").unwrap();
    let alerts: Vec<_> = alert
        .captures_iter(&rules)
        .map(|found| found[1].to_owned())
        .collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    for alert in &alerts {
        assert!(docs.contains(&format!("\n### {alert}\n")), "{alert}");
        let runbook = format!("runbook: docs/monitoring.md#{}\n", alert.to_lowercase());
        assert!(rules.contains(&runbook), "{alert}");
        assert!(
            read("contrib/monitoring/rules.test.yml").contains(alert),
            "{alert} is not tested"
        );
    }
    let sections = docs.matches("\n### ").count();
    assert_eq!(
        sections,
        alerts.len(),
        "and there is none of an alert that is gone"
    );
}
