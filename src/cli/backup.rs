//! `replyd backup FILE`: a consistent copy of the store while the daemon runs.
//!
//! The daemon writes the copy into its own spool, which is all that its service unit lets it write (and its `/tmp` is
//! not ours); this command brings it to FILE with the caller's rights. A copy that is left behind goes at the next start.

use super::client::Client;
use super::failure::{Done, Exit, Failure};
use super::print::{one_line, say};
use crate::config;
use clap::Args;
use hyper::Method;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Where to put the copy; must not exist
    file: PathBuf,
    #[arg(long)]
    json: bool,
}

pub fn run(config_file: &Path, args: &BackupArgs) -> Done {
    let file = std::path::absolute(&args.file)?;
    let client = Client::of(config_file)?;
    let spool = std::path::absolute(config::data_dir(config_file)?)?.join("spool");
    let written = spool.join(format!("backup-{}.db", std::process::id()));
    let place = reserve(&file)?;
    let done = client
        .call(Method::POST, "/api/v1/backup", Some(&json!({ "file": written })))
        .and_then(|_| bring(&written, place, &file).map_err(|error| cannot_write(&file, &error)));
    let _ = std::fs::remove_file(&written);
    if let Err(failure) = done {
        let _ = std::fs::remove_file(&file);
        return Err(failure);
    }
    if args.json {
        super::print::json(&json!({ "file": file }));
    } else {
        let name = file.display().to_string();
        say!("the copy is in {}; to restore it see docs/OPERATIONS.md", one_line(&name));
    }
    Ok(())
}

/// Makes FILE before any work is done, for its owner's eyes only.
fn reserve(file: &Path) -> Result<File, Failure> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(|error| cannot_write(file, &error))
}

/// On the same file system a rename is all; else the octets are copied. Both are on disk before this returns.
fn bring(written: &Path, mut place: File, file: &Path) -> io::Result<()> {
    if std::fs::rename(written, file).is_err() {
        io::copy(&mut File::open(written)?, &mut place)?;
        place.sync_all()?;
    }
    File::open(file.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn cannot_write(file: &Path, error: &io::Error) -> Failure {
    let way_out = match error.kind() {
        io::ErrorKind::AlreadyExists => "it is not overwritten: name a file that is not there",
        io::ErrorKind::NotFound => "make its folder first",
        _ => "name a place that this user may write",
    };
    Failure::new(Exit::CannotCreate, format!("cannot write {}: {error}; {way_out}", file.display()))
}
