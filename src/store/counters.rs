//! What the store counts about itself: how many units share a commit, and how long commits take.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Upper bounds of the commit histogram, in seconds.
pub const COMMIT_SECONDS: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];

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
    /// Seconds of all commits together.
    pub commit_seconds_sum: f64,
    /// How many commits took at most as long as `COMMIT_SECONDS` says at the same place; slower ones are in none.
    pub commit_seconds: [u64; COMMIT_SECONDS.len()],
}

/// The live counters.
#[derive(Debug, Default)]
pub struct Counting {
    pub waiting: AtomicUsize,
    batches: AtomicU64,
    units: AtomicU64,
    batches_failed: AtomicU64,
    commit_micros: AtomicU64,
    buckets: [AtomicU64; COMMIT_SECONDS.len()],
}

impl Counting {
    pub fn committed(&self, units: usize, took: Duration) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.units.fetch_add(units as u64, Ordering::Relaxed);
        self.commit_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        for (bound, bucket) in COMMIT_SECONDS.iter().zip(&self.buckets) {
            if took.as_secs_f64() <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
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
            commit_seconds_sum: Duration::from_micros(self.commit_micros.load(Ordering::Relaxed)).as_secs_f64(),
            commit_seconds: std::array::from_fn(|at| {
                self.buckets.get(at).map_or(0, |bucket| bucket.load(Ordering::Relaxed))
            }),
        }
    }
}
