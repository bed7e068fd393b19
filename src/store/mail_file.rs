//! Raw mail on its way to the store: small ones in memory, large ones in a synced file beside the database.

use std::path::PathBuf;

/// The octets of a mail.
#[derive(Debug)]
pub enum MailOctets {
    /// At most `limits::CONTENT_IN_MEMORY_OCTETS`: goes into the database.
    Memory(Vec<u8>),
    /// A spill file under the store's `spool` directory, complete but not yet synced: `Store::accept` syncs it,
    /// moves it to `mail/` and syncs that directory before the commit that names it.
    Spilled { path: PathBuf, octets: u64 },
}

impl MailOctets {
    /// Octets in all.
    pub fn len(&self) -> u64 {
        match self {
            MailOctets::Memory(octets) => octets.len() as u64,
            MailOctets::Spilled { octets, .. } => *octets,
        }
    }

    /// Whether the mail has no octet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
