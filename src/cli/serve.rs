//! `replyd serve`: the daemon.

use super::failure::{Done, Exit, Failure};
use crate::daemon::{StartError, serve};
use std::path::Path;

pub fn run(config_file: &Path) -> Done {
    serve::run(config_file).map_err(|error| failure(&error))
}

/// 78 tells the service manager not to try again; anything else may mend itself.
pub fn failure(error: &StartError) -> Failure {
    let exit = if error.blames_config() { Exit::Config } else { Exit::TryAgain };
    Failure::new(exit, error.to_string())
}
