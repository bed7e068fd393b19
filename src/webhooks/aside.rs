//! Mail of a bridge that fails by its own fault, or that an operator wants before its turn: brought beside the lanes, one at a
//! time and the one that is due first, so that however much of it there is, it holds up nothing. It is all in the store; here is
//! no more than the mail under way.

use super::bridge::Bridge;
use super::lanes::TurnEnd;
use super::services::Services;
use crate::clock::UnixMs;
use crate::retry;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Runs until `stop`; what is under way then has the drain time.
pub async fn run(services: Arc<Services>, bridge: Arc<Bridge>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let wait = tokio::select! {
            wait = step(&services, &bridge) => wait,
            () = drained(&services, &stop) => return,
        };
        let asked = async {
            match wait {
                // A receiver that fails gets no more of this because there is more of it.
                Wait::Pause(pause) => tokio::time::sleep(pause).await,
                Wait::ForMore(most) => {
                    let _ = tokio::time::timeout(most, bridge.left.notified()).await;
                }
            }
        };
        tokio::select! {
            () = asked => {}
            () = stop.cancelled() => {}
        }
    }
}

enum Wait {
    Pause(Duration),
    /// No longer than this.
    ForMore(Duration),
}

async fn drained(services: &Services, stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(services.config.load().limits.drain_timeout).await;
}

async fn step(services: &Services, bridge: &Bridge) -> Wait {
    let entry = match bridge.first_aside().await {
        Ok(Some(entry)) => entry,
        Ok(None) => return Wait::ForMore(POLL),
        Err(error) => {
            tracing::warn!(%error, "mail beside the lanes of a bridge waits for the store");
            return Wait::Pause(AFTER_STORE_ERROR);
        }
    };
    let (now, due_at) = (services.clock.now(), entry.due_at.unwrap_or_default());
    if due_at > now {
        return Wait::ForMore(between(now, due_at).min(POLL));
    }
    match bridge.attempt(&entry).await.end {
        TurnEnd::Taken | TurnEnd::GivenUp => Wait::Pause(Duration::ZERO),
        TurnEnd::Failed { .. } | TurnEnd::Aside { .. } => Wait::Pause(retry::wait(services.schedules.rest, 1)),
    }
}

fn between(now: UnixMs, due_at: UnixMs) -> Duration {
    Duration::from_millis(u64::try_from(due_at.0.saturating_sub(now.0)).unwrap_or(0))
}

/// A clock that jumped delays by this at most.
const POLL: Duration = Duration::from_secs(30);
const AFTER_STORE_ERROR: Duration = Duration::from_secs(5);
