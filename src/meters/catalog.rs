//! All metrics, by what they are of.

use std::{path::Path, sync::OnceLock, time::Duration};

use metrics::{Counter, Gauge, Histogram, Label};
use metrics_exporter_prometheus::PrometheusHandle;

use super::{
    known::{By, ByBoth, ByName},
    maker::{Described, Maker},
    process::{self, Process},
};

/// What an event is, as far as its envelope tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A message, or what looks like one.
    Message,
    /// An edit.
    Edit,
    /// A reaction.
    Reaction,
    /// A redaction.
    Redaction,
    /// A state event.
    State,
    /// Anything else.
    Other,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOutcome {
    /// Its room is ingested, and it was folded.
    Folded,
    /// Its room is not ingested: nothing of it was kept.
    Elsewhere,
    /// It could not be decoded or folded.
    Bad,
}

const KINDS: &[&str] = &["message", "edit", "reaction", "redaction", "state", "other"];
const OUTCOMES: &[&str] = &["folded", "elsewhere", "bad"];
const JOBS: &[&str] = &[
    "archive",
    "ask_bridge",
    "backfill",
    "clear_media",
    "discover",
    "discover_bridge",
    "erase",
    "reconcile",
    "other",
];
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];
const CLASSES: &[&str] = &["1xx", "2xx", "3xx", "4xx", "5xx"];
const CALL_OUTCOMES: &[&str] = &["ok", "refused", "limited", "failed", "unreachable"];

/// Tributary's metrics.
#[derive(Debug)]
#[expect(missing_docs, reason = "each says what it is where it is made")]
pub struct Meters {
    pub transactions: By<Counter>,
    pub transaction_seconds: Histogram,
    pub last_transaction: Gauge,
    pub events: ByBoth<Counter>,
    pub new_events: By<Counter>,
    pub fold_seconds: Histogram,
    pub receipt_to_commit_seconds: Histogram,
    pub unreadable_events: Counter,
    pub dead_letters: Counter,
    pub dead_letters_kept: Gauge,
    pub reconciled_events: Counter,

    pub backfill_pages: Counter,
    pub backfill_events: Counter,
    pub backfill_messages: Counter,
    pub jobs: ByBoth<Gauge>,
    pub jobs_oldest_due: By<Gauge>,
    pub job_tries: ByBoth<Counter>,
    pub job_seconds: By<Histogram>,

    pub websockets: Gauge,
    pub websocket_closes: By<Counter>,
    pub websocket_resyncs: By<Counter>,
    pub frames: By<Counter>,
    pub frame_lag_seconds: Histogram,
    pub delivery_seconds: Histogram,
    pub frames_kept: Gauge,
    pub oldest_frame: Gauge,

    pub media_files: By<Counter>,
    pub media_bytes: Counter,
    pub media_pending: Gauge,
    pub search_queue: Gauge,
    pub erasures_open: Gauge,
    pub linked_connections: By<Gauge>,

    pub database_up: Gauge,
    pub database_size: Gauge,
    pub database_connections: By<Gauge>,
    pub database_most_connections: Gauge,
    pub database_waiting: Gauge,
    pub database_wait_seconds: Histogram,
    pub database_unavailable: Counter,
    pub database_read_at: Gauge,

    pub homeserver_up: Gauge,
    pub homeserver_calls: ByBoth<Counter>,
    pub homeserver_call_seconds: By<Histogram>,
    pub bridge_calls: ByName<By<Counter>>,
    pub bridge_call_seconds: Histogram,
    pub bridge_silent: ByName<Gauge>,
    pub clerk_fetches: By<Counter>,
    pub clerk_fetched_at: Gauge,

    pub requests: ByName<Route>,
    pub rate_limited: By<Counter>,
    pub rate_limits_forgotten: Counter,
    pub connections: Gauge,
    pub connections_refused: Counter,
    pub connections_overdue: Counter,
    pub connections_displaced: Counter,
    pub accept_errors: Counter,

    disk_free: By<Gauge>,
    disk_size: By<Gauge>,
    process: Process,
    handle: PrometheusHandle,
    described: Vec<Described>,
}

/// The requests of a route.
#[derive(Debug)]
pub struct Route {
    answers: ByBoth<OnceLock<Counter>>,
    seconds: By<OnceLock<Histogram>>,
    name: String,
    maker: RouteMaker,
}

#[derive(Clone)]
struct RouteMaker(Maker);

impl std::fmt::Debug for RouteMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RouteMaker")
    }
}

const REQUESTS: &str = "tributary_http_requests_total";
const REQUEST_SECONDS: &str = "tributary_http_request_seconds";

impl Route {
    fn new(maker: Maker, route: &str) -> Self {
        let pairs = METHODS.len() * CLASSES.len();
        Self {
            answers: ByBoth {
                first: METHODS,
                second: CLASSES,
                handles: std::iter::repeat_with(Default::default)
                    .take(pairs)
                    .collect(),
            },
            seconds: By {
                values: METHODS,
                handles: METHODS.iter().map(|_| OnceLock::default()).collect(),
            },
            name: route.to_owned(),
            maker: RouteMaker(maker),
        }
    }

    /// Counts a request that was answered with `status`. A series is there from the first
    /// one on: of most methods and classes there never is any.
    pub fn answered(&self, method: &str, status: u16, took: Duration) {
        let class = CLASSES[usize::from(status / 100).clamp(1, 5) - 1];
        let answers = self.answers.of(method, class);
        let labels = |class: Option<&'static str>| {
            let method = METHODS.iter().find(|known| **known == method);
            let method = method.copied().unwrap_or("other");
            let mut labels = vec![
                Label::new("route", self.name.clone()),
                Label::new("method", method),
            ];
            labels.extend(class.map(|class| Label::new("status", class)));
            labels
        };
        let maker = &self.maker.0;
        answers
            .get_or_init(|| maker.counter_of(REQUESTS, labels(Some(class))))
            .increment(1);
        let seconds = self.seconds.of(method);
        seconds
            .get_or_init(|| maker.histogram_of(REQUEST_SECONDS, labels(None)))
            .record(took);
    }
}

impl EventKind {
    fn place(self) -> &'static str {
        KINDS[self as usize]
    }
}

impl EventOutcome {
    fn place(self) -> &'static str {
        OUTCOMES[self as usize]
    }
}

impl Meters {
    /// Counts events.
    pub fn count_events(&self, kind: EventKind, outcome: EventOutcome, count: u64) {
        if count > 0 {
            let events = self.events.of(kind.place(), outcome.place());
            events.increment(count);
        }
    }

    /// Everything, in Prometheus's text format. Reads what the operating system knows, and
    /// nothing from anywhere else.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.look();
        self.handle.render()
    }

    /// Looks at the disk of a folder.
    pub fn look_at_disk(&self, of: &str, folder: &Path) {
        if let Some((free, size)) = process::disk(folder) {
            self.disk_free.of(of).set(free);
            self.disk_size.of(of).set(size);
        }
    }

    /// Puts what was measured since into its buckets: to be done every few seconds, since
    /// nobody may be asking for them.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// What there is.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    #[expect(clippy::too_many_lines, reason = "a list")]
    pub(super) fn new() -> Self {
        let make = Maker::new();
        let version = Label::new("version", env!("CARGO_PKG_VERSION"));
        make.describe(Described::new(
            "tributary_build_info",
            "gauge",
            &["version"],
            "Always 1; the version is its label",
        ));
        make.gauge_of("tributary_build_info", vec![version])
            .set(1.0);
        make.describe(Described::new(
            REQUESTS,
            "counter",
            &["route", "method", "status"],
            "Requests, by route and class of the answer's status",
        ));
        make.describe(Described::new(
            REQUEST_SECONDS,
            "histogram",
            &["route", "method"],
            "Time until an answer begins",
        ));
        make.describe(Described::new(
            "tributary_bridge_calls_total",
            "counter",
            &["bridge", "outcome"],
            "Questions to a bridge's provisioning API",
        ));
        make.describe(Described::new(
            "tributary_bridge_silent",
            "gauge",
            &["bridge"],
            "1 while nothing comes from a bridge and it does not answer",
        ));
        let (of_routes, of_bridges, of_silence) = (make.clone(), make.clone(), make.clone());
        Self {
            transactions: make.counters(
                "tributary_transactions_total",
                &["outcome"],
                &["stored", "repeated", "empty", "malformed", "timeout", "unavailable"],
                "Transactions of the homeserver; those from unavailable on are tried again by it",
            ),
            transaction_seconds: make.histogram(
                "tributary_transaction_seconds",
                "Time from a transaction's body to its answer",
            ),
            last_transaction: make.gauge(
                "tributary_last_transaction_timestamp_seconds",
                "When a transaction with events was last committed by any replica, in seconds since 1970",
            ),
            events: make.counters_by_both(
                "tributary_events_total",
                &["kind", "outcome"],
                [KINDS, OUTCOMES],
                "Events by push or from history, repeated ones included",
            ),
            new_events: make.counters(
                "tributary_new_events_total",
                &["kind"],
                &["message", "relation", "redaction"],
                "Events that were new: messages, edits and reactions, redactions",
            ),
            fold_seconds: make.histogram(
                "tributary_fold_seconds",
                "Time to fold a transaction or page, without the database",
            ),
            receipt_to_commit_seconds: make.histogram(
                "tributary_receipt_to_commit_seconds",
                "Time from the homeserver's receipt of a transaction's first live message to its commit",
            ),
            unreadable_events: make.counter(
                "tributary_unreadable_events_total",
                "Pushed events without a readable event id: only counted",
            ),
            dead_letters: make.counter(
                "tributary_dead_letters_total",
                "Events of ingested rooms that could not be taken in",
            ),
            dead_letters_kept: make.gauge(
                "tributary_dead_letters",
                "Dead letters that wait for a replay, counted up to 10000",
            ),
            reconciled_events: make.counter(
                "tributary_reconciled_events_total",
                "Events that the homeserver had never pushed",
            ),
            backfill_pages: make.counter("tributary_backfill_pages_total", "Pages of history stored"),
            backfill_events: make.counter("tributary_backfill_events_total", "Events of history read"),
            backfill_messages: make.counter(
                "tributary_backfill_messages_total",
                "Messages of history that were new",
            ),
            jobs: make.gauges_by_both(
                "tributary_jobs",
                &["kind", "state"],
                [JOBS, &["queued", "running", "waiting"]],
                "Jobs that have not ended",
            ),
            jobs_oldest_due: make.gauges(
                "tributary_jobs_oldest_due_seconds",
                &["kind"],
                JOBS,
                "For how long the oldest job that is due has been so",
            ),
            job_tries: make.counters_by_both(
                "tributary_job_tries_total",
                &["kind", "outcome"],
                [JOBS, &["done", "retry", "failed", "lease_lost", "stopped"]],
                "Tries of jobs",
            ),
            job_seconds: make.histograms("tributary_job_seconds", &["kind"], JOBS, "Time of a try of a job"),
            websockets: make.gauge("tributary_websockets", "Open sockets of this replica"),
            websocket_closes: make.counters(
                "tributary_websocket_closes_total",
                &["code"],
                &["1002", "1007", "1008", "1009", "1012", "4401", "4408", "4429", "other"],
                "Sockets that were closed from this side; 4408 is too slow",
            ),
            websocket_resyncs: make.counters(
                "tributary_websocket_resyncs_total",
                &["reason"],
                &["unknown", "foreign", "expired"],
                "Sockets that were told to load everything anew",
            ),
            frames: make.counters(
                "tributary_frames_total",
                &["when"],
                &["replay", "live", "passing"],
                "Frames handed to sockets: what was missed, what happens, and typing and receipts",
            ),
            frame_lag_seconds: make.histogram(
                "tributary_frame_lag_seconds",
                "Time from a frame's transaction to a live socket",
            ),
            delivery_seconds: make.histogram(
                "tributary_delivery_seconds",
                "Time from the homeserver's receipt of a message to a live socket",
            ),
            frames_kept: make.gauge(
                "tributary_outbox_frames",
                "Frames that can be replayed, as Postgres estimates",
            ),
            oldest_frame: make.gauge(
                "tributary_outbox_oldest_seconds",
                "Age of the oldest frame that is kept",
            ),
            media_files: make.counters(
                "tributary_media_files_total",
                &["outcome"],
                &["stored", "too_large", "forbidden", "missing", "failed"],
                "Files that the archive is through with",
            ),
            media_bytes: make.counter("tributary_media_stored_bytes_total", "Bytes of files that were stored"),
            media_pending: make.gauge(
                "tributary_media_pending",
                "Files that wait for the archive, counted up to 10000",
            ),
            search_queue: make.gauge(
                "tributary_search_queue",
                "Messages that the search's index lacks, counted up to 10000",
            ),
            erasures_open: make.gauge("tributary_erasures_open", "Deletions that are not through"),
            linked_connections: make.gauges(
                "tributary_connections_linked",
                &["status"],
                &["PENDING", "CONNECTED", "ERROR", "DISCONNECTED"],
                "Messenger connections that have an owner",
            ),
            database_up: make.gauge("tributary_database_up", "Whether Postgres answered when last asked"),
            database_size: make.gauge("tributary_database_size_bytes", "Size of the database on its disk"),
            database_connections: make.gauges(
                "tributary_database_connections",
                &["state"],
                &["used", "idle"],
                "Connections of this replica's pool",
            ),
            database_most_connections: make.gauge(
                "tributary_database_max_connections",
                "Connections that the pool may have",
            ),
            database_waiting: make.gauge(
                "tributary_database_waiting",
                "Callers that wait for a connection",
            ),
            database_wait_seconds: make.histogram(
                "tributary_database_wait_seconds",
                "Time until a caller had a connection, or gave up",
            ),
            database_unavailable: make.counter(
                "tributary_database_unavailable_total",
                "Callers that had no connection",
            ),
            database_read_at: make.gauge(
                "tributary_gauges_read_timestamp_seconds",
                "When the gauges that come from Postgres were last read, in seconds since 1970",
            ),
            homeserver_up: make.gauge(
                "tributary_homeserver_up",
                "Whether the homeserver answered when last asked, or pushed since",
            ),
            homeserver_calls: make.counters_by_both(
                "tributary_homeserver_calls_total",
                &["call", "outcome"],
                [CALLS, CALL_OUTCOMES],
                "Calls to the homeserver",
            ),
            homeserver_call_seconds: make.histograms(
                "tributary_homeserver_call_seconds",
                &["call"],
                CALLS,
                "Time of a call to the homeserver; of a download until it begins",
            ),
            bridge_calls: ByName::new(move |bridge| By {
                values: BRIDGE_OUTCOMES,
                handles: BRIDGE_OUTCOMES
                    .iter()
                    .map(|outcome| {
                        let bridge = Label::new("bridge", bridge.to_owned());
                        let labels = vec![bridge, Label::new("outcome", *outcome)];
                        of_bridges.counter_of("tributary_bridge_calls_total", labels)
                    })
                    .collect(),
            }),
            bridge_call_seconds: make.histogram(
                "tributary_bridge_call_seconds",
                "Time of a question to a bridge",
            ),
            bridge_silent: ByName::new(move |bridge| {
                let label = Label::new("bridge", bridge.to_owned());
                of_silence.gauge_of("tributary_bridge_silent", vec![label])
            }),
            clerk_fetches: make.counters(
                "tributary_clerk_key_fetches_total",
                &["outcome"],
                &["ok", "failed"],
                "Fetches of Clerk's keys",
            ),
            clerk_fetched_at: make.gauge(
                "tributary_clerk_keys_fetched_timestamp_seconds",
                "When Clerk's keys were last fetched, in seconds since 1970; 0 before",
            ),
            requests: ByName::new(move |route| Route::new(of_routes.clone(), route)),
            rate_limited: make.counters(
                "tributary_rate_limited_total",
                &["by"],
                &["address", "user", "task"],
                "Requests that were one too many",
            ),
            rate_limits_forgotten: make.counter(
                "tributary_rate_limits_forgotten_total",
                "Times that all addresses or users were forgotten, since they were too many",
            ),
            connections: make.gauge("tributary_connections", "Open TCP connections of this replica"),
            connections_refused: make.counter(
                "tributary_connections_refused_total",
                "TCP connections closed at once, since there was no place",
            ),
            connections_overdue: make.counter(
                "tributary_connections_overdue_total",
                "TCP connections given up, since the peer was too slow",
            ),
            connections_displaced: make.counter(
                "tributary_connections_displaced_total",
                "TCP connections without a request in hand that were given up to make room for others",
            ),
            accept_errors: make.counter(
                "tributary_accept_errors_total",
                "Times that no TCP connection could be accepted",
            ),
            disk_free: make.gauges(
                "tributary_disk_free_bytes",
                &["of"],
                DISKS,
                "Bytes that are free on the disk of data_dir, and of media.store if it is a folder",
            ),
            disk_size: make.gauges("tributary_disk_size_bytes", &["of"], DISKS, "Size of that disk"),
            process: Process::new(&make),
            handle: make.handle(),
            described: make.described(),
        }
    }
}

const CALLS: &[&str] = &[
    "versions",
    "whoami",
    "ping",
    "joined_rooms",
    "joined_members",
    "state",
    "messages",
    "download",
    "other",
];
const BRIDGE_OUTCOMES: &[&str] = &["answered", "silent", "refused"];
const DISKS: &[&str] = &["data", "media"];
