//! Collects mail files that no commit named: a crash between moving a spilled mail and its commit leaves one, and its
//! sender never got a 250.

use super::StoreError;
use super::data_dir::DataDir;
use crate::conversation::id::Id;
use rusqlite::Connection;

/// Removes every unreferenced mail file older than `before`, the first id of this run; answers how many there were.
pub fn collect(connection: &Connection, data_dir: &DataDir, before: Id) -> Result<usize, StoreError> {
    let mut find = connection.prepare_cached("SELECT 1 FROM raw_mail WHERE id = ? AND octets IS NULL")?;
    let mut removed = 0;
    for id in data_dir.mail_files()? {
        if id < before && !find.exists([id])? {
            std::fs::remove_file(data_dir.mail_file(id))?;
            removed += 1;
        }
    }
    if removed > 0 {
        tracing::info!(removed, "removed mail files of mails that were never accepted");
    }
    Ok(removed)
}
