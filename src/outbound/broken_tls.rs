//! Hosts whose TLS did not work: for a week they are spoken to in the clear at once, where TLS was only a wish.
//!
//! Never asked about a host that must have TLS (DANE, MTA-STS, REQUIRETLS, config): forgetting this memory costs one failed
//! handshake, so it lives in this process only, and is bounded.

use crate::clock::{Clock, UnixMs};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const REMEMBERED_MS: i64 = 7 * 86_400_000;
const HOSTS_MAX: usize = 4096;

#[derive(Debug)]
pub struct BrokenTls {
    clock: Clock,
    until: Mutex<HashMap<String, UnixMs>>,
}

impl BrokenTls {
    pub fn new(clock: Clock) -> BrokenTls {
        BrokenTls { clock, until: Mutex::default() }
    }

    /// The host offered STARTTLS, and the handshake failed.
    pub fn remember(&self, host: &str) {
        let now = self.clock.now();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= HOSTS_MAX && !until.contains_key(host) {
            until.retain(|_, until| *until > now);
            let first = until.iter().min_by_key(|(_, until)| **until).map(|(host, _)| host.clone());
            if let Some(first) = first.filter(|_| until.len() >= HOSTS_MAX) {
                until.remove(&first);
            }
        }
        until.insert(host.to_owned(), UnixMs(now.0.saturating_add(REMEMBERED_MS)));
    }

    pub fn is_broken(&self, host: &str) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get(host).is_some_and(|until| *until > self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_remembered_for_a_week() {
        let clock = Clock::fixed(UnixMs(0));
        let broken = BrokenTls::new(clock.clone());
        broken.remember("mx.example");
        assert!(broken.is_broken("mx.example") && !broken.is_broken("other.example"));
        clock.set(UnixMs(REMEMBERED_MS - 1));
        assert!(broken.is_broken("mx.example"));
        clock.set(UnixMs(REMEMBERED_MS));
        assert!(!broken.is_broken("mx.example"));
    }

    #[test]
    fn only_so_many_are_remembered_and_the_oldest_is_forgotten() {
        let clock = Clock::fixed(UnixMs(0));
        let broken = BrokenTls::new(clock.clone());
        for n in 0..=HOSTS_MAX {
            clock.set(UnixMs(i64::try_from(n).unwrap()));
            broken.remember(&n.to_string());
        }
        assert_eq!(broken.until.lock().unwrap().len(), HOSTS_MAX);
        assert!(!broken.is_broken("0") && broken.is_broken("1") && broken.is_broken(&HOSTS_MAX.to_string()));
    }
}
