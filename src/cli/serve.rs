//! `replyd serve`: the daemon.

use super::failure::{Done, Exit, Failure};
use crate::daemon::StartError;
use crate::daemon::serve::{self, Queued};
use clap::builder::FalseyValueParser;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Hold all mail that is queued at the start, as after restoring a backup: its queue holds mail that went out since
    #[arg(long, env = "REPLYD_HOLD_OUTGOING", value_parser = FalseyValueParser::new())]
    hold_outgoing: bool,
}

pub fn run(config_file: &Path, args: &ServeArgs) -> Done {
    let queued = if args.hold_outgoing { Queued::Held } else { Queued::Sent };
    serve::run(config_file, queued).map_err(|error| failure(&error))
}

/// 78 tells the service manager not to try again; anything else may mend itself.
pub fn failure(error: &StartError) -> Failure {
    if let StartError::Log(_) = error {
        return Failure::new(Exit::Usage, error.to_string());
    }
    let exit = if error.blames_config() { Exit::Config } else { Exit::TryAgain };
    Failure::new(exit, error.to_string())
}
