//! The command line: one file per command. Exit codes follow sysexits; errors are one line on stderr that names
//! the thing, the reason and the way out.

pub mod inspect;
mod inspect_auth;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// replyd: a chat's replies by email, in one daemon.
#[derive(Debug, Parser)]
#[command(name = "replyd", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what replyd makes of one raw mail, changing nothing
    Inspect(inspect::InspectArgs),
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Inspect(args) => inspect::run(&args),
    }
}
