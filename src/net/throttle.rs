//! How often a client, and its network, may do what costs us: one bucket each per kind, refilled evenly over a minute.
//!
//! GCRA: a bucket is one number, the time at which it will be full again; taking is one compare-and-swap.

use super::client::{client_of, network_of};
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

/// The buckets of the clients and networks seen last.
#[derive(Debug)]
pub struct Throttle {
    start: Instant,
    clients: Cache<IpAddr, Arc<Buckets>>,
    networks: Cache<IpAddr, Arc<Buckets>>,
}

/// How much a minute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub of_client: u32,
    /// Of its network, in multiples of that.
    pub clients_of_network: u32,
}

/// When each bucket is full again, in nanoseconds since `Throttle::start`; indexed by `Kind`.
#[derive(Debug, Default)]
struct Buckets([AtomicU64; 3]);

/// A client beyond this many others is forgotten and starts anew: about 6 MiB, whatever the number of peers.
const CLIENTS_MAX: usize = 16_384;

const MINUTE_NANOS: u64 = 60_000_000_000;

impl Throttle {
    pub fn new(now: Instant) -> Throttle {
        Throttle { start: now, clients: Cache::new(CLIENTS_MAX), networks: Cache::new(CLIENTS_MAX) }
    }

    /// Takes one from the buckets of this kind of the client and of its network; `false` when either is empty. What
    /// the network refuses is still counted to the client: it did ask.
    pub fn allows(&self, ip: IpAddr, kind: Kind, rate: Rate, now: Instant) -> bool {
        let now = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let of_network = rate.of_client.saturating_mul(rate.clients_of_network);
        buckets(&self.clients, client_of(ip)).take(kind, rate.of_client, now)
            && buckets(&self.networks, network_of(ip)).take(kind, of_network, now)
    }
}

fn buckets(of: &Cache<IpAddr, Arc<Buckets>>, key: IpAddr) -> Arc<Buckets> {
    of.get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::default()))
        .unwrap_or_else(|never| match never {})
}

impl Buckets {
    fn take(&self, kind: Kind, per_minute: u32, now: u64) -> bool {
        let Some(interval) = MINUTE_NANOS.checked_div(u64::from(per_minute)) else { return false };
        let [connections, mails, recipients] = &self.0;
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
        let rate = Rate { of_client: 6, clients_of_network: 3 };
        let at = |seconds| throttle.allows(ip, Kind::Mails, rate, start + Duration::from_secs(seconds));
        assert!((0..6).all(|_| at(0)));
        assert!(!at(0) && !at(9));
        assert!(at(10) && !at(10));
        assert!((0..6).all(|_| at(100)) && !at(100));
    }

    #[test]
    fn clients_and_kinds_do_not_share_a_bucket() {
        let now = Instant::now();
        let throttle = Throttle::new(now);
        let rate = Rate { of_client: 1, clients_of_network: 2 };
        let allows = |ip: &str, kind| throttle.allows(ip.parse().unwrap(), kind, rate, now);
        assert!(allows("192.0.2.1", Kind::Mails) && !allows("192.0.2.1", Kind::Mails));
        assert!(allows("192.0.2.1", Kind::Recipients) && allows("192.0.2.2", Kind::Mails));
        assert!(allows("2001:db8::1", Kind::Mails) && !allows("2001:db8::2", Kind::Mails));
        let nothing = Rate { of_client: 0, ..rate };
        assert!(!throttle.allows(IpAddr::from([203, 0, 113, 9]), Kind::Mails, nothing, now));
    }

    #[test]
    fn a_network_is_held_to_a_multiple_of_what_its_clients_may() {
        let start = Instant::now();
        let throttle = Throttle::new(start);
        let rate = Rate { of_client: 2, clients_of_network: 2 };
        let allows = |last, now| throttle.allows(IpAddr::from([192, 0, 2, last]), Kind::Mails, rate, now);
        assert!((1..=4).all(|last| allows(last, start)));
        assert!(!allows(5, start));
        assert!(throttle.allows(IpAddr::from([192, 0, 3, 1]), Kind::Mails, rate, start));
        assert!(allows(6, start + Duration::from_secs(15)));
    }
}
