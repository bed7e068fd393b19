//! Which mail is sent when, with a spool: what waits goes first, and what cannot be sent now waits behind it.
//!
//! A mail leaves the spool only after the server has said that it has it. A server that took it and could not say so gets
//! it again, and tells it by what it is.

use super::post::{Ending, post};
use super::report::Report;
use super::spool::{Draft, Spool, Turn};
use super::url::Url;
use std::io::{self, Read};
use std::path::Path;

/// Where mail goes.
pub struct Target {
    pub url: Url,
    pub password: String,
}

impl Target {
    pub fn send(&self, mail: &mut dyn Read, length: Option<u64>) -> Ending {
        post(&self.url, &self.password, mail, length)
    }
}

/// How the mails that waited fared.
enum Backlog {
    Empty,
    /// Some wait still, for whatever reason.
    Waiting,
    /// All others were brought; these the server cannot take, time after time.
    Stuck(usize),
    /// The server is there and takes none: somebody has to mend the password or the address.
    Refused(Report),
}

/// Brings what waits, then the mail; or keeps the mail.
pub fn by_spool(target: &Target, folder: &Path, mail: &mut dyn Read) -> Report {
    let spooled = Spool::open(folder).and_then(|spool| {
        let draft = spool.draft(mail)?;
        let turn = spool.turn()?;
        let backlog = backlog(target, &spool, turn.as_ref(), AT_A_TIME)?;
        Ok((spool, draft, backlog))
    });
    match spooled {
        Ok((spool, draft, Backlog::Empty)) => send_or_keep(target, &spool, draft),
        Ok((spool, draft, Backlog::Stuck(mails))) => send_or_keep(target, &spool, draft).with(&stuck(mails, folder)),
        Ok((spool, draft, Backlog::Waiting)) => keep(&spool, draft),
        Ok((_, _, Backlog::Refused(report))) => report,
        Err(error) => no_spool(folder, &error),
    }
}

/// Brings what waits.
pub fn flush(target: &Target, folder: &Path) -> Report {
    let flushed = Spool::open(folder).and_then(|spool| {
        let Some(turn) = spool.turn()? else { return Ok(Report::done("Another call is bringing what waits")) };
        let before = spool.waiting()?.len();
        Ok(match backlog(target, &spool, Some(&turn), usize::MAX)? {
            Backlog::Empty => Report::done(format!("{before} spooled messages left the spool")),
            Backlog::Waiting => Report::error(&format!("{} messages wait still", spool.waiting()?.len())),
            Backlog::Stuck(mails) => Report::error(&stuck(mails, folder)),
            Backlog::Refused(report) => report,
        })
    });
    flushed.unwrap_or_else(|error| no_spool(folder, &error))
}

fn stuck(mails: usize, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "{mails} spooled messages get 5xx every time; they are tried again and hold up no other: see {folder} and the server's log"
    )
}

fn no_spool(folder: &Path, error: &io::Error) -> Report {
    Report::error(&format!("the spool {} cannot be used: {error}", folder.display()))
}

/// Whoever has no turn leaves what waits to the one who has it.
fn backlog(target: &Target, spool: &Spool, turn: Option<&Turn>, mails_max: usize) -> io::Result<Backlog> {
    let waiting = spool.waiting()?;
    if waiting.is_empty() {
        return Ok(Backlog::Empty);
    }
    if turn.is_none() {
        return Ok(Backlog::Waiting);
    }
    let (mut stuck, stuck_max) = (0, mails_max.saturating_sub(1));
    for mail in waiting.iter().take(mails_max) {
        let (file, length) = spool.read(mail)?;
        match target.send(&mut &file, Some(length)) {
            Ending::Answered(200..=299) => spool.remove(mail)?,
            // This mail is refused for itself, and must not stand before the others for ever.
            Ending::Answered(400 | 413 | 415 | 422) => spool.set_aside(mail)?,
            // The server's trouble, or this mail's: a few times it is waited for, then the others are tried as well.
            Ending::Answered(500..) if spool.count_try(mail)? >= TRIES_ALONE && stuck < stuck_max => stuck += 1,
            ending if is_away(&ending) => return Ok(Backlog::Waiting),
            ending => return Ok(Backlog::Refused(ending.into())),
        }
    }
    Ok(match (waiting.len() > mails_max, stuck) {
        (true, _) => Backlog::Waiting,
        (false, 0) => Backlog::Empty,
        (false, stuck) => Backlog::Stuck(stuck),
    })
}

fn send_or_keep(target: &Target, spool: &Spool, draft: Draft) -> Report {
    let ending = match draft.read() {
        Ok((mut file, length)) => target.send(&mut file, Some(length)),
        Err(error) => Ending::Error(error.to_string()),
    };
    if is_away(&ending) { keep(spool, draft) } else { ending.into() }
}

/// The server is not there, or cannot take mail now. What it refuses stays the MTA's, where somebody sees it.
fn is_away(ending: &Ending) -> bool {
    match ending {
        Ending::TimedOut | Ending::Network(_) => true,
        Ending::Answered(status) => *status >= 500,
        Ending::Error(_) => false,
    }
}

fn keep(spool: &Spool, draft: Draft) -> Report {
    match spool.keep(draft) {
        Ok(()) => Report::done("Spooled message until the ingress is back"),
        Err(error) => Report::error(&format!("the spool does not take it: {error}")),
    }
}

/// Calls that a mail may hold up, all later ones with it, because the server could not take it.
const TRIES_ALONE: u32 = 5;
/// An MTA waits for this call, so it brings only so many.
const AT_A_TIME: usize = 20;
