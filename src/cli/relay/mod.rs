//! `replyd relay`: what an MTA's pipe runs, one mail on stdin. Words, streams and exit codes are those of Action Mailbox's
//! relay tasks, so that an MTA notices no difference; starts without the config and without the daemon's runtime, because an
//! MTA starts one for each mail.

mod delivery;
mod envelope;
mod post;
mod report;
mod spool;
mod url;

pub use report::Mta;

use delivery::Target;
use report::Report;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct RelayArgs {
    /// Taken as everywhere, and of no use here
    #[arg(id = "config", long = "config", hide = true, value_name = "FILE")]
    _config: Option<PathBuf>,
    /// Whose words and exit codes to speak
    mta: Mta,
    /// Keep mail here while the server is away; the next call brings it
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    /// Bring what waits in the spool, and read no mail
    #[arg(long, requires = "spool")]
    flush: bool,
    /// URL=… and INGRESS_PASSWORD=… for an MTA that passes no environment, as rake takes them; everybody on the machine
    /// may see them
    #[arg(value_name = "NAME=VALUE")]
    variables: Vec<String>,
}

pub fn run(args: &RelayArgs) -> ExitCode {
    args.mta.tell(&report(args))
}

fn report(args: &RelayArgs) -> Report {
    let of = |name: &str| {
        let given = args.variables.iter().rev().find_map(|given| given.strip_prefix(name)?.strip_prefix('='));
        given.map(str::to_owned).or_else(|| std::env::var(name).ok()).filter(|value| !value.trim().is_empty())
    };
    let (Some(url), Some(password)) = (of("URL"), of("INGRESS_PASSWORD")) else { return Report::unconfigured() };
    let target = match url::parse(&url) {
        Ok(url) => Target { url, password },
        Err(reason) => return Report::error(&reason),
    };
    if let Some(folder) = args.spool.as_ref().filter(|_| args.flush) {
        return delivery::flush(&target, folder);
    }
    let mut mail = match envelope::with_envelope(args.mta, std::io::stdin().lock()) {
        Ok(mail) => mail,
        Err(error) => return Report::error(&format!("stdin cannot be read: {error}")),
    };
    match &args.spool {
        None => straight(&target, &mut mail),
        Some(folder) => delivery::by_spool(&target, folder, &mut mail),
    }
}

/// What a call answers whose words clap does not know, if it is one of `relay`. Every MTA would bounce a mail at the code of
/// wrong usage, for a slip in a line of its config: none of them gets it.
pub fn misused(words: impl Iterator<Item = String>) -> Option<Misuse> {
    let mut words = words.skip(1);
    loop {
        match words.next()?.as_str() {
            "relay" => break,
            "--config" => drop(words.next()),
            option if option.starts_with('-') => {}
            _another => return None,
        }
    }
    Some(match words.find_map(|word| <Mta as clap::ValueEnum>::from_str(&word, false).ok()) {
        Some(mta) => Misuse::By(mta),
        None => Misuse::ByNobodyKnown,
    })
}

/// Who called it wrongly.
pub enum Misuse {
    By(Mta),
    /// Perhaps a person; perhaps an MTA whose word has a slip.
    ByNobodyKnown,
}

impl Misuse {
    /// sysexits.h's EX_TEMPFAIL is "try again" to all of them.
    pub fn tell(self, usage: impl FnOnce() -> ExitCode) -> ExitCode {
        match self {
            Misuse::By(mta) => mta.tell(&Report::error("wrong usage, see replyd relay --help")),
            Misuse::ByNobodyKnown => {
                let _code_of_a_person = usage();
                ExitCode::from(report::TRY_AGAIN)
            }
        }
    }
}

/// From the pipe to the server. A small mail says its length, as every server understands it; a large one goes in chunks, so
/// that it is never held.
fn straight(target: &Target, input: &mut dyn Read) -> Report {
    let mut begin = Vec::new();
    if let Err(error) = input.take(HELD_OCTETS_MAX).read_to_end(&mut begin) {
        return Report::error(&format!("stdin cannot be read: {error}"));
    }
    let whole = (begin.len() as u64) < HELD_OCTETS_MAX;
    let length = whole.then_some(begin.len() as u64);
    let mut mail = begin.as_slice().chain(input);
    target.send(&mut mail, length).into()
}

const HELD_OCTETS_MAX: u64 = 256 * 1024;
