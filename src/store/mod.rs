//! Everything that must survive: the ledger of offered mail, raw mails, conversations, tokens. SQLite behind it.
//!
//! One unit of work is one method and one atomic commit. Units are gathered by one writer thread and share an
//! fsync (group commit); the methods return when their commit is on disk. Announcements say "look again" and
//! carry no data.

pub mod counters;
pub mod desk;
pub mod hooks;
pub mod ledger;
pub mod mail_file;
pub mod outgoing;
pub mod query;
pub mod unit;
pub mod visitors;

mod backup;
mod data_dir;
mod engine;
mod error;
mod fresh;
mod handle;
mod handle_chat;
mod handle_desk;
mod handle_doors;
mod handle_hooks;
mod handle_outgoing;
mod handle_sign_in;
mod handle_visitors;
mod leftovers;
mod shared;
mod sqlite;

pub use error::StoreError;
pub use handle::{Filed, FreeSpace, Page, Store};
pub use handle_doors::{SignatureClaim, SignatureUse};
pub use handle_outgoing::NewAgent;
pub use sqlite::kept::KeptSum;
pub use sqlite::writer::Fault;
