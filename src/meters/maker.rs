//! Makes metrics, and writes down what each is.

use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::known::{By, ByBoth};

/// Of what takes as long as a statement or a call.
const TIMES: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
/// Of what is computed.
const SHORT_TIMES: [f64; 8] = [
    0.000_025, 0.000_1, 0.000_25, 0.001, 0.002_5, 0.01, 0.05, 0.25,
];
/// Of what there are many series of.
const FEW_TIMES: [f64; 8] = [0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];
/// Of jobs: from a question to a walk of hours.
const LONG_TIMES: [f64; 8] = [0.01, 0.1, 0.5, 2.5, 10.0, 60.0, 600.0, 3600.0];

const METADATA: Metadata<'static> = Metadata::new("tributary", Level::INFO, None);

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Makes metrics. Cheap to clone.
#[derive(Clone)]
pub(super) struct Maker {
    recorder: Arc<PrometheusRecorder>,
    described: Arc<Mutex<Vec<Described>>>,
}

impl Maker {
    pub(super) fn new() -> Self {
        let full = |name: &str| Matcher::Full(name.to_owned());
        // Fails for a histogram without a bucket only.
        let builder = [
            (Matcher::Suffix("_seconds".to_owned()), &TIMES[..]),
            (full("tributary_fold_seconds"), &SHORT_TIMES),
            (full("tributary_http_request_seconds"), &FEW_TIMES),
            (full("tributary_homeserver_call_seconds"), &FEW_TIMES),
            (full("tributary_job_seconds"), &LONG_TIMES),
        ]
        .into_iter()
        .fold(PrometheusBuilder::new(), |builder, (matcher, buckets)| {
            builder
                .set_buckets_for_metric(matcher, buckets)
                .unwrap_or_else(|_| PrometheusBuilder::new())
        });
        Self {
            recorder: Arc::new(builder.build_recorder()),
            described: Arc::default(),
        }
    }

    pub(super) fn handle(&self) -> PrometheusHandle {
        self.recorder.handle()
    }

    /// What has been described so far.
    pub(super) fn described(&self) -> Vec<Described> {
        let described = self.described.lock();
        described.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down what a metric is that is not made yet.
    pub(super) fn describe(&self, described: Described) {
        let (name, help) = (described.name.into(), described.help.into());
        match described.kind {
            "counter" => self.recorder.describe_counter(name, None, help),
            "gauge" => self.recorder.describe_gauge(name, None, help),
            _ => self.recorder.describe_histogram(name, None, help),
        }
        let all = self.described.lock();
        all.unwrap_or_else(PoisonError::into_inner).push(described);
    }

    pub(super) fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        self.describe(Described::new(name, "counter", &[], help));
        self.counter_of(name, Vec::new())
    }

    pub(super) fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        self.describe(Described::new(name, "gauge", &[], help));
        self.gauge_of(name, Vec::new())
    }

    pub(super) fn histogram(&self, name: &'static str, help: &'static str) -> Histogram {
        self.describe(Described::new(name, "histogram", &[], help));
        self.histogram_of(name, Vec::new())
    }

    pub(super) fn counters(
        &self,
        name: &'static str,
        labels: &'static [&'static str; 1],
        values: &'static [&'static str],
        help: &'static str,
    ) -> By<Counter> {
        self.describe(Described::new(name, "counter", labels, help));
        by(values, |value| {
            self.counter_of(name, vec![Label::new(labels[0], value)])
        })
    }

    pub(super) fn gauges(
        &self,
        name: &'static str,
        labels: &'static [&'static str; 1],
        values: &'static [&'static str],
        help: &'static str,
    ) -> By<Gauge> {
        self.describe(Described::new(name, "gauge", labels, help));
        by(values, |value| {
            self.gauge_of(name, vec![Label::new(labels[0], value)])
        })
    }

    pub(super) fn histograms(
        &self,
        name: &'static str,
        labels: &'static [&'static str; 1],
        values: &'static [&'static str],
        help: &'static str,
    ) -> By<Histogram> {
        self.describe(Described::new(name, "histogram", labels, help));
        by(values, |value| {
            self.histogram_of(name, vec![Label::new(labels[0], value)])
        })
    }

    pub(super) fn counters_by_both(
        &self,
        name: &'static str,
        labels: &'static [&'static str; 2],
        values: [&'static [&'static str]; 2],
        help: &'static str,
    ) -> ByBoth<Counter> {
        self.describe(Described::new(name, "counter", labels, help));
        by_both(values, |both| self.counter_of(name, pair(*labels, both)))
    }

    pub(super) fn gauges_by_both(
        &self,
        name: &'static str,
        labels: &'static [&'static str; 2],
        values: [&'static [&'static str]; 2],
        help: &'static str,
    ) -> ByBoth<Gauge> {
        self.describe(Described::new(name, "gauge", labels, help));
        by_both(values, |both| self.gauge_of(name, pair(*labels, both)))
    }

    pub(super) fn counter_of(&self, name: &'static str, labels: Vec<Label>) -> Counter {
        let key = Key::from_parts(name, labels);
        self.recorder.register_counter(&key, &METADATA)
    }

    pub(super) fn gauge_of(&self, name: &'static str, labels: Vec<Label>) -> Gauge {
        let key = Key::from_parts(name, labels);
        self.recorder.register_gauge(&key, &METADATA)
    }

    pub(super) fn histogram_of(&self, name: &'static str, labels: Vec<Label>) -> Histogram {
        let key = Key::from_parts(name, labels);
        self.recorder.register_histogram(&key, &METADATA)
    }
}

impl Described {
    pub(super) fn new(
        name: &'static str,
        kind: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            labels,
            help,
        }
    }
}

fn by<T>(values: &'static [&'static str], make: impl Fn(&'static str) -> T) -> By<T> {
    let handles = values.iter().map(|value| make(value)).collect();
    By { values, handles }
}

fn by_both<T>(
    [first, second]: [&'static [&'static str]; 2],
    make: impl Fn([&'static str; 2]) -> T,
) -> ByBoth<T> {
    let pairs = first
        .iter()
        .flat_map(|a| second.iter().map(move |b| [*a, *b]));
    ByBoth {
        first,
        second,
        handles: pairs.map(make).collect(),
    }
}

fn pair(labels: [&'static str; 2], values: [&'static str; 2]) -> Vec<Label> {
    labels
        .into_iter()
        .zip(values)
        .map(|(name, value)| Label::new(name, value))
        .collect()
}
