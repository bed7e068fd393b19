//! Composing apart from everything else: on threads of its own, with a deadline, so that a mail whose composing panics or
//! never ends costs its own attempt and no other mail's.
//!
//! A thread is kept for the next mail, which saves a fifth of what composing costs; one that does not end in time is left behind.

use super::compose::{self, Composed, File, Sender};
use crate::store::outgoing::ToCompose;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Makes a mail of what the store has; tests put one in that panics or hangs.
pub type Compose = dyn Fn(&ToCompose, &[File], &Sender) -> Result<Composed, compose::ComposeError> + Send + Sync;

pub struct Composing {
    compose: Arc<Compose>,
    /// Signing is work for a core; more at a time only take memory.
    room: Semaphore,
    /// Threads that wait for a mail.
    idle: Mutex<Vec<mpsc::Sender<Job>>>,
    timeout: Duration,
}

type Job = Box<dyn FnOnce() + Send>;

/// Why there is no mail.
#[derive(Debug, thiserror::Error)]
pub enum ComposingError {
    #[error(transparent)]
    Compose(#[from] compose::ComposeError),
    #[error("composing it ended in an internal error, which the log has; this is a fault of replyd, please report it")]
    Panicked,
    #[error("composing it took longer than {} s; this is a fault of replyd, please report it", .0.as_secs_f64())]
    TooLong(Duration),
    #[error("there is no thread for it: {0}")]
    NoThread(#[from] std::io::Error),
}

impl Composing {
    pub fn new(compose: Arc<Compose>, timeout: Duration) -> Composing {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Composing { compose, room: Semaphore::new(cores + 1), idle: Mutex::default(), timeout }
    }

    pub async fn compose(
        &self,
        to: ToCompose,
        files: Vec<File>,
        sender: Arc<Sender>,
    ) -> Result<Composed, ComposingError> {
        // Held by who waits, not by the thread: one that never ends takes no place.
        let _place = self.room.acquire().await;
        let (tell, told) = oneshot::channel();
        let compose = Arc::clone(&self.compose);
        let thread = self.thread()?;
        let job: Job = Box::new(move || {
            let _ = tell.send(compose(&to, &files, &sender));
        });
        // A thread that cannot take it drops it, which is heard like a panic.
        let _ = thread.send(job);
        let Ok(composed) = tokio::time::timeout(self.timeout, told).await else {
            return Err(ComposingError::TooLong(self.timeout));
        };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(composed.map_err(|_| ComposingError::Panicked)??)
    }

    fn thread(&self) -> std::io::Result<mpsc::Sender<Job>> {
        if let Some(thread) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(thread);
        }
        let (give, jobs) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("compose".to_owned()).spawn(move || {
            for job in jobs {
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        })?;
        Ok(give)
    }
}

impl fmt::Debug for Composing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Composing").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
