//! The open connections to remote hosts: kept for the next mail, closed politely and without waiting.

use super::pool::{Key, Pool};
use super::session::Connection;
use std::time::Instant;

#[derive(Debug, Default)]
pub struct Connections {
    pool: Pool<Connection>,
}

impl Connections {
    /// One that the host still holds, as far as can be seen.
    pub fn take(&self, key: &Key, now: Instant) -> Option<Connection> {
        std::iter::from_fn(|| self.pool.take(key, now)).find_map(|mut kept| kept.is_reusable().then_some(kept))
    }

    /// Keeps it for the next mail, if it is good for one.
    pub fn give(&self, key: Key, mut connection: Connection, now: Instant) {
        if connection.is_reusable() {
            let offered = connection.offered();
            close(self.pool.give(key, connection, offered, now));
        }
    }

    pub fn close_idle(&self, now: Instant) {
        close(self.pool.expired(now));
    }

    pub fn close_all(&self) {
        close(self.pool.drain());
    }
}

/// QUIT has its own short deadline, and nobody waits for it: the mails are delivered.
fn close(connections: impl IntoIterator<Item = Connection>) {
    for connection in connections {
        tokio::spawn(connection.quit());
    }
}
