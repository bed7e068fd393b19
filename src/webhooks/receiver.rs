//! Whether a receiver as a whole takes anything. Pure.
//!
//! Several lanes that fail one after the other, with nothing taken between them, are no lane's fault: then the receiver rests,
//! longer each time, and after each rest one item finds out whether it is back. The first one that it takes ends the trouble.

use crate::clock::UnixMs;
use crate::retry;
use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

/// What may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Everything,
    OneAtATime,
    Nothing,
}

#[derive(Debug)]
pub struct Receiver<K> {
    waits: &'static [Duration],
    /// Lanes that failed since it took something; no more than it needs.
    failed: HashSet<K>,
    rests: u32,
    rest_until: Option<UnixMs>,
    failing_since: Option<UnixMs>,
    tried_troubled_last: bool,
}

impl<K> Default for Receiver<K> {
    fn default() -> Self {
        Receiver::new(retry::SITE)
    }
}

impl<K> Receiver<K> {
    /// One that is left alone for so long when it fails: once, twice, and so on.
    pub fn new(waits: &'static [Duration]) -> Receiver<K> {
        Receiver {
            waits,
            failed: HashSet::new(),
            rests: 0,
            rest_until: None,
            failing_since: None,
            tried_troubled_last: false,
        }
    }
}

impl<K: Clone + Eq + Hash> Receiver<K> {
    /// As an earlier run left it.
    pub fn failing(mut self, since: Option<UnixMs>) -> Receiver<K> {
        self.failing_since = since;
        self
    }

    pub fn permission(&self, now: UnixMs) -> Permission {
        match self.rest_until {
            None => Permission::Everything,
            Some(until) if until <= now => Permission::OneAtATime,
            Some(_) => Permission::Nothing,
        }
    }

    /// It took something; answers whether it had been resting.
    pub fn succeeded(&mut self) -> bool {
        let rested = self.rest_until.is_some();
        *self = Receiver::new(self.waits);
        rested
    }

    pub fn failed(&mut self, lane: &K, now: UnixMs, draw: u32) {
        self.failing_since.get_or_insert(now);
        if self.failed.len() < LANES_AT_FAULT {
            self.failed.insert(lane.clone());
        }
        // What was begun before the rest and fails in it is no news.
        let resting = self.rest_until.is_some_and(|until| until > now);
        if self.failed.len() >= LANES_AT_FAULT && !resting {
            self.rests += 1;
            let wait = retry::jittered(retry::wait(self.waits, self.rests), draw);
            self.rest_until = Some(later(now, wait));
        }
    }

    /// It asks to be left alone until then.
    pub fn rest(&mut self, until: UnixMs) {
        self.rest_until = Some(self.rest_until.map_or(until, |known| known.max(until)));
    }

    pub fn rests_until(&self) -> Option<UnixMs> {
        self.rest_until
    }

    /// Since when it has taken nothing.
    pub fn failing_since(&self) -> Option<UnixMs> {
        self.failing_since
    }

    pub fn note_try(&mut self, troubled: bool) {
        self.tried_troubled_last = troubled;
    }

    pub fn tried_troubled_last(&self) -> bool {
        self.tried_troubled_last
    }
}

/// That much later.
pub fn later(at: UnixMs, wait: Duration) -> UnixMs {
    UnixMs(at.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
}

/// So many different lanes, and it is the receiver.
const LANES_AT_FAULT: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(failures: &[(&str, i64)]) -> Receiver<String> {
        let mut receiver = Receiver::default();
        for (lane, at) in failures {
            receiver.failed(&(*lane).to_owned(), UnixMs(at * 1000), u32::MAX / 2);
        }
        receiver
    }

    #[test]
    fn one_lane_is_never_the_receivers_fault() {
        let receiver = after(&[("a", 0), ("a", 1), ("b", 2), ("a", 3), ("b", 4)]);
        assert_eq!(receiver.permission(UnixMs(5000)), Permission::Everything);
        assert_eq!(receiver.failing_since(), Some(UnixMs(0)));
    }

    #[test]
    fn three_lanes_are_and_each_rest_is_longer() {
        let mut receiver = after(&[("a", 0), ("b", 0), ("c", 0)]);
        assert_eq!(receiver.permission(UnixMs(14_000)), Permission::Nothing);
        assert_eq!(receiver.permission(UnixMs(15_001)), Permission::OneAtATime);
        receiver.failed(&"d".to_owned(), UnixMs(10_000), 0);
        assert_eq!(receiver.permission(UnixMs(15_001)), Permission::OneAtATime, "begun before the rest");
        receiver.failed(&"a".to_owned(), UnixMs(16_000), u32::MAX / 2);
        assert_eq!(receiver.permission(UnixMs(75_000)), Permission::Nothing, "a minute");
        assert!(receiver.succeeded());
        assert_eq!((receiver.permission(UnixMs(75_000)), receiver.failing_since()), (Permission::Everything, None));
        assert!(!receiver.succeeded());
    }

    #[test]
    fn what_it_asks_for_counts() {
        let mut receiver = after(&[]);
        receiver.rest(UnixMs(10));
        receiver.rest(UnixMs(5));
        assert_eq!(receiver.permission(UnixMs(9)), Permission::Nothing);
        assert_eq!(receiver.permission(UnixMs(10)), Permission::OneAtATime);
    }
}
