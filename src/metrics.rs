//! What the server counts, and the page that Prometheus reads of it.
//!
//! Every label takes its values from a fixed set: names in this program, and codes of the vendors' own tables. Whatever
//! clients send, the page keeps its size. Who counts what: `server::attend` the requests, `Shared::decode` the reading,
//! `fetch` the remote pictures; what the pool and the store count for themselves is handed in when the page is asked for.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::codec::Kind;

/// The type of the page.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The code of an answer whose own is in no table.
const OTHER: &str = "other";

/// Upper bounds of the latency buckets, in seconds: from a token to the longest request that is waited for.
const LATENCIES: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// All counts; clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    codes: HashMap<&'static str, HashSet<Arc<str>>>,
    other: Arc<str>,
    requests: Family<Answered, Counter>,
    latency: Family<Asked, Histogram, fn() -> Histogram>,
    reads: Family<Outcome, Counter>,
    symbols: Family<OfKind, Counter>,
    budgets_spent: Counter,
    fetches: Family<Outcome, Counter>,
    calls: Family<Outcome, Counter>,
    waiting: Gauge,
    running: Gauge,
    panics: Counter,
    workers: Gauge,
    worker_ends: Family<Ended, Counter>,
    store_errors: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    provider: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    provider: &'static str,
    operation: &'static str,
    code: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: KindName,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct KindName(Kind);

impl EncodeLabelValue for KindName {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        EncodeLabelValue::encode(&format!("{:?}", self.0), encoder)
    }
}

/// How the reading of a picture ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// At least one symbol.
    Found,
    /// No symbol.
    Nothing,
    /// The bytes are no picture within the limits.
    NoPicture,
    /// The queue was full.
    Overloaded,
    /// The reader died.
    Died,
}

impl Read {
    fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Nothing => "nothing",
            Self::NoPicture => "no_picture",
            Self::Overloaded => "overloaded",
            Self::Died => "died",
        }
    }
}

/// What others count for themselves, as it stands when the page is asked for.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Jobs that wait for a reader.
    pub waiting: usize,
    /// Jobs that are being read.
    pub running: usize,
    /// Readers that panicked since the start.
    pub panics: u64,
    /// Worker processes that exist.
    pub workers: usize,
    /// Worker processes that ended since the start, by cause.
    pub worker_ends: Vec<(&'static str, u64)>,
    /// Queries that failed since the start.
    pub store_errors: u64,
}

impl Default for Metrics {
    /// Counts for nobody: no provider, no codes.
    fn default() -> Self {
        Self::new(HashMap::new())
    }
}

impl Metrics {
    /// Knows the `codes` that the answers of each provider can carry.
    pub fn new(codes: HashMap<&'static str, HashSet<String>>) -> Self {
        let codes = codes.into_iter().map(|(provider, codes)| (provider, codes.into_iter().map(Arc::from).collect()));
        let mut registry = Registry::with_prefix("qrstack");
        let requests = Family::default();
        registry.register("requests", "Answers by vendor, operation and the vendor's code", requests.clone());
        let latency: Family<_, _, fn() -> Histogram> = Family::new_with_constructor(|| Histogram::new(LATENCIES));
        let about = "Time from the head of a request to its answer";
        registry.register_with_unit("request_duration", about, Unit::Seconds, latency.clone());
        let reads = Family::default();
        registry.register("reads", "Pictures by what their reading came to", reads.clone());
        let symbols = Family::default();
        registry.register("symbols", "Symbols read, by kind", symbols.clone());
        let budgets_spent = Counter::default();
        registry.register("reads_cut_short", "Pictures whose reading took its whole budget", budgets_spent.clone());
        let fetches = Family::default();
        registry.register("fetches", "Remote pictures: ok, or why there was none", fetches.clone());
        let calls = Family::default();
        registry.register("callbacks", "Calls of callbacks: ok, or why there was no answer", calls.clone());
        let (waiting, running) = (Gauge::default(), Gauge::default());
        registry.register("reads_waiting", "Pictures in the queue", waiting.clone());
        registry.register("reads_running", "Pictures being read", running.clone());
        let (panics, workers, worker_ends) = (Counter::default(), Gauge::default(), Family::default());
        registry.register("reader_panics", "Readers that panicked", panics.clone());
        registry.register("workers", "Worker processes that exist", workers.clone());
        registry.register("worker_ends", "Worker processes that ended, by cause", worker_ends.clone());
        let store_errors = Counter::default();
        registry.register("store_errors", "Queries of the store that failed", store_errors.clone());
        Self(Arc::new(Inner {
            registry,
            codes: codes.collect(),
            other: OTHER.into(),
            requests,
            latency,
            reads,
            symbols,
            budgets_spent,
            fetches,
            calls,
            waiting,
            running,
            panics,
            workers,
            worker_ends,
            store_errors,
        }))
    }

    /// Counts an answer of `provider`.
    pub fn answered(&self, provider: &'static str, operation: &'static str, code: &str, elapsed: Duration) {
        let known = self.0.codes.get(provider).and_then(|codes| codes.get(code));
        let code = Arc::clone(known.unwrap_or(&self.0.other));
        self.0.requests.get_or_create(&Answered { provider, operation, code }).inc();
        self.0.latency.get_or_create(&Asked { provider, operation }).observe(elapsed.as_secs_f64());
    }

    /// Counts a picture, and the symbols in it.
    pub fn read(&self, outcome: Read, kinds: impl IntoIterator<Item = Kind>) {
        self.0.reads.get_or_create(&Outcome { outcome: outcome.name() }).inc();
        for kind in kinds {
            self.0.symbols.get_or_create(&OfKind { kind: KindName(kind) }).inc();
        }
    }

    /// Counts a picture whose reading took its whole budget.
    pub fn budget_spent(&self) {
        self.0.budgets_spent.inc();
    }

    /// Counts a remote picture: `ok`, or the name of the failure.
    pub fn fetched(&self, outcome: &'static str) {
        self.0.fetches.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a call of a callback: `ok` whatever it answered, or the name of the failure.
    pub fn called(&self, outcome: &'static str) {
        self.0.calls.get_or_create(&Outcome { outcome }).inc();
    }

    /// The page, in the text format of OpenMetrics.
    ///
    /// # Panics
    /// Never: a text in memory takes everything.
    pub fn page(&self, standing: &Standing) -> String {
        let gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.0.waiting.set(gauge(standing.waiting));
        self.0.running.set(gauge(standing.running));
        // Others keep these counts; here they are shown as they stand.
        let show = |counter: &Counter, count: u64| counter.inner().store(count, Ordering::Relaxed);
        show(&self.0.panics, standing.panics);
        show(&self.0.store_errors, standing.store_errors);
        self.0.workers.set(gauge(standing.workers));
        for &(cause, count) in &standing.worker_ends {
            show(&self.0.worker_ends.get_or_create(&Ended { cause }), count);
        }
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &self.0.registry).expect("memory takes every text");
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_outside_the_tables_is_other() {
        let metrics = Metrics::new(HashMap::from([("v", HashSet::from(["ok".to_owned()]))]));
        for code in ["ok", "ok", "made up", "ok\"} 1\n"] {
            metrics.answered("v", "o", code, Duration::from_millis(3));
        }
        metrics.answered("w", "o", "ok", Duration::ZERO);
        let page = metrics.page(&Standing::default());
        for line in [
            r#"qrstack_requests_total{provider="v",operation="o",code="ok"} 2"#,
            r#"qrstack_requests_total{provider="v",operation="o",code="other"} 2"#,
            r#"qrstack_requests_total{provider="w",operation="o",code="other"} 1"#,
            r#"qrstack_request_duration_seconds_bucket{le="0.005",provider="v",operation="o"} 4"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
        assert!(page.ends_with("# EOF\n"), "{page}");
    }

    #[test]
    fn what_others_count_is_shown_as_it_stands() {
        let metrics = Metrics::default();
        metrics.read(Read::Found, [Kind::QrCode, Kind::QrCode]);
        metrics.fetched("refused");
        let page = metrics.page(&Standing {
            waiting: 3,
            running: 2,
            panics: 5,
            workers: 4,
            worker_ends: vec![("died", 6)],
            store_errors: 7,
        });
        for line in [
            "qrstack_reads_waiting 3",
            "qrstack_reads_running 2",
            "qrstack_reader_panics_total 5",
            "qrstack_workers 4",
            r#"qrstack_worker_ends_total{cause="died"} 6"#,
            "qrstack_store_errors_total 7",
            r#"qrstack_reads_total{outcome="found"} 1"#,
            r#"qrstack_symbols_total{kind="QrCode"} 2"#,
            r#"qrstack_fetches_total{outcome="refused"} 1"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
    }
}
