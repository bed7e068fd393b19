//! Why the store could not do its work, in the words of an operator, and the mapping from SQLite's codes.

use rusqlite::ErrorCode;
use std::path::PathBuf;

/// Why the store could not do its work. Every variant is "try again later" to a peer; none loses what was committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A sync or write failed, or the database is damaged: nothing is accepted until an operator or a restart mends it.
    #[error(
        "the store is unhealthy since a write failed: {0}; check the disk under the data directory, see docs/OPERATIONS.md"
    )]
    Unhealthy(String),
    /// The database image is malformed: SQLite's answers are no longer to be trusted until it was restored.
    #[error("the database is damaged: {0}; stop replyd and restore a backup, see docs/OPERATIONS.md")]
    Damaged(String),
    /// Another process holds the database, or more work waits than the queue takes.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// No space left.
    #[error("the disk is full: {0}")]
    Full(String),
    #[error("cannot open the store in {path}: {reason}", path = path.display())]
    Open { path: PathBuf, reason: String },
    #[error("the database answered: {0}")]
    Database(String),
    #[error("cannot write the backup {path}: {reason}", path = path.display())]
    Backup { path: PathBuf, reason: String },
    #[error("the store is shutting down")]
    Closed,
    #[error("no such {0}")]
    NotFound(&'static str),
    /// It is there, and in a state in which this cannot be done: why, and what to do instead.
    #[error("{0}")]
    Conflict(String),
}

impl StoreError {
    /// Whether the whole batch is spoiled: the disk or the database failed, not one unit.
    pub(super) fn spoils_the_batch(&self) -> bool {
        match self {
            StoreError::Unhealthy(_) | StoreError::Damaged(_) | StoreError::Full(_) | StoreError::Busy(_) => true,
            StoreError::Open { .. }
            | StoreError::Database(_)
            | StoreError::Backup { .. }
            | StoreError::Closed
            | StoreError::NotFound(_)
            | StoreError::Conflict(_) => false,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(text),
            Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                StoreError::Unhealthy(text)
            }
            _ => StoreError::Database(text),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> StoreError {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full(error.to_string()),
            _ => StoreError::Unhealthy(error.to_string()),
        }
    }
}
