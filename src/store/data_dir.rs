//! The data directory: one process at a time, the spool of mails under way, the mail files beside the database, and
//! what a crash left of them.

use super::{FreeSpace, StoreError};
use crate::conversation::id::Id;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Paths of one data directory, and the lock on it.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    spool: PathBuf,
    mail: PathBuf,
    /// Held until the store is closed.
    lock: File,
}

impl DataDir {
    /// Makes what is missing and takes the lock.
    pub fn open(path: &Path) -> Result<DataDir, StoreError> {
        let failed = |reason: String| StoreError::Open { path: path.to_owned(), reason };
        let make = |directory: &Path| fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        let (spool, mail) = (path.join("spool"), path.join("mail"));
        for directory in [path, &spool, &mail] {
            make(directory)
                .map_err(|error| failed(format!("cannot make {}: {error}{}", directory.display(), way_out(&error))))?;
        }
        let lock = private()
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(|error| failed(format!("cannot write {LOCK}: {error}{}", way_out(&error))))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => failed(format!(
                "another replyd uses it (it holds {LOCK}); stop that one, or give this one its own server.data_dir"
            )),
            TryLockError::Error(error) => failed(format!("cannot lock {LOCK}: {error}")),
        })?;
        Ok(DataDir { path: path.to_owned(), spool, mail, lock })
    }

    /// Nothing is written here any more: another process may, although somebody still holds this one's handle.
    pub fn release(&self) {
        let _ = self.lock.unlock();
    }

    /// The database file; made here so that nobody else may read it, and its directory entry synced.
    pub fn database(&self) -> io::Result<PathBuf> {
        let database = self.path.join(DATABASE);
        if !database.exists() {
            private().create_new(true).open(&database)?;
            self.sync()?;
        }
        Ok(database)
    }

    /// Makes the entries of the directory durable, and its own in the directory above.
    pub fn sync(&self) -> io::Result<()> {
        sync_directory(&self.path)?;
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_directory)
    }

    pub fn spool(&self) -> &Path {
        &self.spool
    }

    /// Where a large raw mail lives.
    pub fn mail_file(&self, id: Id) -> PathBuf {
        self.mail.join(format!("{id}.eml"))
    }

    /// Syncs a spilled mail, moves it beside the database and syncs its new name: only then may a commit name it.
    pub fn keep(&self, spilled: &Path, id: Id) -> io::Result<()> {
        File::open(spilled)?.sync_data()?;
        fs::rename(spilled, self.mail_file(id))?;
        sync_directory(&self.mail)
    }

    /// Empties the spool: no session of an earlier run is left to finish a file in it.
    pub fn empty_spool(&self) -> io::Result<()> {
        fs::read_dir(&self.spool)?.try_for_each(|entry| fs::remove_file(entry?.path()))
    }

    /// Ids of the mail files there are; other names are left alone.
    pub fn mail_files(&self) -> io::Result<Vec<Id>> {
        let id_of = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".eml")?.parse().ok();
        Ok(fs::read_dir(&self.mail)?.filter_map(Result::ok).filter_map(id_of).collect())
    }

    /// What the file system has left for us.
    pub fn free_space(&self) -> Result<FreeSpace, StoreError> {
        let found = rustix::fs::statvfs(&self.path).map_err(io::Error::from)?;
        Ok(FreeSpace { octets: found.f_bavail.saturating_mul(found.f_frsize), inodes: found.f_favail })
    }

    /// Octets of the file system, free or not.
    pub fn disk_size(&self) -> Result<u64, StoreError> {
        let found = rustix::fs::statvfs(&self.path).map_err(io::Error::from)?;
        Ok(found.f_blocks.saturating_mul(found.f_frsize))
    }
}

/// What an operator can do about a directory that is not ours to write.
fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; chown it to the daemon's user, or name another server.data_dir",
        io::ErrorKind::ReadOnlyFilesystem => "; mount it for writing, or name another server.data_dir",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "; server.data_dir must be a folder",
        _ => "",
    }
}

/// Only the daemon's own user may read mail.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

const LOCK: &str = "replyd.lock";
const DATABASE: &str = "replyd.db";
