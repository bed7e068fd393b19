//! Takes accepted entries oldest first, has several read at a time, and commits what comes of each.
//!
//! An earlier run had at most `IN_FLIGHT_MAX` of the oldest entries in hand when it ended: if one of them crashed the
//! process, it is among the first ones that this run finds. Those are tried alone, each try counted beforehand, so that a
//! mail that kills its reader ends as failed instead of killing every start. One that was cut short before waits first,
//! longer each time, while the others are filed: a process that is killed for other reasons makes no mail a failure.

use super::reading::Decision;
use super::threads::Threads;
use crate::clock::Clock;
use crate::config::checked::Config;
use crate::conversation::id::Id;
use crate::mail::parsed::ParsedMail;
use crate::net::counters::Counters;
use crate::net::permits::LargeMails;
use crate::retry;
use crate::store::ledger::LedgerEntry;
use crate::store::unit::FilingResult;
use crate::store::{Store, StoreError};
use arc_swap::ArcSwap;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

/// Reads octets, whatever they are.
pub type Parse = dyn Fn(&[u8]) -> ParsedMail + Send + Sync;

/// What filing works with.
#[derive(Clone)]
pub struct Services {
    pub store: Store,
    pub config: Arc<ArcSwap<Config>>,
    pub clock: Clock,
    pub counters: Arc<Counters>,
    /// Shared with the doors, which read large mails back as well.
    pub large_mails: Arc<LargeMails>,
    /// `ParsedMail::parse`; tests put one in that panics or hangs.
    pub parse: Arc<Parse>,
    /// How long after the start a mail waits that a dying process cut short: `retry::FILING`.
    pub suspect_waits: &'static [Duration],
}

impl Services {
    pub fn new(store: Store, config: Arc<ArcSwap<Config>>, clock: Clock, counters: Arc<Counters>) -> Services {
        let (large_mails, parse) = (Arc::default(), Arc::new(ParsedMail::parse));
        Services { store, config, clock, counters, large_mails, parse, suspect_waits: retry::FILING }
    }
}

/// The running stage.
#[derive(Debug)]
pub struct Handle {
    task: JoinHandle<()>,
}

impl Handle {
    /// Returns when the stage has ended after `shutdown`: what it had not committed stays accepted.
    pub async fn ended(self) {
        let _ = self.task.await;
    }
}

/// Starts filing on the current runtime, until `shutdown`.
pub fn start(services: Services, shutdown: CancellationToken) -> std::io::Result<Handle> {
    let count = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, THREADS_MAX);
    let threads = Threads::start(services.clone(), tokio::runtime::Handle::current(), count)?;
    let wake_at = services.clock.monotonic();
    let worker = Worker {
        services,
        threads,
        commits: JoinSet::new(),
        in_flight: HashSet::new(),
        large: Large::default(),
        suspects: VecDeque::new(),
        look: Look::Whole(None),
        newest: None,
        failures: 0,
        wake_at,
    };
    Ok(Handle { task: tokio::spawn(worker.run(shutdown)) })
}

struct Worker {
    services: Services,
    threads: Threads,
    commits: JoinSet<Vec<(Id, Result<End, StoreError>)>>,
    /// Being read or committed.
    in_flight: HashSet<Id>,
    large: Large,
    /// Entries of an earlier run that may have crashed it, those to be tried first in front.
    suspects: VecDeque<Suspect>,
    look: Look,
    /// The latest entry seen: later ones are new.
    newest: Option<Id>,
    /// Store errors in a row.
    failures: u32,
    /// When to look again by itself.
    wake_at: Instant,
}

/// An entry that is tried alone, and not before its time.
struct Suspect {
    entry: LedgerEntry,
    try_at: Instant,
}

impl Suspect {
    fn of(entry: LedgerEntry, started_at: Instant, waits: &[Duration]) -> Suspect {
        let wait = match entry.attempts {
            0 => Duration::ZERO,
            cut_short => retry::wait(waits, cut_short),
        };
        Suspect { try_at: started_at + wait, entry }
    }
}

/// Large mails are read and committed one at a time: each takes several times its size while that lasts.
#[derive(Default)]
struct Large {
    in_hand: Option<Id>,
    waiting: VecDeque<LedgerEntry>,
}

/// How an entry ended, as the metrics say it.
type End = &'static str;

/// Where the next entries are looked for.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Nothing to see before the next announcement.
    Rest,
    /// The store failed: not before `wake_at`.
    Trouble,
    /// After `newest`.
    New,
    /// From the start or where the last page ended: replayed entries, and those an error left.
    Whole(Option<Id>),
}

impl Worker {
    async fn run(mut self, shutdown: CancellationToken) {
        let mut announced = self.services.store.accepted_mail();
        let decided = self.threads.decided();
        self.take_suspects(&shutdown).await;
        while !shutdown.is_cancelled() {
            self.give_out().await;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = decided.notified() => self.on_decided(),
                Some(done) = self.commits.join_next() => self.on_committed(done.ok()),
                Ok(()) = announced.changed() => self.on_announced(),
                () = sleep_until(self.wake_at.into()) => self.on_time(),
            }
        }
        // What is read is committed; what is being read stays accepted and is read again after the restart.
        while self.commits.join_next().await.is_some() {}
    }

    /// Filing begins only when they are known.
    async fn take_suspects(&mut self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.services.store.unfiled(None, IN_FLIGHT_MAX).await {
                Ok(entries) => {
                    let started_at = self.services.clock.monotonic();
                    let suspect = |entry| Suspect::of(entry, started_at, self.services.suspect_waits);
                    let mut suspects: Vec<Suspect> = entries.into_iter().map(suspect).collect();
                    suspects.sort_by_key(|suspect| suspect.try_at);
                    self.suspects = suspects.into();
                    self.look = Look::Whole(None);
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

    /// Has entries read as long as there is room.
    async fn give_out(&mut self) {
        if matches!(self.look, Look::Trouble) {
            return;
        }
        let now = self.services.clock.monotonic();
        let suspected = self.suspects.front().is_some_and(|suspect| suspect.try_at <= now);
        if suspected && self.in_flight.is_empty() {
            self.try_next_suspect().await;
        }
        if let Some(suspect) = self.suspects.front().filter(|_| !suspected) {
            self.wake_at = self.wake_at.min(suspect.try_at);
        }
        while !suspected && self.in_flight.len() < IN_FLIGHT_MAX / 2 {
            if !self.give_out_page().await {
                break;
            }
        }
        if !self.in_flight.is_empty() {
            self.wake_at = self.wake_at.min(self.services.clock.monotonic() + self.watch_pause());
        }
    }

    /// How often mails that are being read are looked after.
    fn watch_pause(&self) -> Duration {
        (self.services.config.load().limits.filing_timeout / 4).min(POLL)
    }

    /// Whether there may be more.
    async fn give_out_page(&mut self) -> bool {
        let after = match self.look {
            Look::Rest | Look::Trouble => return false,
            Look::New => self.newest,
            Look::Whole(after) => after,
        };
        let limit = IN_FLIGHT_MAX - self.in_flight.len();
        let entries = match self.services.store.unfiled(after, limit).await {
            Ok(entries) => entries,
            Err(error) => {
                self.on_store_error(&error);
                return false;
            }
        };
        self.look = match (self.look, entries.last()) {
            (Look::Whole(_), Some(last)) if entries.len() == limit => Look::Whole(Some(last.id)),
            (Look::New, Some(_)) if entries.len() == limit => Look::New,
            // An announcement without a new entry: an older one was put back.
            (Look::New, None) => Look::Whole(None),
            _ => Look::Rest,
        };
        self.newest = self.newest.max(entries.last().map(|entry| entry.id));
        let set_aside: HashSet<Id> = self.suspects.iter().map(|suspect| suspect.entry.id).collect();
        let free = entries.into_iter().filter(|entry| !set_aside.contains(&entry.id));
        let (large, small): (Vec<_>, Vec<_>) = free.filter(|entry| self.in_flight.insert(entry.id)).partition(is_large);
        self.threads.read(small);
        self.large.waiting.extend(large);
        self.next_large();
        true
    }

    fn next_large(&mut self) {
        if self.large.in_hand.is_none() {
            self.large.in_hand = self.large.waiting.front().map(|entry| entry.id);
            self.threads.read(self.large.waiting.pop_front());
        }
    }

    /// No longer being read or committed.
    fn release(&mut self, id: Id) {
        self.in_flight.remove(&id);
        if self.large.in_hand == Some(id) {
            self.large.in_hand = None;
            self.next_large();
        }
    }

    async fn try_next_suspect(&mut self) {
        let Some(entry) = self.suspects.front().map(|suspect| suspect.entry.clone()) else { return };
        match self.services.store.record_attempt(entry.id).await {
            Ok(attempts) => {
                self.suspects.pop_front();
                self.try_suspect(entry, attempts);
            }
            Err(error) => self.on_store_error(&error),
        }
    }

    fn try_suspect(&mut self, suspect: LedgerEntry, attempts: u32) {
        let id = suspect.id;
        self.in_flight.insert(id);
        if attempts > ATTEMPTS_MAX {
            self.fail(id, format!("reading it ended the process {ATTEMPTS_MAX} times"));
        } else {
            self.threads.read([suspect]);
        }
    }

    fn on_announced(&mut self) {
        if matches!(self.look, Look::Rest) {
            self.look = Look::New;
        }
    }

    /// The slow look costs one index step when there is nothing; it makes a lost announcement a delay.
    fn on_time(&mut self) {
        self.on_decided();
        let timeout = self.services.config.load().limits.filing_timeout;
        for id in self.threads.give_up_on(timeout) {
            self.fail(id, format!("reading it took longer than {} s", timeout.as_secs_f64()));
        }
        if self.in_flight.is_empty() || matches!(self.look, Look::Trouble) {
            self.look = Look::Whole(None);
        }
        let pause = if self.in_flight.is_empty() { POLL } else { self.watch_pause() };
        self.wake_at = self.services.clock.monotonic() + pause;
    }

    fn on_decided(&mut self) {
        let mut results = Vec::new();
        for (id, decision) in self.threads.decisions() {
            match decision {
                Decision::File(result) => results.push(*result),
                Decision::Fail(reason) => self.fail(id, reason),
                Decision::TryAgain(error) => {
                    self.release(id);
                    self.services.counters.filing_ended("tried_again");
                    self.on_store_error(&error);
                }
            }
        }
        if !results.is_empty() {
            self.commits.spawn(file(self.services.store.clone(), results));
        }
    }

    fn fail(&mut self, id: Id, reason: String) {
        tracing::warn!(%id, reason, "a mail could not be filed; it is kept: see replyd inbound show, and replay");
        let store = self.services.store.clone();
        self.commits.spawn(async move { vec![(id, store.fail(id, reason).await.map(|()| "failed"))] });
    }

    fn on_committed(&mut self, done: Option<Vec<(Id, Result<End, StoreError>)>>) {
        for (id, outcome) in done.into_iter().flatten() {
            self.release(id);
            match outcome {
                Ok(end) => {
                    self.services.counters.filing_ended(end);
                    self.failures = 0;
                }
                Err(error) => {
                    self.services.counters.filing_ended("tried_again");
                    self.on_store_error(&error);
                }
            }
        }
    }

    fn on_store_error(&mut self, error: &StoreError) {
        self.failures += 1;
        let pause = retry::wait(retry::FILING, self.failures);
        tracing::warn!(%error, ?pause, "filing waits for the store");
        self.look = Look::Trouble;
        self.wake_at = self.services.clock.monotonic() + pause;
    }
}

/// Commits what was decided together; each entry ends for itself.
async fn file(store: Store, results: Vec<FilingResult>) -> Vec<(Id, Result<End, StoreError>)> {
    let ids: Vec<Id> = results.iter().map(|result| result.ledger_id).collect();
    let outcomes = match store.file_all(results).await {
        Ok(outcomes) => outcomes,
        Err(error) => return ids.into_iter().map(|id| (id, Err(error.clone()))).collect(),
    };
    let mut ended = Vec::with_capacity(ids.len());
    for (id, outcome) in ids.into_iter().zip(outcomes) {
        ended.push(match outcome {
            Ok(_) => (id, Ok("filed")),
            // The store is well and refuses this one: trying again would end the same way.
            Err(error @ (StoreError::Database(_) | StoreError::NotFound(_) | StoreError::Conflict(_))) => {
                (id, store.fail(id, error.to_string()).await.map(|()| "failed"))
            }
            Err(error) => (id, Err(error)),
        });
    }
    ended
}

fn is_large(entry: &LedgerEntry) -> bool {
    entry.size.is_none_or(|size| size > LARGE_OCTETS)
}

/// Above it a mail is read alone.
const LARGE_OCTETS: u64 = 1024 * 1024;
/// Entries being read or committed: enough for a full batch of the store's writer.
const IN_FLIGHT_MAX: usize = 128;
/// Tries of an entry that an earlier run left.
const ATTEMPTS_MAX: u32 = 4;
const THREADS_MAX: usize = 8;
const POLL: Duration = Duration::from_secs(30);
