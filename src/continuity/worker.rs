//! The loop: ends what an earlier run left, sleeps until the next moment, and looks. A clock that was put back is noticed,
//! because what it made due lies as far ahead as it was wrong.

use crate::clock::{Clock, UnixMs};
use crate::retry;
use crate::store::{Store, StoreError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// What the composition root brings.
#[derive(Debug, Clone)]
pub struct Services {
    pub store: Store,
    pub clock: Clock,
}

/// The running stage.
#[derive(Debug)]
pub struct Handle {
    task: JoinHandle<()>,
}

impl Handle {
    /// Returns when the stage has ended after `shutdown`: what it had begun is committed.
    pub async fn ended(self) {
        let _ = self.task.await;
    }
}

/// Starts the stage on the current runtime, until `shutdown`.
pub fn start(services: Services, shutdown: CancellationToken) -> Handle {
    let (started, clock) = (services.clock.now(), services.clock.monotonic());
    let worker = Worker { started, seen: (started, clock), services, failures: 0 };
    Handle { task: tokio::spawn(worker.run(shutdown)) }
}

struct Worker {
    services: Services,
    /// Before anybody could connect.
    started: UnixMs,
    /// Both clocks at the last look.
    seen: (UnixMs, Instant),
    /// Store errors in a row.
    failures: u32,
}

impl Worker {
    async fn run(mut self, shutdown: CancellationToken) {
        let mut announced = self.services.store.timers();
        let mut begun = false;
        while !shutdown.is_cancelled() {
            announced.borrow_and_update();
            let looked = if begun { self.look().await } else { self.begin().await };
            let pause = match looked {
                Ok(pause) => {
                    (begun, self.failures) = (true, 0);
                    pause
                }
                Err(error) => self.pause_after(&error),
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                Ok(()) = announced.changed(), if self.failures == 0 => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Whoever had a tab open in an earlier run connects again, or has been gone since now. A clock that was put back while
    /// nothing ran is looked for here.
    async fn begin(&mut self) -> Result<Duration, StoreError> {
        while self.services.store.end_tabs(self.started).await? > 0 {}
        if self.services.store.is_ahead_of_clock().await? {
            self.look_at_all().await?;
        }
        self.look().await
    }

    /// Does what is due, and says how long nothing will be.
    async fn look(&mut self) -> Result<Duration, StoreError> {
        if self.clock_went_back() {
            self.look_at_all().await?;
        }
        let store = &self.services.store;
        let mut next = store.next_timer().await?;
        while next.is_some_and(|next| next <= self.services.clock.now()) {
            next = store.continuity_due().await?;
        }
        let until = next.map(|next| next.0.saturating_sub(self.services.clock.now().0));
        let until = until.map(|until| Duration::from_millis(u64::try_from(until).unwrap_or_default()));
        Ok(until.unwrap_or(POLL).min(POLL))
    }

    async fn look_at_all(&self) -> Result<(), StoreError> {
        tracing::warn!("the clock was put back: everything that waits for the chat is looked at again");
        let mut after = None;
        loop {
            after = self.services.store.reconsider(after).await?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// By more than what slewing or a leap second makes of it.
    fn clock_went_back(&mut self) -> bool {
        let (wall, monotonic) = self.seen;
        self.seen = (self.services.clock.now(), self.services.clock.monotonic());
        let passed = i64::try_from(self.seen.1.duration_since(monotonic).as_millis()).unwrap_or(i64::MAX);
        self.seen.0.0 < wall.0.saturating_add(passed).saturating_sub(STEP_MS)
    }

    fn pause_after(&mut self, error: &StoreError) -> Duration {
        self.failures += 1;
        let pause = retry::wait(retry::FILING, self.failures);
        tracing::warn!(%error, ?pause, "what waits for the chat waits for the store");
        pause
    }
}

/// A lost announcement, a clock that jumped or a suspended machine delays mail by this at most.
const POLL: Duration = Duration::from_secs(30);
const STEP_MS: i64 = 10_000;
