//! Read-only connections. A look-up by key runs where it is asked, on a connection nobody else uses at the moment: it
//! takes less than handing it to a thread would. Everything that may take longer goes to the reading threads.

use super::super::StoreError;
use super::connection;
use rusqlite::Connection;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The reading side of an open store.
pub struct Readers {
    look_ups: Vec<Mutex<Option<Connection>>>,
    jobs: Mutex<Option<SyncSender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub fn open(database: &Path) -> Result<Readers, StoreError> {
        let look_ups = (0..LOOK_UPS)
            .map(|_| Ok(Mutex::new(Some(connection::open_reader(database, Duration::ZERO)?))))
            .collect::<Result<_, StoreError>>()?;
        let (jobs, queue) = sync_channel::<Job>(JOBS_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..THREADS).map(|number| thread(database, number, &queue)).collect::<Result<_, _>>()?;
        Ok(Readers { look_ups, jobs: Mutex::new(Some(jobs)), threads: Mutex::new(threads) })
    }

    /// A question answered by a few index steps.
    pub async fn look_up<T, F>(&self, ask: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        for slot in &self.look_ups {
            let Ok(slot) = slot.try_lock() else { continue };
            let Some(connection) = slot.as_ref() else { return Err(StoreError::Closed) };
            match ask(connection) {
                Err(StoreError::Busy(_)) => break,
                answer => return answer,
            }
        }
        self.read(ask).await
    }

    /// A question that may take a while.
    pub async fn read<T, F>(&self, ask: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (asked, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| drop(asked.send(ask(connection))));
        {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.as_ref().ok_or(StoreError::Closed)?.try_send(job).map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Busy("too many questions wait for the database".into()),
                TrySendError::Disconnected(_) => StoreError::Closed,
            })?;
        }
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Ends the threads and closes the connections; later questions are answered `Closed`.
    pub fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
        for slot in &self.look_ups {
            slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

fn thread(database: &Path, number: usize, queue: &Arc<Mutex<Receiver<Job>>>) -> Result<JoinHandle<()>, StoreError> {
    let connection = connection::open_reader(database, READER_BUSY)?;
    let queue = Arc::clone(queue);
    let next = move || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let work = move || {
        while let Ok(job) = next() {
            job(&connection);
        }
    };
    Ok(std::thread::Builder::new().name(format!("store-read-{number}")).spawn(work)?)
}

const LOOK_UPS: usize = 4;
const THREADS: usize = 2;
/// Questions that wait; more is answered `Busy`.
const JOBS_MAX: usize = 4096;
const READER_BUSY: Duration = Duration::from_secs(5);
