//! How often something may be done by, or to, whoever a key names: a burst, refilled evenly. What `throttle.rs` is to mail
//! servers this is to callers of the HTTP surface, with any key and the wait until the next one.
//!
//! GCRA: a bucket is one number, the time at which it will be full again; taking is one compare-and-swap.

use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The buckets of the keys seen last.
#[derive(Debug)]
pub struct Budget<K> {
    start: Instant,
    burst: u32,
    interval: Duration,
    buckets: Cache<K, Arc<AtomicU64>>,
}

impl<K: Hash + Eq + Clone> Budget<K> {
    /// `burst` at once, and one more after each `interval`.
    pub fn new(start: Instant, burst: u32, interval: Duration) -> Budget<K> {
        Budget { start, burst, interval, buckets: Cache::new(KEYS_MAX) }
    }

    /// Takes one; the error says how long until there is one again.
    pub fn take(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let bucket = self.buckets.get_or_insert_with(key, || Ok::<_, Infallible>(Arc::default()));
        let bucket = bucket.unwrap_or_else(|never| match never {});
        let now = nanos(now.saturating_duration_since(self.start));
        let interval = nanos(self.interval);
        let tolerance = interval.saturating_mul(u64::from(self.burst.saturating_sub(1)));
        let take = |full_at: u64| {
            let full_at = full_at.max(now);
            (full_at - now <= tolerance).then(|| full_at.saturating_add(interval))
        };
        match bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(full_at) => Err(Duration::from_nanos(full_at.saturating_sub(now).saturating_sub(tolerance))),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A key beyond this many others is forgotten and starts anew.
const KEYS_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_is_told_how_long_to_wait() {
        let start = Instant::now();
        let budget = Budget::new(start, 3, Duration::from_secs(60));
        let at = |seconds| budget.take(&"sara", start + Duration::from_secs(seconds));
        assert!((0..3).all(|_| at(0).is_ok()));
        assert_eq!(at(0), Err(Duration::from_secs(60)));
        assert_eq!(at(45), Err(Duration::from_secs(15)));
        assert_eq!((at(60), at(60)), (Ok(()), Err(Duration::from_secs(60))));
        assert!((0..3).all(|_| at(1000).is_ok()) && at(1000).is_err());
    }

    #[test]
    fn keys_do_not_share_a_bucket() {
        let now = Instant::now();
        let budget = Budget::new(now, 1, Duration::from_secs(1));
        assert!(budget.take(&1, now).is_ok() && budget.take(&1, now).is_err() && budget.take(&2, now).is_ok());
    }
}
