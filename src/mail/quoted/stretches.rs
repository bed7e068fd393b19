//! Cuts a body into stretches: what the person wrote, quotations, what introduces them, earlier mail to the end.
//!
//! What follows an attribution is a quotation if it is marked, else everything below it is earlier mail. With nothing
//! written above it, it introduces the text below it, which is then all there is.

use super::super::html_lines::Role;
use super::attribution::{self, Follows};
use super::heading::{self, Heading};
use super::lines::Line;
use std::ops::Range;

/// What a stretch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Words,
    /// Lines marked as quoted; `introduced` by an attribution or proved by our own words.
    Quotation {
        introduced: bool,
    },
    Attribution,
    /// A heading with nothing before it: a mail passed on without own words.
    LeadingHeading,
    /// Earlier mail, by its container or up to the end of the mail.
    History {
        sure: bool,
    },
    Signature,
}

impl Kind {
    /// Earlier mail, or what introduces it.
    pub fn is_history(self) -> bool {
        matches!(self, Kind::Attribution | Kind::History { .. })
    }
}

/// Lines of one kind, with the empty ones below them.
#[derive(Debug)]
pub struct Stretch {
    pub kind: Kind,
    pub lines: Range<usize>,
}

/// Cuts the body into stretches; together they hold every line.
pub fn cut(lines: &[Line<'_>]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut at = 0;
    let mut written = false;
    while let Some(line) = lines.get(at) {
        let (kind, end) = stretch_at(lines, at, written, stretches.last());
        written |= kind == Kind::Words && !line.is_blank();
        match stretches.last_mut() {
            Some(last) if last.kind == kind || line.is_blank() => last.lines.end = end,
            _ => stretches.push(Stretch { kind, lines: at..end }),
        }
        at = end;
    }
    stretches
}

/// What begins at line `at`, and the line after it.
fn stretch_at(lines: &[Line<'_>], at: usize, written: bool, before: Option<&Stretch>) -> (Kind, usize) {
    let Some(line) = lines.get(at) else { return (Kind::Words, at + 1) };
    if line.is_blank() {
        return (Kind::Words, at + 1);
    }
    match line.role {
        Role::HistoryToEnd if written => return (Kind::History { sure: true }, lines.len()),
        Role::History => {
            return (
                Kind::History { sure: is_surely_history(lines, at) },
                run_end(lines, at, |line| line.role == Role::History),
            );
        }
        Role::Signature => return (Kind::Signature, run_end(lines, at, |line| line.role == Role::Signature)),
        Role::Plain | Role::HistoryToEnd | Role::Quotation { .. } => {}
    }
    if line.is_quoted() {
        let introduced =
            line.known || attribution::at(lines, at).is_some() || before.is_some_and(|before| before.kind.is_history());
        return (Kind::Quotation { introduced }, quotation_end(lines, at));
    }
    opening(lines, at, written).unwrap_or((Kind::Words, at + 1))
}

/// An attribution or heading at `at`, with what it introduces if no marks do.
fn opening(lines: &[Line<'_>], at: usize, written: bool) -> Option<(Kind, usize)> {
    let to_end = (Kind::History { sure: true }, lines.len());
    let (next, sure) = match attribution::at(lines, at) {
        Some((next, certainty)) => (next, certainty == attribution::Certainty::Sure),
        None => {
            if let Some((next, heading)) = heading::at(lines, at) {
                return Some(after_heading(lines, next, heading, written));
            }
            let next = unknown_introduction(lines, at)?;
            (next, false)
        }
    };
    if leads_to_quotation(lines, next) {
        return Some((Kind::Attribution, next));
    }
    if !sure {
        return None;
    }
    Some(if written { to_end } else { (Kind::Attribution, next) })
}

fn after_heading(lines: &[Line<'_>], next: usize, heading: Heading, written: bool) -> (Kind, usize) {
    match (written, leads_to_quotation(lines, next), heading) {
        (false, _, _) => (Kind::LeadingHeading, next),
        (true, true, Heading::Forward | Heading::Original) => (Kind::Attribution, next),
        (true, false, Heading::Forward | Heading::Original) => (Kind::History { sure: true }, lines.len()),
    }
}

/// One to three lines with a date right above a quotation: an attribution in a language nobody taught us.
fn unknown_introduction(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let ends = |line: &&Line<'_>| {
        line.is_blank() || line.is_quoted() || line.key.ends_with([':', '：']) || line.key.ends_with('>')
    };
    let last = lines.iter().skip(at).take(3).position(|line| ends(&line))?;
    let next = at + last + 1;
    let follows = if quotation_below(lines, next)?.known { Follows::Known } else { Follows::Marked };
    let proved = |from: usize| {
        let joined: Vec<&str> = lines.iter().take(at + last + 1).skip(from).map(|line| line.key.as_str()).collect();
        attribution::proved_by(&joined.join(" "), follows)
    };
    (proved(at) && !(at + 1..next).any(proved)).then_some(next)
}

fn leads_to_quotation(lines: &[Line<'_>], from: usize) -> bool {
    quotation_below(lines, from).is_some()
}

/// The next written line, if it is quoted.
fn quotation_below<'a, 'b>(lines: &'a [Line<'b>], from: usize) -> Option<&'a Line<'b>> {
    let next = lines.iter().skip(from).take(BLANK_LINES_MAX).find(|line| !line.is_blank());
    next.filter(|line| line.is_quoted() && line.role == Role::Plain)
}

/// The end of the lines that share `belongs`, with empty ones between them.
fn run_end(lines: &[Line<'_>], from: usize, belongs: impl Fn(&Line<'_>) -> bool) -> usize {
    let run = lines.iter().enumerate().skip(from).take_while(|(_, line)| belongs(line) || line.is_blank());
    run.filter(|(_, line)| belongs(line)).last().map_or(from + 1, |(index, _)| index + 1)
}

/// The end of a quotation: a line that some relay wrapped belongs to it though its mark is lost.
fn quotation_end(lines: &[Line<'_>], from: usize) -> usize {
    let mut end = from;
    let mut blank = 0;
    for (index, line) in lines.iter().enumerate().skip(from) {
        if line.is_quoted() && matches!(line.role, Role::Plain) {
            end = index + 1;
            blank = 0;
        } else if line.is_blank() {
            blank += 1;
        } else if blank > 0 || !is_wrapped(lines, index) {
            break;
        }
    }
    end
}

fn is_wrapped(lines: &[Line<'_>], index: usize) -> bool {
    let Some(above) = index.checked_sub(1).and_then(|above| lines.get(above)) else { return false };
    let Some(line) = lines.get(index) else { return false };
    let below = lines.get(index + 1);
    let in_link = above.key.rsplit(' ').next().is_some_and(|word| word.contains("://"));
    if in_link && !line.key.contains(' ') && below.is_some_and(Line::is_quoted) {
        return true;
    }
    // Answers are not begun in lower case under a full line that ends in the middle of a sentence.
    let full = above.text.chars().count() >= FULL_LINE_CHARS && !above.key.ends_with(['.', '?', '!', ':', '…']);
    let goes_on = line.text.trim_start().starts_with(char::is_lowercase);
    full && goes_on && below.is_none_or(|line| line.is_quoted() || line.is_blank())
}

/// A container with an attribution is a reply's; a container without one, or with a forwarded mail, may be all there is.
fn is_surely_history(lines: &[Line<'_>], at: usize) -> bool {
    attribution::at(lines, at).is_some()
}

/// Relays wrap longer lines than this one.
const FULL_LINE_CHARS: usize = 60;

/// Empty lines looked over between an attribution and what it introduces.
const BLANK_LINES_MAX: usize = 12;
