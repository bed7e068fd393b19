//! Follows the store's events for all listeners: one read for each announcement, and none of content while nobody listens.

use super::hub::Live;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::store::{Store, StoreError};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// From `start` on until the daemon stops. `start` is a time before the first listener comes.
pub async fn follow(live: Live, store: Store, start: UnixMs, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = hand_on(&live, &store, Id::first_of(start)) => {}
    }
}

async fn hand_on(live: &Live, store: &Store, mut position: Id) {
    let mut committed = store.committed();
    loop {
        committed.borrow_and_update();
        match next(live, store, position).await {
            Ok(next) => position = next,
            Err(error) => {
                tracing::warn!(%error, "events cannot be read for those who listen: tried again");
                sleep(AFTER_TROUBLE).await;
            }
        }
        // Commits come in bursts: some of them make one look.
        sleep(PAUSE).await;
        // The store that is gone announces nothing: its daemon stops.
        if let Ok(Err(_gone)) = timeout(LOOK_ANYWAY, committed.changed()).await {
            return;
        }
    }
}

/// Hands on what came after `position`, and says where to go on.
async fn next(live: &Live, store: &Store, mut position: Id) -> Result<Id, StoreError> {
    // First the latest event, then the look for listeners: who begins to listen after that look reads for itself
    // everything up to then, and so misses nothing that is skipped here.
    let latest = store.events(None, None, 1).await?.last().map_or(Id(0), |event| event.id);
    if !live.is_heard() || latest < position {
        return Ok(latest);
    }
    while position < latest {
        let events = store.events(None, Some(position), PAGE).await?;
        let Some(last) = events.last() else { break };
        position = last.id;
        live.tell(events);
    }
    Ok(position)
}

const PAGE: usize = 500;
const PAUSE: Duration = Duration::from_millis(3);
const AFTER_TROUBLE: Duration = Duration::from_secs(1);
/// A lost announcement costs delay, never an event.
const LOOK_ANYWAY: Duration = Duration::from_secs(10);
