//! Opens connections and makes sure that SQLite took the settings that durability rests on: each pragma is read back.

use super::super::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// The connection that alone writes.
pub fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(WRITER_BUSY)?;
    plan_once(&connection)?;
    set(&connection, "journal_mode", "wal", "wal")?;
    // NORMAL would lose acknowledged commits on a power cut: FULL syncs the WAL at every commit.
    set(&connection, "synchronous", "full", "2")?;
    set(&connection, "foreign_keys", "on", "1")?;
    // Measured: a checkpoint inside the committing thread doubles the p99 of commits; see `checkpoint`.
    set(&connection, "wal_autocheckpoint", "0", "0")?;
    // Savepoints keep the pages they would restore in memory instead of in a temporary file.
    set(&connection, "temp_store", "memory", "2")?;
    // The pages that are written again and again are few, and the system caches the rest.
    set(&connection, "cache_size", "-16384", "-16384")?;
    set(&connection, "trusted_schema", "off", "0")?;
    Ok(connection)
}

/// A connection that only reads; it waits for a lock as long as `busy` says.
pub fn open_reader(path: &Path, busy: Duration) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(busy)?;
    plan_once(&connection)?;
    set(&connection, "query_only", "on", "1")?;
    // Every commit empties a reader's cache.
    set(&connection, "cache_size", "-4096", "-4096")?;
    Ok(connection)
}

/// Otherwise SQLite looks at the values bound, and prepares statements over tables with partial indexes anew for each:
/// a twentieth of all time when it was measured.
fn plan_once(connection: &Connection) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(())
}

fn set(connection: &Connection, pragma: &str, value: &str, expected: &str) -> Result<(), StoreError> {
    connection.execute_batch(&format!("PRAGMA {pragma} = {value}"))?;
    let found = connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, rusqlite::types::Value>(0))?;
    let found = match found {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    if found == expected {
        return Ok(());
    }
    Err(StoreError::Database(format!("pragma {pragma} is {found} after it was set to {value}")))
}

/// Nobody but us should lock the database; an operator's shell may for a moment. Peers wait as long.
const WRITER_BUSY: Duration = Duration::from_secs(1);
/// More than all statements of the store, so that none is prepared twice.
const STATEMENTS_CACHED: usize = 128;
