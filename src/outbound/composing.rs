//! Composing apart from everything else: on a thread of its own, with a deadline, so that a mail whose composing panics or
//! never ends costs its own attempt and no other mail's.

use super::compose::{self, Composed, File, Sender};
use crate::store::outgoing::ToCompose;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Makes a mail of what the store has; tests put one in that panics or hangs.
pub type Compose = dyn Fn(&ToCompose, &[File], &Sender) -> Result<Composed, compose::ComposeError> + Send + Sync;

pub struct Composing {
    compose: Arc<Compose>,
    /// Signing is work for a core; more at a time only take memory.
    room: Semaphore,
    timeout: Duration,
}

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
        Composing { compose, room: Semaphore::new(cores + 1), timeout }
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
        std::thread::Builder::new().name("compose".to_owned()).spawn(move || {
            let _ = tell.send(compose(&to, &files, &sender));
        })?;
        match tokio::time::timeout(self.timeout, told).await {
            Ok(Ok(composed)) => Ok(composed?),
            Ok(Err(_)) => Err(ComposingError::Panicked),
            Err(_) => Err(ComposingError::TooLong(self.timeout)),
        }
    }
}

impl fmt::Debug for Composing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Composing").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
