//! How often a client may do what costs us: one bucket per client and kind, refilled evenly over a minute.
//!
//! GCRA: a bucket is one number, the time at which it will be full again; taking is one compare-and-swap.

use super::client::client_of;
use quick_cache::sync::Cache;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Connections,
    Mails,
    Recipients,
}

/// The buckets of the clients seen last.
#[derive(Debug)]
pub struct Throttle {
    start: Instant,
    clients: Cache<IpAddr, Arc<Buckets>>,
}

/// When each bucket is full again, in nanoseconds since `Throttle::start`; indexed by `Kind`.
#[derive(Debug, Default)]
struct Buckets([AtomicU64; 3]);

/// A client beyond this many others is forgotten and starts anew: about 3 MiB, whatever the number of peers.
const CLIENTS_MAX: usize = 16_384;

const MINUTE_NANOS: u64 = 60_000_000_000;

impl Throttle {
    pub fn new(now: Instant) -> Throttle {
        Throttle { start: now, clients: Cache::new(CLIENTS_MAX) }
    }

    /// Takes one of `per_minute` from the client's bucket of this kind; `false` when it is empty.
    pub fn allows(&self, ip: IpAddr, kind: Kind, per_minute: u32, now: Instant) -> bool {
        let Some(interval) = MINUTE_NANOS.checked_div(u64::from(per_minute)) else { return false };
        let now = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let buckets = self
            .clients
            .get_or_insert_with(&client_of(ip), || Ok::<_, std::convert::Infallible>(Arc::default()))
            .unwrap_or_else(|never| match never {});
        let [connections, mails, recipients] = &buckets.0;
        let bucket = match kind {
            Kind::Connections => connections,
            Kind::Mails => mails,
            Kind::Recipients => recipients,
        };
        let tolerance = interval.saturating_mul(u64::from(per_minute) - 1);
        let take = |full_at: u64| {
            let full_at = full_at.max(now);
            (full_at - now <= tolerance).then(|| full_at.saturating_add(interval))
        };
        bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_nth_in_a_minute_passes_and_the_next_waits_for_the_refill() {
        let start = Instant::now();
        let throttle = Throttle::new(start);
        let ip = IpAddr::from([192, 0, 2, 1]);
        let at = |seconds| throttle.allows(ip, Kind::Mails, 6, start + Duration::from_secs(seconds));
        assert!((0..6).all(|_| at(0)));
        assert!(!at(0) && !at(9));
        assert!(at(10) && !at(10));
        assert!((0..6).all(|_| at(100)) && !at(100));
    }

    #[test]
    fn clients_and_kinds_do_not_share_a_bucket() {
        let now = Instant::now();
        let throttle = Throttle::new(now);
        let allows = |ip: &str, kind| throttle.allows(ip.parse().unwrap(), kind, 1, now);
        assert!(allows("192.0.2.1", Kind::Mails) && !allows("192.0.2.1", Kind::Mails));
        assert!(allows("192.0.2.1", Kind::Recipients) && allows("192.0.2.2", Kind::Mails));
        assert!(allows("2001:db8::1", Kind::Mails) && !allows("2001:db8::2", Kind::Mails));
        assert!(!throttle.allows(IpAddr::from([192, 0, 2, 9]), Kind::Mails, 0, now));
    }
}
