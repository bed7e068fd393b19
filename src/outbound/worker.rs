//! Takes due mail from the store and has it delivered: so many at a time, fairly by site, and never more in memory than that.
//!
//! A mail in hand is first routed, which says its site, then waits for a place at that site, then is attempted. Mail whose
//! site rests goes back to the store, uncounted. Due times are wall clock and waits are monotonic, at most [`POLL`] long, so
//! that a clock that jumps or a machine that slept delays mail and does no more.

use super::drain::Drain;
use super::hop::{Route, Unroutable};
use super::in_hand::{self, Ended};
use super::running::Running;
use super::services::{Sending, Services};
use super::sign_in;
use super::sites::{Admission, Budget, SiteNews, Sites};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::retry;
use crate::store::StoreError;
use crate::store::outgoing::{Claim, QueueEntry};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

/// The running stage.
#[derive(Debug)]
pub struct Handle {
    task: JoinHandle<()>,
    letters: JoinHandle<()>,
}

impl Handle {
    /// Returns when the stage has ended after `shutdown`: running attempts had the drain time.
    pub async fn ended(self) {
        let _ = self.letters.await;
        let _ = self.task.await;
    }
}

/// Starts sending on the current runtime, until `shutdown`.
pub fn start(services: Arc<Services>, shutdown: CancellationToken) -> Handle {
    let wake_at = services.clock.monotonic();
    let sending = services.sending();
    let worker = Worker {
        sites: Sites::new(budget(&sending)),
        sending,
        services,
        drain: Drain::default(),
        routing: JoinSet::new(),
        attempts: JoinSet::new(),
        running: Running::default(),
        waiting: VecDeque::new(),
        in_hand: HashMap::new(),
        mails: HashSet::new(),
        again: HashMap::new(),
        look: Look::Now,
        failures: 0,
        next_claim: wake_at,
        wake_at,
        tend_at: wake_at,
    };
    let letters = tokio::spawn(sign_in::run(Arc::clone(&worker.services), shutdown.clone()));
    Handle { task: tokio::spawn(worker.run(shutdown)), letters }
}

struct Worker {
    services: Arc<Services>,
    /// The config that the sites go by.
    sending: Arc<Sending>,
    sites: Sites,
    drain: Drain,
    routing: JoinSet<Routed>,
    attempts: JoinSet<Ended>,
    running: Running,
    /// Routed, without a place at their site.
    waiting: VecDeque<(QueueEntry, Arc<Route>)>,
    /// Mails in hand by recipient domain.
    in_hand: HashMap<String, usize>,
    mails: HashSet<Id>,
    /// Due again, and claimed, before the news of their last attempt's end came round.
    again: HashMap<Id, QueueEntry>,
    look: Look,
    /// A claim that took all it could is not repeated before.
    next_claim: Instant,
    /// Store errors in a row.
    failures: u32,
    /// When to look again by itself.
    wake_at: Instant,
    tend_at: Instant,
}

/// `None`: it was stopped before it had a route.
type Routed = (QueueEntry, Option<Result<Route, Unroutable>>);

/// Whether there may be due mail to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Now,
    /// Nothing to see before an announcement, an attempt's end or `wake_at`.
    Rest,
    /// The store failed: not before `wake_at`.
    Trouble,
}

impl Worker {
    async fn run(mut self, shutdown: CancellationToken) {
        let mut announced = self.services.store.outgoing_mail();
        self.recover(&shutdown).await;
        while !shutdown.is_cancelled() {
            self.give_out().await;
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(routed) = self.routing.join_next() => self.on_routed(routed.ok()),
                Some(ended) = self.attempts.join_next() => self.on_ended(ended.ok()),
                Ok(()) = announced.changed() => self.look_again(),
                () = sleep_until(self.wake_at.into()) => self.on_time().await,
            }
        }
        self.stop().await;
    }

    /// What an earlier run had in hand is settled before anything is taken.
    async fn recover(&mut self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.services.store.recover_queue().await {
                Ok((0, 0)) => return,
                Ok((due, uncertain)) => {
                    tracing::warn!(
                        due,
                        uncertain,
                        "an earlier run ended while it sent: due mail is sent again, uncertain mail later"
                    );
                    return;
                }
                Err(error) => self.on_store_error(&error),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sleep_until(self.wake_at.into()) => {}
            }
        }
    }

    /// Fills the free places: first with what waits, then with what is due.
    async fn give_out(&mut self) {
        self.heed_config();
        self.admit_waiting();
        while self.look == Look::Now {
            let room = self.room().min(CLAIM_MAX);
            if room == 0 {
                return;
            }
            if let Err(error) = self.take_due(room).await {
                self.on_store_error(&error);
            }
        }
    }

    /// A new config may name another way: what rests is tried on it at once.
    fn heed_config(&mut self) {
        let sending = self.services.sending();
        if !Arc::ptr_eq(&sending, &self.sending) {
            self.sites.set_budget(budget(&sending));
            self.sites.wake_all();
            self.sending = sending;
        }
    }

    /// How many more may be in hand: one for each connection, and as many again that are routed or wait.
    fn room(&self) -> usize {
        (2 * self.services.sending().config.outbound.connections).saturating_sub(self.mails.len())
    }

    async fn take_due(&mut self, room: usize) -> Result<(), StoreError> {
        let (now, monotonic) = (self.services.clock.now(), self.services.clock.monotonic());
        let Some(due) = self.services.store.next_due().await? else {
            self.rest_until(monotonic + POLL);
            return Ok(());
        };
        if due > now {
            self.rest_until(monotonic + wait_between(now, due).min(POLL));
            return Ok(());
        }
        if monotonic < self.next_claim {
            self.rest_until(self.next_claim);
            return Ok(());
        }
        let entries = self.services.store.claim_due(self.claim(room, now)).await?;
        self.failures = 0;
        if entries.len() < room {
            self.next_claim = monotonic + CLAIM_PAUSE;
        }
        if entries.is_empty() {
            // All that is due is of domains that take no more: an attempt's end, or a site that wakes up, makes room.
            let awake = self.sites.next_awake(now).map_or(POLL, |awake| wait_between(now, awake));
            self.rest_until(monotonic + awake.clamp(FRUITLESS, POLL));
            return Ok(());
        }
        for entry in entries {
            self.take(entry);
        }
        Ok(())
    }

    fn claim(&self, room: usize, now: UnixMs) -> Claim {
        let per_domain = self.services.sending().config.outbound.connections_per_site.max(1);
        let laden = self.in_hand.iter().filter(|(_, count)| **count >= 2 * per_domain).map(|(domain, _)| domain);
        let mut busy: Vec<String> = self.sites.busy_domains(now).chain(laden).take(BUSY_MAX).cloned().collect();
        busy.sort_unstable();
        busy.dedup();
        Claim { limit: room, per_domain, busy }
    }

    fn take(&mut self, entry: QueueEntry) {
        if !self.mails.insert(entry.id) {
            self.again.insert(entry.id, entry);
            return;
        }
        *self.in_hand.entry(entry.domain.clone()).or_default() += 1;
        self.routing.spawn(route(Arc::clone(&self.services), entry, self.drain.clone()));
    }

    fn on_routed(&mut self, routed: Option<Routed>) {
        let Some((entry, Some(route))) = routed else { return };
        match route {
            Ok(route) => {
                let now = self.services.clock.now();
                self.sites.learn(&entry.domain, &route.site, now);
                if entry.urgent {
                    self.sites.wake(&route.site);
                }
                self.sites.waits(&route.site, now);
                self.waiting.push_back((entry, Arc::new(route)));
                self.admit_waiting();
            }
            Err(unroutable) => {
                let services = Arc::clone(&self.services);
                let end = in_hand::unroutable(&services, &entry, unroutable);
                self.attempts.spawn(in_hand::record(services, entry, None, end, SiteNews::Unasked));
            }
        }
    }

    /// Begins attempts in the order in which mail came to wait, but nobody waits for a site that is not their own.
    fn admit_waiting(&mut self) {
        let (now, monotonic, mut crowded) = (self.services.clock.now(), self.services.clock.monotonic(), 0);
        for (entry, route) in std::mem::take(&mut self.waiting) {
            match self.sites.admit(&route.site, now) {
                Admission::Now => {
                    self.sites.waits_no_more(&route.site);
                    let (services, drain) = (Arc::clone(&self.services), self.drain.clone());
                    let leash = self.running.begin(entry.id, monotonic);
                    self.attempts.spawn(in_hand::run(services, entry, route, drain, leash));
                }
                Admission::Full => self.waiting.push_back((entry, route)),
                Admission::Crowded => {
                    crowded += 1;
                    self.waiting.push_back((entry, route));
                }
                Admission::Rests(until) => {
                    self.sites.waits_no_more(&route.site);
                    self.put_back(entry, &route, until);
                }
            }
        }
        if crowded > 0 {
            self.running.give_way(crowded, monotonic);
            self.wake_at = self.wake_at.min(monotonic + CROWDED);
        }
    }

    fn put_back(&mut self, entry: QueueEntry, route: &Route, until: UnixMs) {
        let services = Arc::clone(&self.services);
        let end = in_hand::site_rests(&services, &route.site, until);
        self.attempts.spawn(in_hand::record(services, entry, None, end, SiteNews::Unasked));
    }

    fn on_ended(&mut self, ended: Option<Ended>) {
        let Some(Ended { entry, domain, site, news, at }) = ended else { return };
        self.mails.remove(&entry);
        self.running.ended(entry);
        if let Some(count) = self.in_hand.get_mut(&domain) {
            *count -= 1;
            if *count == 0 {
                self.in_hand.remove(&domain);
            }
        }
        if let Some(site) = site {
            self.sites.ended(&site, news, at, self.services.draw());
        }
        if let Some(entry) = self.again.remove(&entry) {
            self.take(entry);
        }
        self.look_again();
    }

    fn look_again(&mut self) {
        if self.look == Look::Rest {
            self.look = Look::Now;
        }
    }

    fn rest_until(&mut self, at: Instant) {
        self.look = Look::Rest;
        self.wake_at = at.min(self.tend_at);
    }

    async fn on_time(&mut self) {
        let now = self.services.clock.monotonic();
        self.look = Look::Now;
        self.wake_at = now + POLL;
        self.services.connections.close_idle(now);
        if now >= self.tend_at {
            self.tend(now).await;
        }
    }

    async fn tend(&mut self, now: Instant) {
        let next = match self.services.store.tend().await {
            Ok(next) => next.map_or(POLL, |next| wait_between(self.services.clock.now(), next)),
            Err(error) => {
                tracing::warn!(%error, "the queue could not be looked over; it is tried again");
                POLL
            }
        };
        self.tend_at = now + next.clamp(TEND_MIN, POLL);
    }

    fn on_store_error(&mut self, error: &StoreError) {
        self.failures += 1;
        let pause = retry::wait(retry::FILING, self.failures);
        tracing::warn!(%error, ?pause, "sending waits for the store");
        self.look = Look::Trouble;
        self.wake_at = self.services.clock.monotonic() + pause;
    }

    /// Nothing new is begun. Running attempts may end within the drain time; what has not begun goes back at once.
    async fn stop(mut self) {
        self.drain.begin();
        let waiting = self.waiting.drain(..).map(|(entry, _)| entry);
        let mut unbegun: Vec<QueueEntry> = waiting.chain(self.again.drain().map(|(_, entry)| entry)).collect();
        while let Some(routed) = self.routing.join_next().await {
            unbegun.extend(routed.ok().map(|(entry, _)| entry));
        }
        for entry in unbegun {
            let end = in_hand::stopping();
            self.attempts.spawn(in_hand::record(Arc::clone(&self.services), entry, None, end, SiteNews::Unasked));
        }
        let timeout = self.services.sending().config.limits.drain_timeout;
        let all = async { while self.attempts.join_next().await.is_some() {} };
        if tokio::time::timeout(timeout, all).await.is_err() {
            self.drain.end();
            let all = async { while self.attempts.join_next().await.is_some() {} };
            if tokio::time::timeout(RECORDING_MAX, all).await.is_err() {
                tracing::warn!("what became of some mail could not be written: the next start settles it");
            }
        }
        self.services.connections.close_all();
    }
}

/// A task of its own: what panics in there is one mail's route.
async fn route(services: Arc<Services>, entry: QueueEntry, drain: Drain) -> Routed {
    let (sending, mail, counters) = (services.sending(), entry.clone(), Arc::clone(&services.counters));
    let mut routing = tokio::spawn(async move { sending.route(&mail).await });
    let route = tokio::select! {
        route = &mut routing => Some(route),
        () = drain.begun() => None,
    };
    routing.abort();
    let broken = |error| {
        counters.panics.inc();
        tracing::error!(%error, "finding a route ended in a panic; this is a defect of replyd: please report it");
        Err(Unroutable::Temporary { reason: "an internal error while its route was sought; the log has it".to_owned() })
    };
    (entry, route.map(|route| route.unwrap_or_else(broken)))
}

fn budget(sending: &Sending) -> Budget {
    let outbound = &sending.config.outbound;
    Budget {
        connections: outbound.connections.max(1),
        per_site: outbound.connections_per_site.max(1),
        per_minute: outbound.mails_per_minute_per_site,
    }
}

fn wait_between(now: UnixMs, due: UnixMs) -> Duration {
    Duration::from_millis(u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0))
}

/// A lost announcement, a clock that jumped or a suspended machine delays mail by this at most.
const POLL: Duration = Duration::from_secs(30);
/// While more is due than its sites take, each ended attempt makes room for one more mail: they are claimed together, since a
/// claim is a commit and reads many rows to find few.
const CLAIM_PAUSE: Duration = Duration::from_millis(10);
/// Mails of one claim, which looks at several rows for each that it may take.
const CLAIM_MAX: usize = 32;
/// Between two looks that find nothing to take although mail is due.
const FRUITLESS: Duration = Duration::from_millis(250);
/// Between two looks at who hangs, while mail waits for a place.
const CROWDED: Duration = Duration::from_secs(2);
const TEND_MIN: Duration = Duration::from_secs(1);
/// Busy domains that a claim names.
const BUSY_MAX: usize = 512;
const RECORDING_MAX: Duration = Duration::from_secs(5);
