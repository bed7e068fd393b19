//! How much outgoing mail is open, for whoever watches.

use super::super::StoreError;
use super::super::outgoing::Backlog;
use super::words::Stored;
use crate::clock::UnixMs;
use crate::conversation::delivery::DeliveryState;
use rusqlite::Connection;

/// Counts open mail; what has ended is not looked at, however much there is.
pub fn read(connection: &Connection) -> Result<Backlog, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT state, held, count(*), min(created_at) FROM queue INDEXED BY queue_open
         WHERE state IN ('waiting', 'queued', 'deferred') GROUP BY state, held",
    )?;
    let mut rows = find.query([])?;
    let mut backlog = Backlog::default();
    while let Some(row) = rows.next()? {
        let (state, held) = (row.get::<_, Stored<DeliveryState>>(0)?.0, row.get::<_, bool>(1)?);
        let count: u64 = row.get(2)?;
        let oldest = UnixMs(row.get(3)?);
        match state {
            _ if held => backlog.held += count,
            DeliveryState::Waiting => backlog.waiting += count,
            DeliveryState::Queued => backlog.queued += count,
            DeliveryState::Deferred => backlog.deferred += count,
            DeliveryState::Delivered | DeliveryState::Failed | DeliveryState::Cancelled | DeliveryState::Seen => {}
        }
        if !held && state != DeliveryState::Waiting {
            backlog.oldest = Some(backlog.oldest.map_or(oldest, |known| known.min(oldest)));
        }
    }
    Ok(backlog)
}
