//! The running parts behind the handle: data directory, writer, checkpointer, readers; how they start and end.

use super::data_dir::DataDir;
use super::shared::Shared;
use super::sqlite::checkpoint::{self, Checkpointer};
use super::sqlite::ids::Ids;
use super::sqlite::readers::Readers;
use super::sqlite::units::{Work, Writing};
use super::sqlite::writer::{Order, Writer};
use super::sqlite::{connection, schema};
use super::{StoreError, leftovers};
use crate::clock::Clock;
use crate::conversation::keys::Keys;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// One open store.
pub struct Engine {
    pub data_dir: Arc<DataDir>,
    pub shared: Arc<Shared>,
    pub readers: Readers,
    orders: SyncSender<Order>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    pub fn open(path: &Path, clock: Clock) -> Result<Engine, StoreError> {
        let data_dir = DataDir::open(path)?;
        start(data_dir, clock).map_err(|error| match error {
            StoreError::Open { .. } => error,
            other => StoreError::Open { path: path.to_owned(), reason: other.to_string() },
        })
    }

    /// Runs a unit of work; returns when its commit is on disk.
    pub async fn write<T, F>(&self, octets: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (unit, answer) = Work::asked(octets, run);
        self.order(1, Order::Unit(unit))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs several units of work, handed over as one: the writer is woken once, and their answers come together.
    pub async fn write_all<T, F>(&self, works: Vec<(usize, F)>) -> Result<Vec<Result<T, StoreError>>, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (units, asked): (Vec<_>, Vec<_>) = works.into_iter().map(|(octets, run)| Work::asked(octets, run)).unzip();
        self.order(units.len(), Order::Units(units))?;
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.push(answer.await.unwrap_or(Err(StoreError::Closed)));
        }
        Ok(answers)
    }

    /// Has the full-text index written on; whoever searches then finds what was committed before.
    pub async fn index(&self) {
        let (asked, answer) = oneshot::channel();
        self.tell(Order::Index(asked));
        // A writer that is too busy, or gone, leaves the search as it is.
        let _ = answer.await;
    }

    fn order(&self, units: usize, order: Order) -> Result<(), StoreError> {
        self.shared.counting.waiting.fetch_add(units, Ordering::Relaxed);
        self.orders.try_send(order).map_err(|error| {
            self.shared.counting.waiting.fetch_sub(units, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => StoreError::Busy("too much work waits for the writer".into()),
                TrySendError::Disconnected(_) => StoreError::Closed,
            }
        })
    }

    /// Tells the writer something that nobody waits for; a full queue means that it is awake anyway.
    pub fn tell(&self, order: Order) {
        let _ = self.orders.try_send(order);
    }

    /// Commits what waits, ends the threads, closes the connections, and gives the data directory free. A second call finds nothing to do.
    pub fn close(&self) {
        let threads: Vec<_> = self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        if !threads.is_empty() {
            let _ = self.orders.send(Order::Close);
        }
        for thread in threads {
            let _ = thread.join();
        }
        self.readers.close();
        self.data_dir.release();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

fn start(data_dir: DataDir, clock: Clock) -> Result<Engine, StoreError> {
    let database = data_dir.database()?;
    let mut writing = connection::open_writer(&database)?;
    schema::migrate(&mut writing)?;
    let keys = keys(&writing)?;
    let ids = Ids::new(&writing, clock.clone())?;
    data_dir.empty_spool()?;
    leftovers::collect(&writing, &data_dir, ids.next()?)?;
    // The write-ahead log has its directory entry by now.
    data_dir.sync()?;
    let readers = Readers::open(&database)?;
    let shared = Arc::new(Shared::new(clock, ids, database, keys));
    let (orders, queue) = sync_channel(QUEUE_MAX);
    let (checkpointer, woken) = Checkpointer::new();
    let checkpointing = {
        let (shared, connection, orders) = (Arc::clone(&shared), checkpoint::open(&shared)?, orders.clone());
        move || checkpoint::run_thread(&shared, &woken, &connection, &orders)
    };
    let writer = Writer::new(Arc::clone(&shared), queue, writing, checkpointer);
    let watched = Arc::clone(&shared);
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| std::thread::Builder::new().name(name.into()).spawn(run);
    let threads = vec![
        spawn("store-write", Box::new(move || run_writer(&watched, writer)))?,
        spawn("store-checkpoint", Box::new(checkpointing))?,
    ];
    Ok(Engine { data_dir: Arc::new(data_dir), shared, readers, orders, threads: Mutex::new(threads) })
}

fn keys(connection: &rusqlite::Connection) -> Result<Keys, StoreError> {
    let secret = connection.query_row("SELECT octets FROM secrets WHERE name = 'keys'", [], |row| row.get(0))?;
    Ok(Keys::new(&secret))
}

/// Whoever waits for a writer that panicked is answered `Closed`; the rest has to see that nothing is written any more.
fn run_writer(shared: &Shared, writer: Writer) {
    if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
        shared.fell_ill(&StoreError::Unhealthy("the writing thread panicked: restart replyd".into()));
    }
}

/// Units that wait; inbound defers mail well before (`limits.commits_waiting_max`).
const QUEUE_MAX: usize = 32 * 1024;
