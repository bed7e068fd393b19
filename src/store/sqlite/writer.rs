//! The one thread that writes. It takes what is queued, runs all units in one transaction, commits, and only then
//! answers: many sessions share one sync, and without load a unit waits for nothing but its own.
//!
//! A unit's own error must undo that unit alone. A savepoint around each would copy every page it touches for an error
//! that hardly ever comes (a tenth of the writer's time when measured), so the batch is tried without, and only after
//! an error it is rolled back and run again with a savepoint for each.
//!
//! A failed commit is an error for every unit in it. After an I/O error the connection is opened anew and the whole
//! WAL is written through before anything is accepted again, because a page whose sync failed may be gone from the
//! page cache: syncing once more would report a success that never happened.

use super::super::StoreError;
use super::super::shared::Shared;
use super::checkpoint::{self, Checkpointer};
use super::connection;
use super::search_index::Indexer;
use super::units::{Unit, Writing};
use super::{accept, refusals};
use rusqlite::Connection;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What the writer is told.
pub enum Order {
    Unit(Box<dyn Unit>),
    /// Units that were decided together: one hand-over, each with its own answer.
    Units(Vec<Box<dyn Unit>>),
    /// Something changed that is not in the queue: refusals wait, or the checkpointer met an error.
    Look,
    /// The index is to hold what is committed, unless that is more than a caller should wait for.
    Index(oneshot::Sender<()>),
    Fault(Fault),
    Close,
}

/// What a test makes go wrong.
#[derive(Debug)]
pub enum Fault {
    /// The database may not grow beyond so many pages; 0 lifts the bound as far as it goes.
    PagesMax(u32),
    /// So many commits fail like a sync that answered EIO.
    FailCommits(u32),
    /// The writer stands still until the other end is dropped: what is asked meanwhile is one batch.
    Hold(Receiver<()>),
}

/// The writing thread's state.
pub struct Writer {
    shared: Arc<Shared>,
    orders: Receiver<Order>,
    connection: Option<Connection>,
    checkpointer: Checkpointer,
    upkeep: Upkeep,
    commits_to_fail: u32,
    closing: bool,
    /// Who waits for the index to hold what is committed.
    searching: Vec<oneshot::Sender<()>>,
}

/// What the writer remembers of its own housekeeping.
#[derive(Default)]
struct Upkeep {
    refused: refusals::Rows,
    recent: accept::Pruning,
    index: Indexer,
}

impl Writer {
    pub fn new(
        shared: Arc<Shared>,
        orders: Receiver<Order>,
        connection: Connection,
        checkpointer: Checkpointer,
    ) -> Writer {
        Writer {
            shared,
            orders,
            connection: Some(connection),
            checkpointer,
            upkeep: Upkeep::default(),
            commits_to_fail: 0,
            closing: false,
            searching: Vec::new(),
        }
    }

    /// Until `Order::Close` and everything queued before it is done.
    pub fn run(mut self) {
        while !self.closing {
            match self.wait() {
                Ok(order) => {
                    let units = self.gather(order);
                    if !units.is_empty() {
                        self.commit(units);
                    }
                    self.index_if_pressed();
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.shared.trouble().is_some() || self.shared.refusals.waiting() > 0 {
                        self.commit(Vec::new());
                    } else {
                        self.index(1);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => self.closing = true,
            }
        }
        if self.shared.refusals.waiting() > 0 {
            self.commit(Vec::new());
        }
    }

    /// Sleeps until there is work; refusals are given company for a while, an ill store is tried again.
    fn wait(&self) -> Result<Order, RecvTimeoutError> {
        if self.shared.trouble().is_some() {
            return self.orders.recv_timeout(TRY_AGAIN);
        }
        if self.shared.refusals.waiting() > 0 {
            return self.orders.recv_timeout(REFUSALS_WAIT);
        }
        if let Some(rest) = self.upkeep.index.waits() {
            return self.orders.recv_timeout(rest);
        }
        self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }

    /// What is queued, up to the bounds of a batch.
    fn gather(&mut self, first: Order) -> Vec<Box<dyn Unit>> {
        let mut units = Vec::new();
        let mut octets = 0;
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Unit(unit) => {
                    octets += unit.octets();
                    units.push(unit);
                }
                Order::Units(several) => {
                    octets += several.iter().map(|unit| unit.octets()).sum::<usize>();
                    units.extend(several);
                }
                Order::Look => {}
                Order::Index(asked) => self.searching.push(asked),
                Order::Fault(fault) => self.inject(fault),
                Order::Close => self.closing = true,
            }
            let room = units.len() < BATCH_UNITS_MAX && octets < BATCH_OCTETS_MAX && !self.closing;
            next = if room { self.orders.try_recv().ok() } else { None };
        }
        units
    }

    fn commit(&mut self, mut units: Vec<Box<dyn Unit>>) {
        let begun = self.shared.clock.monotonic();
        let outcome = self.transaction(&mut units);
        self.shared.counting.waiting.fetch_sub(units.len(), Ordering::Relaxed);
        match outcome {
            Ok(outcomes) => {
                self.shared.counting.committed(units.len(), self.shared.clock.monotonic().duration_since(begun));
                self.shared.recovered();
                self.upkeep.index.owes(units.len());
                for (unit, outcome) in units.into_iter().zip(outcomes) {
                    unit.answer(outcome);
                }
                self.checkpoint();
            }
            Err(error) => {
                self.shared.counting.failed();
                self.shared.fell_ill(&error);
                self.upkeep = Upkeep::default();
                for unit in units {
                    unit.answer(Err(error.clone()));
                }
            }
        }
    }

    /// One transaction around all units; `Err` if it did not reach the disk.
    fn transaction(&mut self, units: &mut [Box<dyn Unit>]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.mend()?;
        let Some(connection) = &self.connection else { return Err(StoreError::Closed) };
        let (accepted_mail, outgoing_mail, timers) = (Cell::new(false), Cell::new(false), Cell::new(false));
        let outgoing = self.shared.outgoing.load_full();
        let writing = Writing {
            connection,
            ids: &self.shared.ids,
            fresh: &self.shared.fresh,
            keys: &self.shared.keys,
            outgoing: &outgoing,
            now: self.shared.clock.now(),
            accepted_mail: &accepted_mail,
            outgoing_mail: &outgoing_mail,
            timers: &timers,
        };
        writing.execute("BEGIN IMMEDIATE", [])?;
        let mut run = || {
            let outcomes = run_all(&writing, units)?;
            refusals::write(&writing, &self.shared.refusals, &mut self.upkeep.refused)?;
            self.upkeep.recent.step(&writing, units.len())?;
            if self.commits_to_fail > 0 {
                self.commits_to_fail -= 1;
                return Err(StoreError::Unhealthy("a sync failed on purpose".into()));
            }
            writing.execute("COMMIT", [])?;
            Ok(outcomes)
        };
        let outcome = run();
        match &outcome {
            Ok(_) => self.shared.refusals.written(),
            // SQLite may have rolled back by itself.
            Err(_) if connection.is_autocommit() => {}
            Err(_) => drop(connection.execute_batch("ROLLBACK")),
        }
        if outcome.is_ok() {
            self.announce([accepted_mail.get(), outgoing_mail.get(), timers.get()]);
        }
        outcome
    }

    fn index_if_pressed(&mut self) {
        if !self.searching.is_empty() {
            self.index(INDEX_STEPS_FOR_SEARCH);
            for asked in self.searching.drain(..) {
                let _ = asked.send(());
            }
        } else if self.upkeep.index.presses() {
            self.index(1);
        }
    }

    /// An index that cannot be written makes nobody's mail wait; a disk that fails is everybody's trouble.
    fn index(&mut self, steps: usize) {
        let Some(connection) = self.connection.as_ref().filter(|_| self.shared.trouble().is_none()) else { return };
        match self.upkeep.index.run(connection, steps) {
            Ok(()) => self.checkpoint(),
            Err(error @ (StoreError::Unhealthy(_) | StoreError::Damaged(_))) => self.shared.fell_ill(&error),
            Err(error) => {
                tracing::warn!(%error, "search does not find the latest messages: the index is written on later")
            }
        }
    }

    fn announce(&self, [accepted_mail, outgoing_mail, timers]: [bool; 3]) {
        let shared = &self.shared;
        let announcements = [
            (&shared.committed, true),
            (&shared.accepted_mail, accepted_mail),
            (&shared.outgoing_mail, outgoing_mail),
            (&shared.timers, timers),
        ];
        for (announcement, _) in announcements.into_iter().filter(|(_, due)| *due) {
            announcement.send_modify(|count| *count += 1);
        }
    }

    /// Does what the last trouble asks for before anything is written again.
    fn mend(&mut self) -> Result<(), StoreError> {
        match self.shared.trouble() {
            None => return Ok(()),
            Some(damage @ StoreError::Damaged(_)) => return Err(damage),
            Some(StoreError::Unhealthy(_)) => self.connection = None,
            // The disk was full or another process held a lock: the connection is as good as before.
            Some(_) => {}
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = connection::open_writer(&self.shared.database)?;
                checkpoint::write_through(&connection)?;
                connection
            }
        };
        probe(self.connection.insert(connection))
    }

    fn checkpoint(&mut self) {
        let Some(connection) = &self.connection else { return };
        if let Err(error) = self.checkpointer.after_commit(connection) {
            self.shared.fell_ill(&error);
        }
    }

    fn inject(&mut self, fault: Fault) {
        match (fault, &self.connection) {
            (Fault::FailCommits(count), _) => self.commits_to_fail = count,
            (Fault::PagesMax(pages), Some(connection)) => {
                let pages = if pages == 0 { u32::MAX - 1 } else { pages };
                let _ = connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()));
            }
            (Fault::PagesMax(_), None) => {}
            (Fault::Hold(until), _) => drop(until.recv()),
        }
    }
}

/// All units of a batch, whatever the outcome of each.
fn run_all(writing: &Writing<'_>, units: &mut [Box<dyn Unit>]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    match units.iter_mut().try_for_each(|unit| unit.run(writing)) {
        Ok(()) => Ok(units.iter().map(|_| Ok(())).collect()),
        Err(error) if error.spoils_the_batch() || writing.connection.is_autocommit() => Err(error),
        Err(_) => {
            writing.execute("ROLLBACK", [])?;
            writing.execute("BEGIN IMMEDIATE", [])?;
            units.iter_mut().map(|unit| in_savepoint(writing, unit)).collect()
        }
    }
}

/// One unit's error undoes that unit alone, unless the disk or the database failed.
fn in_savepoint(writing: &Writing<'_>, unit: &mut Box<dyn Unit>) -> Result<Result<(), StoreError>, StoreError> {
    writing.execute("SAVEPOINT unit", [])?;
    match unit.run(writing) {
        Ok(()) => {
            writing.execute("RELEASE unit", [])?;
            Ok(Ok(()))
        }
        Err(error) if error.spoils_the_batch() || writing.connection.is_autocommit() => Err(error),
        Err(error) => {
            writing.execute("ROLLBACK TO unit", [])?;
            writing.execute("RELEASE unit", [])?;
            Ok(Err(error))
        }
    }
}

/// Writes as much as a mail may have, so that "recovered" is not said of a disk with room for one page only.
fn probe(connection: &Connection) -> Result<(), StoreError> {
    let tried = connection.execute_batch(
        "BEGIN IMMEDIATE; INSERT INTO probe (octets) VALUES (zeroblob(262144)); COMMIT; DELETE FROM probe;",
    );
    if tried.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    Ok(tried?)
}

/// A batch's bounds: beyond them the first units would wait for the last.
const BATCH_UNITS_MAX: usize = 128;
const BATCH_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// How long refusals alone wait for a commit that somebody needs: a flood of refusals must not cost a sync each.
const REFUSALS_WAIT: Duration = Duration::from_millis(200);
/// For one who searches: about half a second.
const INDEX_STEPS_FOR_SEARCH: usize = 32;
/// How often an ill store is tried.
const TRY_AGAIN: Duration = Duration::from_secs(1);
