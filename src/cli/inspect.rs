//! `replyd inspect FILE.eml`: what replyd makes of one raw mail, changing nothing.

use super::inspect_auth::AuthArgs;
use crate::filing::inspect::{Inspection, inspect};
use crate::sender_auth::AuthResults;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// The raw mail; `-` reads standard input
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    auth: AuthArgs,
}

/// What is printed.
#[derive(Debug, serde::Serialize)]
struct Shown {
    #[serde(flatten)]
    inspection: Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<AuthResults>,
}

/// sysexits.h: what was given beside the mail is not usable.
const EX_DATA: u8 = 65;
/// sysexits.h: the input could not be read.
const EX_NOINPUT: u8 = 66;
/// sysexits.h: our fault.
const EX_SOFTWARE: u8 = 70;

/// Exit 0 for any bytes at all, 66 for a file that cannot be read.
pub fn run(args: &InspectArgs) -> ExitCode {
    let raw = match read(&args.file) {
        Ok(raw) => raw,
        Err(error) => {
            eprintln!("replyd inspect: {}: {error}; give a readable file or - for standard input", args.file.display());
            return ExitCode::from(EX_NOINPUT);
        }
    };
    let auth = match args.auth.check(&raw) {
        Ok(auth) => auth,
        Err(error) => {
            eprintln!("replyd inspect: {error:#}");
            return ExitCode::from(EX_DATA);
        }
    };
    let shown = Shown { inspection: inspect(&raw), auth };
    let printed = if args.json { json(&shown) } else { Ok(lines(&shown)) };
    match printed.and_then(|text| Ok(writeln!(std::io::stdout().lock(), "{text}")?)) {
        // A reader that closes early, as `head` does, has what it wanted.
        Err(error) if !is_broken_pipe(&error) => {
            eprintln!("replyd inspect: cannot print: {error}");
            ExitCode::from(EX_SOFTWARE)
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut raw = Vec::new();
    std::io::stdin().lock().read_to_end(&mut raw)?;
    Ok(raw)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn json(shown: &Shown) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(shown)?)
}

fn lines(shown: &Shown) -> String {
    format!("{shown:#?}")
}
