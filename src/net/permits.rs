//! How much of us all peers together, and each of them, may hold: session slots, octets of content, memory for
//! large mails. Every permit gives itself back when it is dropped.

use super::client::{client_of, network_of};
use crate::limits::{LARGE_MAIL_OCTETS_IN_MEMORY, Limits};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who holds session slots.
#[derive(Debug, Default)]
pub struct Slots {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    clients: HashMap<IpAddr, usize>,
    networks: HashMap<IpAddr, usize>,
}

/// Why a client gets no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotRefusal {
    Client,
    Network,
}

/// A session's place among all, and once its client is known, among that client's.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    client: Option<IpAddr>,
}

impl Slots {
    /// A place among all sessions; `None` when `sessions_max` are there.
    pub fn take(self: &Arc<Self>, limits: &Limits) -> Option<Slot> {
        let mut taken = self.lock();
        if taken.all >= limits.sessions_max {
            return None;
        }
        taken.all += 1;
        Some(Slot { slots: Arc::clone(self), client: None })
    }

    /// Sessions in all.
    pub fn taken(&self) -> usize {
        self.lock().all
    }

    /// A panic while the lock was held cannot leave the counts half changed: each section is arithmetic only.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Counts the session to this client instead of the one before.
    pub fn assign(&mut self, ip: IpAddr, limits: &Limits) -> Result<(), SlotRefusal> {
        self.release_client();
        let mut taken = self.slots.lock();
        let count = |map: &HashMap<IpAddr, usize>, key| map.get(&key).copied().unwrap_or(0);
        if count(&taken.clients, client_of(ip)) >= limits.sessions_per_client_max {
            return Err(SlotRefusal::Client);
        }
        if count(&taken.networks, network_of(ip)) >= limits.sessions_per_network_max {
            return Err(SlotRefusal::Network);
        }
        *taken.clients.entry(client_of(ip)).or_default() += 1;
        *taken.networks.entry(network_of(ip)).or_default() += 1;
        drop(taken);
        self.client = Some(ip);
        Ok(())
    }

    fn release_client(&mut self) {
        if let Some(ip) = self.client.take() {
            let mut taken = self.slots.lock();
            decrease(&mut taken.clients, client_of(ip));
            decrease(&mut taken.networks, network_of(ip));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.release_client();
        let mut taken = self.slots.lock();
        taken.all = taken.all.saturating_sub(1);
    }
}

fn decrease(counts: &mut HashMap<IpAddr, usize>, key: IpAddr) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Sessions that wait for nothing but the price of their errors.
#[derive(Debug, Default)]
pub struct DelayedSessions {
    held: AtomicUsize,
}

/// One of them.
#[derive(Debug)]
pub struct Delayed<'a> {
    of: &'a DelayedSessions,
}

impl DelayedSessions {
    /// Room for one more; `None` when as many are held as may be.
    pub fn hold(&self, max: usize) -> Option<Delayed<'_>> {
        let more = |held| (held < max).then_some(held + 1);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Delayed { of: self })
    }
}

impl Drop for Delayed<'_> {
    fn drop(&mut self) {
        self.of.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Octets of content that all sessions hold, in memory or spilled.
#[derive(Debug, Default)]
pub struct ContentBudget {
    taken: AtomicU64,
}

/// One transaction's share of a [`ContentBudget`].
#[derive(Debug)]
pub struct ContentShare {
    budget: Arc<ContentBudget>,
    octets: u64,
}

impl ContentBudget {
    /// An empty share.
    pub fn share(self: &Arc<Self>) -> ContentShare {
        ContentShare { budget: Arc::clone(self), octets: 0 }
    }

    /// Whether this many octets more would fit.
    pub fn has_room(&self, octets: u64, octets_max: u64) -> bool {
        self.taken.load(Ordering::Relaxed).saturating_add(octets) <= octets_max
    }
}

impl ContentShare {
    /// Takes `octets` more; `false`, and nothing taken, when the budget does not hold them.
    pub fn grow(&mut self, octets: u64, octets_max: u64) -> bool {
        let before = self.budget.taken.fetch_add(octets, Ordering::Relaxed);
        if before.saturating_add(octets) > octets_max {
            self.budget.taken.fetch_sub(octets, Ordering::Relaxed);
            return false;
        }
        self.octets += octets;
        true
    }
}

impl Drop for ContentShare {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

/// Memory for mails that lie in a file and must be read whole, by verification or by filing. Waiting for it
/// delays a large mail; it never refuses one.
#[derive(Debug)]
pub struct LargeMails {
    kibibytes: Arc<Semaphore>,
}

const KIBIBYTES_MAX: u32 = (LARGE_MAIL_OCTETS_IN_MEMORY / 1024) as u32;

impl Default for LargeMails {
    fn default() -> Self {
        LargeMails { kibibytes: Arc::new(Semaphore::new(KIBIBYTES_MAX as usize)) }
    }
}

impl LargeMails {
    /// Room for a mail of this size; a mail larger than all the room gets all of it.
    pub async fn room_for(&self, octets: u64) -> OwnedSemaphorePermit {
        let kibibytes = u32::try_from(octets.div_ceil(1024)).unwrap_or(u32::MAX).min(KIBIBYTES_MAX);
        Arc::clone(&self.kibibytes)
            .acquire_many_owned(kibibytes)
            .await
            .expect("the semaphore is owned by this value and nothing closes it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { sessions_max: 4, sessions_per_client_max: 2, sessions_per_network_max: 3, ..Limits::default() }
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn slots_are_counted_in_all_per_client_and_per_network() {
        let (slots, limits) = (Arc::new(Slots::default()), limits());
        let mut held: Vec<Slot> = (0..4).map(|_| slots.take(&limits).unwrap()).collect();
        assert!(slots.take(&limits).is_none());
        assert_eq!(held[0].assign(ip(1), &limits), Ok(()));
        assert_eq!(held[1].assign(ip(1), &limits), Ok(()));
        assert_eq!(held[2].assign(ip(1), &limits), Err(SlotRefusal::Client));
        assert_eq!(held[2].assign(ip(2), &limits), Ok(()));
        assert_eq!(held[3].assign(ip(3), &limits), Err(SlotRefusal::Network));
        held.remove(0);
        assert_eq!(held[2].assign(ip(1), &limits), Ok(()));
        drop(held);
        assert_eq!(slots.taken(), 0);
        assert!(slots.lock().clients.is_empty() && slots.lock().networks.is_empty());
    }

    #[test]
    fn a_slot_follows_its_client() {
        let (slots, limits) = (Arc::new(Slots::default()), limits());
        let mut slot = slots.take(&limits).unwrap();
        for last in 1..100 {
            assert_eq!(slot.assign(ip(last), &limits), Ok(()));
        }
        assert_eq!(slots.lock().clients.len(), 1);
    }

    #[test]
    fn errors_hold_so_many_sessions_and_no_more() {
        let delayed = DelayedSessions::default();
        let held = (delayed.hold(2), delayed.hold(2));
        assert!(held.0.is_some() && held.1.is_some() && delayed.hold(2).is_none());
        drop(held);
        assert!(delayed.hold(1).is_some());
    }

    #[test]
    fn content_is_taken_to_the_octet_and_given_back() {
        let budget = Arc::new(ContentBudget::default());
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.grow(60, 100) && two.grow(40, 100));
        assert!(!two.grow(1, 100) && !budget.has_room(1, 100));
        drop(one);
        assert!(two.grow(60, 100));
    }

    #[tokio::test]
    async fn a_mail_larger_than_the_room_for_large_mails_gets_all_of_it() {
        let large = LargeMails::default();
        let all = large.room_for(u64::MAX).await;
        assert_eq!(large.kibibytes.available_permits(), 0);
        drop(all);
        let _some = large.room_for(1025).await;
        assert_eq!(large.kibibytes.available_permits(), KIBIBYTES_MAX as usize - 2);
    }
}
