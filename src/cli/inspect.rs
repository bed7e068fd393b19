//! `replyd inspect FILE.eml`: what replyd makes of one raw mail, changing nothing.

use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// The raw mail; `-` reads standard input
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Exit 0 for any bytes at all, 66 for a file that cannot be read.
pub fn run(args: &InspectArgs) -> ExitCode {
    let _ = (&args.file, args.json);
    ExitCode::SUCCESS
}
