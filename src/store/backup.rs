//! A consistent copy of the store in one file, while it runs.
//!
//! The copy is a database like the live one, except that large mails, which live beside the live database, are inside
//! it. To restore: put it as `replyd.db` into an empty data directory, owned by replyd's user, and start replyd.

use super::StoreError;
use super::data_dir::DataDir;
use crate::conversation::id::Id;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, params};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes the copy; an existing file is never overwritten, and a copy that failed leaves nothing behind.
pub fn write(source: &Connection, data_dir: &DataDir, file: &Path) -> Result<(), StoreError> {
    let failed = |reason: String| StoreError::Backup { path: file.to_owned(), reason };
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => failed("it exists already; name a file that does not".into()),
        _ => failed(error.to_string()),
    })?;
    let done = copy(source, data_dir, file).and_then(|()| Ok(make_durable(file)?));
    done.map_err(|error| {
        let _ = fs::remove_file(file);
        failed(error.to_string())
    })
}

/// One step copies it all: a copy in pieces would begin again with every commit of the writer.
fn copy(source: &Connection, data_dir: &DataDir, file: &Path) -> Result<(), StoreError> {
    let mut target = Connection::open(file)?;
    match Backup::new(source, &mut target)?.step(-1)? {
        StepResult::Done => {}
        other => return Err(StoreError::Busy(format!("the copy ended with {other:?}"))),
    }
    // One file, without a write-ahead log beside it.
    target.query_row("PRAGMA journal_mode = delete", [], |_| Ok(()))?;
    take_in_mail_files(&mut target, data_dir)
}

fn take_in_mail_files(target: &mut Connection, data_dir: &DataDir) -> Result<(), StoreError> {
    let outside: Vec<Id> = target
        .prepare("SELECT id FROM raw_mail WHERE octets IS NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in outside {
        let octets = fs::read(data_dir.mail_file(id))?;
        target.execute("UPDATE raw_mail SET octets = ? WHERE id = ?", params![octets, id])?;
    }
    Ok(())
}

fn make_durable(file: &Path) -> std::io::Result<()> {
    File::open(file)?.sync_all()?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.map_or_else(|| PathBuf::from("."), Path::to_owned))?.sync_all()
}
