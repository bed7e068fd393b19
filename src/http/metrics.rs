//! `/metrics`: the counters of the doors, and how the store is, in OpenMetrics text.

use super::places::{FeedKind, Places};
use super::surface::Surface;
use crate::clock::UnixMs;
use crate::net::counters::Counters;
use crate::net::tls::Tls;
use crate::store::outgoing::Backlog;
use crate::store::{KeptSum, Store};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Every metric under the prefix `replyd`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    store: StoreGauges,
    tls: Tls,
    certificates: Family<CertificateLabels, Gauge>,
    feeds: Family<FeedLabels, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeedLabels {
    /// `account` for those with a token, `visitor` for open chats.
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    file: String,
}

/// Read from the store when asked for.
#[derive(Debug, Default)]
struct StoreGauges {
    healthy: Gauge,
    size_bytes: Gauge,
    free_bytes: Gauge,
    free_inodes: Gauge,
    commits_waiting: Gauge,
    commits: Gauge,
    units: Gauge,
    commits_failed: Gauge,
    queue_messages: Family<QueueLabels, Gauge>,
    queue_oldest_seconds: Gauge,
    kept_mails: Gauge,
    kept_bytes: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    /// `waiting`, `queued`, `deferred`, and `held` whichever it is of these.
    state: &'static str,
}

impl Metrics {
    pub fn new(counters: &Counters, tls: Tls, store: &Store) -> Metrics {
        let mut registry = Registry::with_prefix("replyd");
        counters.register(&mut registry);
        let commits = store.histograms();
        registry.register("ingest_commit_seconds", "How long commits take, with their sync", commits.commit_seconds);
        registry.register("ingest_commit_units", "Units of work that share a commit", commits.batch_units);
        let store = StoreGauges::default();
        registry.register("store_healthy", "1 while mail can be accepted", store.healthy.clone());
        let help = "Octets of the file system under the data directory";
        registry.register("store_size_bytes", help, store.size_bytes.clone());
        registry.register("store_free_bytes", "Free octets under the data directory", store.free_bytes.clone());
        registry.register("store_free_inodes", "Free inodes under the data directory", store.free_inodes.clone());
        registry.register("store_commits_waiting", "Units of work before the writer", store.commits_waiting.clone());
        registry.register("store_commits", "Commits since the start", store.commits.clone());
        registry.register("store_units", "Units of work in them: by commits, the batch size", store.units.clone());
        registry.register("store_commits_failed", "Commits that failed", store.commits_failed.clone());
        registry.register("queue_messages", "Outgoing mail that has not ended", store.queue_messages.clone());
        let help = "Age of the oldest mail that is to be sent, or 0";
        registry.register("queue_oldest_seconds", help, store.queue_oldest_seconds.clone());
        let help = "Mails that were answered as taken and that nobody took: see replyd inbound list --outcome rejected";
        registry.register("inbound_kept_mails", help, store.kept_mails.clone());
        registry.register("inbound_kept_bytes", "Octets of these mails", store.kept_bytes.clone());
        let certificates = Family::default();
        let help = "When a certificate ceases to be valid, in seconds since the Unix epoch";
        registry.register("cert_not_after_seconds", help, certificates.clone());
        let feeds = Family::default();
        registry.register("live_feeds", "Those who listen to what happens", feeds.clone());
        registry.register("build", "The program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        Metrics { registry, store, tls, certificates, feeds }
    }

    fn count_feeds(&self, places: &Places) {
        for (kind, of) in [("account", FeedKind::Account), ("visitor", FeedKind::Visitor)] {
            let count = i64::try_from(places.taken(of)).unwrap_or(i64::MAX);
            self.feeds.get_or_create(&FeedLabels { kind }).set(count);
        }
    }

    fn show_kept(&self, kept: KeptSum) {
        self.store.kept_mails.set(i64::try_from(kept.mails).unwrap_or(i64::MAX));
        self.store.kept_bytes.set(i64::try_from(kept.octets).unwrap_or(i64::MAX));
    }

    fn text(&self, store: &Store, queue: Option<Backlog>, now: UnixMs) -> Result<String, std::fmt::Error> {
        self.store.read(store);
        if let Some(queue) = queue {
            self.store.show(queue, now);
        }
        for (file, not_after) in self.tls.not_after() {
            let labels = CertificateLabels { file: file.display().to_string() };
            self.certificates.get_or_create(&labels).set(not_after.seconds());
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl StoreGauges {
    fn show(&self, queue: Backlog, now: UnixMs) {
        let Backlog { waiting, queued, deferred, held, oldest } = queue;
        for (state, count) in [("waiting", waiting), ("queued", queued), ("deferred", deferred), ("held", held)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.queue_messages.get_or_create(&QueueLabels { state }).set(count);
        }
        self.queue_oldest_seconds.set(oldest.map_or(0, |oldest| (now.0 - oldest.0).max(0) / 1000));
    }

    fn read(&self, store: &Store) {
        self.healthy.set(i64::from(store.health().is_ok()));
        self.commits_waiting.set(i64::try_from(store.commits_waiting()).unwrap_or(i64::MAX));
        let counters = store.counters();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.commits.set(number(counters.batches));
        self.units.set(number(counters.units));
        self.commits_failed.set(number(counters.batches_failed));
        if let Ok(size) = store.disk_size() {
            self.size_bytes.set(number(size));
        }
        if let Ok(free) = store.free_space() {
            self.free_bytes.set(number(free.octets));
            self.free_inodes.set(number(free.inodes));
        }
    }
}

#[utoipa::path(get, path = "/metrics",
    responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text")))]
pub async fn metrics(State(surface): State<Surface>) -> Response {
    // A store that cannot be read shows what it showed last: the other figures say why.
    let queue = surface.store.backlog().await.ok();
    if let Ok(kept) = surface.store.kept_mails().await {
        surface.metrics.show_kept(kept);
    }
    surface.metrics.count_feeds(&surface.places);
    match surface.metrics.text(&surface.store, queue, surface.clock.now()) {
        // prometheus-client writes OpenMetrics, which scrapers must be told.
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => super::error::ApiError::internal(&error).into_response(),
    }
}
