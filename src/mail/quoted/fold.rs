//! Decides line by line what is shown and what is folded.
//!
//! The body is cut into stretches: what the person wrote, quotations, what introduces them, earlier mail to the end. A
//! quotation folds if nothing of the person's follows it, or if an attribution introduces a single one; answers between
//! several quotations keep them, for they make no sense alone. Folding everything is believed only where the marks leave
//! no doubt.

use super::super::html_text::Role;
use super::heading::{self, Heading};
use super::lines::Line;
use super::signature::{self, Before};
use super::{Split, attribution};
use std::ops::Range;

/// Splits the lines of one body.
pub fn fold(lines: &[Line<'_>]) -> Split {
    let stretches = cut(lines);
    let mut places = vec![Place::Visible; lines.len()];
    place_words(lines, &stretches, &mut places);
    place_quotations(&stretches, &mut places);
    fold_rules_above_history(lines, &mut places);
    show_if_all_folded(lines, &stretches, &mut places);
    let text = |place| text_at(lines, &places, place);
    Split { visible: text(Place::Visible), quoted: text(Place::Quoted), signature: text(Place::Signature) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Visible,
    Quoted,
    Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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

#[derive(Debug)]
struct Stretch {
    kind: Kind,
    lines: Range<usize>,
}

/// Cuts the body into stretches; together they hold every line.
fn cut(lines: &[Line<'_>]) -> Vec<Stretch> {
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
        Role::HistoryToEnd => return (Kind::History { sure: written }, lines.len()),
        Role::History => {
            return (
                Kind::History { sure: is_surely_history(lines, at) },
                run_end(lines, at, |line| line.role == Role::History),
            );
        }
        Role::Signature => return (Kind::Signature, run_end(lines, at, |line| line.role == Role::Signature)),
        Role::Plain | Role::Quotation { .. } => {}
    }
    if line.is_quoted() {
        let introduced = line.known
            || attribution::at(lines, at).is_some()
            || before.is_some_and(|before| matches!(before.kind, Kind::Attribution | Kind::History { .. }));
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
    let proved = |from: usize| {
        let joined: Vec<&str> = lines.iter().take(at + last + 1).skip(from).map(|line| line.key.as_str()).collect();
        attribution::proved_by_quote(&joined.join(" "))
    };
    let next = at + last + 1;
    let alone = (at + 1..next).any(proved);
    (proved(at) && !alone && leads_to_quotation(lines, next)).then_some(next)
}

/// Whether the next written line is quoted.
fn leads_to_quotation(lines: &[Line<'_>], from: usize) -> bool {
    let next = lines.iter().skip(from).take(BLANK_LINES_MAX).find(|line| !line.is_blank());
    next.is_some_and(|line| line.is_quoted() && line.role == Role::Plain)
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

fn place_words(lines: &[Line<'_>], stretches: &[Stretch], places: &mut [Place]) {
    let mut before = Before::Nothing;
    for stretch in stretches {
        match stretch.kind {
            Kind::Words => {
                let found = signature::find(lines, stretch.lines.clone(), before);
                for range in found.signature {
                    put(places, range, Place::Signature);
                }
                if let Some(range) = found.history {
                    put(places, range, Place::Quoted);
                }
                if is_shown(lines, &stretch.lines, places) {
                    before = Before::Words;
                }
            }
            Kind::Signature => put(places, stretch.lines.clone(), Place::Signature),
            Kind::Attribution | Kind::History { .. } => put(places, stretch.lines.clone(), Place::Quoted),
            Kind::LeadingHeading | Kind::Quotation { .. } => {}
        }
    }
    // The marks below need to know where the person's words are, which only signatures taken out tells.
    for stretch in stretches.iter().filter(|stretch| stretch.kind == Kind::Words) {
        if !is_shown(lines, &stretch.lines, places) {
            let rest =
                stretch.lines.clone().filter(|index| places.get(*index) == Some(&Place::Visible)).collect::<Vec<_>>();
            for index in rest {
                put(places, index..index + 1, Place::Signature);
            }
        }
    }
}

/// Whether any written line of the stretch is visible.
fn is_shown(lines: &[Line<'_>], range: &Range<usize>, places: &[Place]) -> bool {
    range.clone().any(|index| {
        places.get(index) == Some(&Place::Visible)
            && lines.get(index).is_some_and(|line| !line.is_blank() && !line.is_rule())
    })
}

fn place_quotations(stretches: &[Stretch], places: &mut [Place]) {
    let is_written = |stretch: &Stretch| {
        stretch.kind == Kind::LeadingHeading
            || stretch.kind == Kind::Words
                && stretch.lines.clone().any(|index| places.get(index) == Some(&Place::Visible))
    };
    let last_words = stretches.iter().rposition(is_written);
    let first_words = stretches.iter().position(is_written);
    let is_history = |stretch: &Stretch| matches!(stretch.kind, Kind::Attribution | Kind::History { .. });
    let last_history = stretches.iter().rposition(is_history);
    let is_quotation = |stretch: &&Stretch| matches!(stretch.kind, Kind::Quotation { .. });
    let answered = stretches.iter().take(last_words.unwrap_or(0)).filter(is_quotation).count();
    for (index, stretch) in stretches.iter().enumerate() {
        let Kind::Quotation { introduced } = stretch.kind else { continue };
        let words_follow = last_words.is_some_and(|last| last > index);
        let history_follows = last_history.is_some_and(|last| last > index);
        let folds = match (words_follow, introduced) {
            (true, true) => answered == 1,
            (true, false) => false,
            (false, true) => true,
            // The person quoted something before the client quoted the mail.
            (false, false) => !(history_follows && first_words.is_some_and(|first| first < index)),
        };
        if folds {
            put(places, stretch.lines.clone(), Place::Quoted);
        }
    }
}

fn put(places: &mut [Place], range: Range<usize>, place: Place) {
    places.iter_mut().take(range.end).skip(range.start).for_each(|at| *at = place);
}

/// The line a client draws above what it quotes goes with it.
fn fold_rules_above_history(lines: &[Line<'_>], places: &mut [Place]) {
    let mut below = None;
    for (index, line) in lines.iter().enumerate().rev() {
        match places.get(index) {
            Some(Place::Visible) if line.is_blank() => {}
            Some(Place::Visible) if line.is_rule() && below.is_some() => {
                put(places, index..index + 1, below.unwrap_or(Place::Quoted));
            }
            Some(Place::Visible) | None => below = None,
            Some(place) => below = Some(*place),
        }
        if below.is_none() && index + 1 == lines.len() && line.is_blank() {
            below = Some(Place::Signature);
        }
    }
}

/// Where nothing is left to show and the marks leave a doubt, the doubtful text is shown.
fn show_if_all_folded(lines: &[Line<'_>], stretches: &[Stretch], places: &mut [Place]) {
    let shows = |place: Place| {
        lines.iter().zip(places.iter()).any(|(line, at)| *at == place && line.key.chars().any(char::is_alphanumeric))
    };
    if shows(Place::Visible) {
        return;
    }
    let sure = |stretch: &Stretch| {
        matches!(stretch.kind, Kind::Attribution | Kind::History { sure: true } | Kind::Quotation { introduced: true })
    };
    let shown = if !shows(Place::Quoted) {
        Place::Signature
    } else if stretches.iter().any(sure) {
        return;
    } else {
        Place::Quoted
    };
    places.iter_mut().filter(|place| **place == shown).for_each(|place| *place = Place::Visible);
}

/// The lines at one place, runs of empty lines squeezed to one.
fn text_at(lines: &[Line<'_>], places: &[Place], wanted: Place) -> String {
    let mut text = String::new();
    let mut blank = 0;
    for (line, _) in lines.iter().zip(places).filter(|(_, place)| **place == wanted) {
        if line.text.trim().is_empty() {
            blank += 1;
            continue;
        }
        if !text.is_empty() {
            text.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        blank = 0;
        text.push_str(line.text.trim_end());
    }
    text.trim().to_owned()
}

/// Relays wrap longer lines than this one.
const FULL_LINE_CHARS: usize = 60;

/// Empty lines looked over between an attribution and what it introduces.
const BLANK_LINES_MAX: usize = 12;
