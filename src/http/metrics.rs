//! `/metrics`: the counters of the doors, and how the store is, in OpenMetrics text.

use super::surface::Surface;
use crate::net::counters::Counters;
use crate::store::Store;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Every metric under the prefix `replyd`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    store: StoreGauges,
}

/// Read from the store when asked for.
#[derive(Debug, Default)]
struct StoreGauges {
    healthy: Gauge,
    free_bytes: Gauge,
    free_inodes: Gauge,
    commits_waiting: Gauge,
}

impl Metrics {
    pub fn new(counters: &Counters) -> Metrics {
        let mut registry = Registry::with_prefix("replyd");
        counters.register(&mut registry);
        let store = StoreGauges::default();
        registry.register("store_healthy", "1 while mail can be accepted", store.healthy.clone());
        registry.register("store_free_bytes", "Free octets under the data directory", store.free_bytes.clone());
        registry.register("store_free_inodes", "Free inodes under the data directory", store.free_inodes.clone());
        registry.register("store_commits_waiting", "Units of work before the writer", store.commits_waiting.clone());
        registry.register("build", "The program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        Metrics { registry, store }
    }

    fn text(&self, store: &Store) -> Result<String, std::fmt::Error> {
        self.store.read(store);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl StoreGauges {
    fn read(&self, store: &Store) {
        self.healthy.set(i64::from(store.health().is_ok()));
        self.commits_waiting.set(i64::try_from(store.commits_waiting()).unwrap_or(i64::MAX));
        if let Ok(free) = store.free_space() {
            self.free_bytes.set(i64::try_from(free.octets).unwrap_or(i64::MAX));
            self.free_inodes.set(i64::try_from(free.inodes).unwrap_or(i64::MAX));
        }
    }
}

#[utoipa::path(get, path = "/metrics",
    responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text")))]
pub async fn metrics(State(surface): State<Surface>) -> Response {
    match surface.metrics.text(&surface.store) {
        // prometheus-client writes OpenMetrics, which scrapers must be told.
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => super::error::ApiError::internal(&error).into_response(),
    }
}
