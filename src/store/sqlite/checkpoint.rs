//! Brings the WAL into the database file beside the writer, so that commits do not pay for it.
//!
//! A checkpoint inside the committing thread doubles the p99 of commits; one beside it never lets the WAL begin again
//! while writes go on. So a thread checkpoints in the background, and above a cap the writer does it once itself.

use super::super::StoreError;
use super::super::shared::Shared;
use super::connection;
use super::writer::Order;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The writer's side.
pub struct Checkpointer {
    wake: SyncSender<()>,
    /// WAL pages at which the writer checkpoints itself.
    cap: i64,
}

/// Pages of the WAL, and how many of them are in the database file.
struct Wal {
    pages: i64,
    done: i64,
}

impl Checkpointer {
    /// The writer's side, and what the thread waits on.
    pub fn new() -> (Checkpointer, Receiver<()>) {
        let (wake, woken) = sync_channel(1);
        (Checkpointer { wake, cap: CAP_PAGES }, woken)
    }

    /// Between two batches: wakes the thread, or does the work if the WAL has grown too long.
    pub fn after_commit(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let wal = run(connection, "PRAGMA wal_checkpoint(NOOP)")?;
        if wal.pages < CAP_PAGES {
            self.cap = CAP_PAGES;
        }
        if wal.pages >= self.cap {
            run(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
            // A reader may have kept the WAL from beginning again: try later, not after every batch.
            self.cap = wal.pages + CAP_PAGES / 4;
        } else if wal.pages - wal.done >= WAKE_PAGES {
            let _ = self.wake.try_send(());
        }
        Ok(())
    }
}

/// The thread: ends with the writer.
pub fn run_thread(shared: &Arc<Shared>, woken: &Receiver<()>, connection: &Connection, orders: &SyncSender<Order>) {
    while woken.recv().is_ok() {
        match run(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
            Ok(_) | Err(StoreError::Busy(_)) => {}
            Err(error) => {
                shared.fell_ill(&error);
                // The writer may be asleep, and it is the writer that mends.
                let _ = orders.try_send(Order::Look);
            }
        }
    }
}

/// Writes every page of the WAL into the database file, syncs it, and begins the WAL again.
pub fn write_through(connection: &Connection) -> Result<(), StoreError> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 { Ok(()) } else { Err(StoreError::Busy("readers kept the write-ahead log from being emptied".into())) }
}

/// The thread's own connection.
pub fn open(shared: &Shared) -> Result<Connection, StoreError> {
    connection::open_writer(&shared.database)
}

fn run(connection: &Connection, pragma: &str) -> Result<Wal, StoreError> {
    let mut statement = connection.prepare_cached(pragma)?;
    Ok(statement.query_row([], |row| Ok(Wal { pages: row.get(1)?, done: row.get(2)? }))?)
}

/// 4 MiB of 4 KiB pages.
const WAKE_PAGES: i64 = 1024;
/// 64 MiB.
const CAP_PAGES: i64 = 16 * 1024;
