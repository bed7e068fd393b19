//! Threads that read mails, so that a mail which breaks its reader breaks one entry: a panic is caught, a thread that
//! hangs is given up and replaced, a deep stack is there for deep mails. A crash of the process is not caught here;
//! the worker remembers what was being tried.

use super::reading::{self, Decision};
use super::worker::Services;
use crate::conversation::id::Id;
use crate::limits::CONTENT_IN_MEMORY_OCTETS;
use crate::store::ledger::LedgerEntry;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::OwnedSemaphorePermit;

/// The reading threads; dropping it ends those that do not hang.
pub struct Threads {
    lanes: Arc<Lanes>,
}

/// What waits to be read; it holds as much as the worker has given out.
#[derive(Default)]
struct Queue {
    entries: VecDeque<LedgerEntry>,
    closed: bool,
}

/// A mail being read, and since when.
struct Running {
    id: Id,
    since: Instant,
    /// Given back with this value, and so by a thread that is given up as well.
    _room: Option<OwnedSemaphorePermit>,
}

/// What every thread has in common.
struct Lanes {
    services: Services,
    runtime: Handle,
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Decisions for the worker, which is woken for many at a time: a wake-up costs as much as reading a mail.
    decisions: Mutex<Vec<(Id, Decision)>>,
    decided: Arc<Notify>,
    /// By ticket: an entry may be replayed while a thread still hangs on it.
    running: Mutex<HashMap<u64, Running>>,
    tickets: AtomicU64,
    given_up: AtomicUsize,
}

impl Threads {
    /// Starts `count` threads; decisions are made in any order.
    pub fn start(services: Services, runtime: Handle, count: usize) -> std::io::Result<Threads> {
        let lanes = Arc::new(Lanes {
            services,
            runtime,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            decisions: Mutex::default(),
            decided: Arc::default(),
            running: Mutex::default(),
            tickets: AtomicU64::new(0),
            given_up: AtomicUsize::new(0),
        });
        for _ in 0..count {
            spawn(&lanes)?;
        }
        Ok(Threads { lanes })
    }

    /// Queues mails for reading.
    pub fn read(&self, entries: impl IntoIterator<Item = LedgerEntry>) {
        self.lanes.queue().entries.extend(entries);
        self.lanes.arrived.notify_all();
    }

    /// Notified when there are decisions.
    pub fn decided(&self) -> Arc<Notify> {
        Arc::clone(&self.lanes.decided)
    }

    /// The decisions made since the last call.
    pub fn decisions(&self) -> Vec<(Id, Decision)> {
        std::mem::take(&mut *self.lanes.decisions())
    }

    /// Gives up on mails that are being read for too long: their decision is the failure that is answered here, and
    /// another thread takes the place of theirs, as long as not too many hang.
    pub fn give_up_on(&self, timeout: Duration) -> Vec<Id> {
        let now = self.lanes.services.clock.monotonic();
        let mut running = self.lanes.running();
        let is_late = |running: &Running| now.saturating_duration_since(running.since) >= timeout;
        let late: Vec<Id> = running.extract_if(|_, running| is_late(running)).map(|(_, late)| late.id).collect();
        drop(running);
        for id in &late {
            self.replace(*id);
        }
        late
    }

    fn replace(&self, id: Id) {
        let hanging = self.lanes.given_up.fetch_add(1, Ordering::SeqCst) + 1;
        tracing::error!(%id, hanging, "reading a mail took too long; it is kept as failed and its thread is given up");
        if hanging > GIVEN_UP_MAX {
            tracing::error!(hanging, "too many hanging threads: no more are started; restart replyd");
        } else if let Err(error) = spawn(&self.lanes) {
            tracing::error!(%error, "cannot start a thread for filing");
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.lanes.queue().closed = true;
        self.lanes.arrived.notify_all();
    }
}

impl Lanes {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decisions(&self) -> MutexGuard<'_, Vec<(Id, Decision)>> {
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next entry, after the worker was told of what is decided so far.
    fn next(&self) -> Option<LedgerEntry> {
        let mut queue = self.queue();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(entry) = queue.entries.pop_front() {
                return Some(entry);
            }
            if !self.decisions().is_empty() {
                self.decided.notify_one();
            }
            queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn decide(&self, id: Id, decision: Decision) {
        let mut decisions = self.decisions();
        decisions.push((id, decision));
        if decisions.len() >= DECISIONS_TOGETHER {
            self.decided.notify_one();
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<u64, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the queue ends, or this thread was given up while it hung.
    fn run(&self) {
        while let Some(entry) = self.next() {
            let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
            let room = self.room_for(&entry);
            // Waiting for room is not reading: the time that a mail has begins after it.
            let running = Running { id: entry.id, since: self.services.clock.monotonic(), _room: room };
            self.running().insert(ticket, running);
            let read = || reading::read(&self.services, &self.runtime, &entry);
            let decision = catch_unwind(AssertUnwindSafe(read))
                .unwrap_or_else(|panic| Decision::Fail(format!("reading it panicked: {}", words_of(panic.as_ref()))));
            if self.running().remove(&ticket).is_none() {
                self.given_up.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            self.decide(entry.id, decision);
        }
    }

    /// A large mail is read whole, so it waits for its share of what all large mails may take.
    fn room_for(&self, entry: &LedgerEntry) -> Option<OwnedSemaphorePermit> {
        let octets = entry.size.filter(|octets| *octets > CONTENT_IN_MEMORY_OCTETS as u64)?;
        Some(self.runtime.block_on(self.services.large_mails.room_for(octets)))
    }
}

fn spawn(lanes: &Arc<Lanes>) -> std::io::Result<()> {
    let lanes = Arc::clone(lanes);
    let run = move || lanes.run();
    std::thread::Builder::new().name("filing".into()).stack_size(STACK_OCTETS).spawn(run).map(drop)
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let fixed = panic.downcast_ref::<&str>().copied();
    fixed.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

/// Decisions for which the worker is woken while there is more to read.
const DECISIONS_TOGETHER: usize = 32;
/// Reserved, not used, until a mail's nesting asks for it.
const STACK_OCTETS: usize = 64 * 1024 * 1024;
/// Threads that may hang at a time before no more are started.
const GIVEN_UP_MAX: usize = 8;
