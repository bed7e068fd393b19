//! What the store counts about itself: how many units share a commit, and how long commits take.

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Counters since the store was opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    /// Commits.
    pub batches: u64,
    /// Units of work in them.
    pub units: u64,
    /// Commits that failed.
    pub batches_failed: u64,
    /// Units that wait for the writer.
    pub waiting: usize,
}

/// How commits are spread; clones share their counts.
#[derive(Debug, Clone)]
pub struct Histograms {
    /// From the first statement of a batch to its sync, in seconds.
    pub commit_seconds: Histogram,
    /// Units of work of one commit.
    pub batch_units: Histogram,
}

/// The live counters.
#[derive(Debug)]
pub struct Counting {
    pub waiting: AtomicUsize,
    pub histograms: Histograms,
    batches: AtomicU64,
    units: AtomicU64,
    batches_failed: AtomicU64,
}

impl Default for Counting {
    fn default() -> Self {
        Counting {
            waiting: AtomicUsize::new(0),
            histograms: Histograms {
                // 0.25 ms, a fast disk's sync, to 8 s, when senders begin to give up.
                commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
                // One unit to the most that a batch takes.
                batch_units: Histogram::new(exponential_buckets(1.0, 2.0, 8)),
            },
            batches: AtomicU64::new(0),
            units: AtomicU64::new(0),
            batches_failed: AtomicU64::new(0),
        }
    }
}

impl Counting {
    pub fn committed(&self, units: usize, took: Duration) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.units.fetch_add(units as u64, Ordering::Relaxed);
        self.histograms.commit_seconds.observe(took.as_secs_f64());
        self.histograms.batch_units.observe(units as f64);
    }

    pub fn failed(&self) {
        self.batches_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> Counters {
        Counters {
            batches: self.batches.load(Ordering::Relaxed),
            units: self.units.load(Ordering::Relaxed),
            batches_failed: self.batches_failed.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }
}
