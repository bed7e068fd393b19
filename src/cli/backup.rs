//! `replyd backup FILE`: a consistent copy of the store while the daemon runs.

use super::client::Client;
use super::failure::{Done, Exit, Failure};
use clap::Args;
use hyper::Method;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Where to write the copy, with the daemon's rights; must not exist
    file: PathBuf,
    #[arg(long)]
    json: bool,
}

pub fn run(config_file: &Path, args: &BackupArgs) -> Done {
    let file = std::path::absolute(&args.file)?;
    let name = file.to_str().ok_or_else(|| Failure::new(Exit::Usage, "FILE: a name in UTF-8 is expected"))?;
    Client::of(config_file)?.call(Method::POST, "/api/v1/backup", Some(&json!({ "file": name })))?;
    if args.json {
        super::print::json(&json!({ "file": name }));
    } else {
        println!("the copy is in {}; to restore it see docs/OPERATIONS.md", super::print::one_line(name));
    }
    Ok(())
}
