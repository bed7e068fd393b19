//! Finds the signature below what a person wrote: "-- ", "Sent from my …", a dashed name, contact lines under a farewell,
//! legal footers.
//!
//! A farewell and a name ("Thanks, Ann") stay visible: folding them gains nothing and risks words. What follows a mark
//! that prose also uses (a drawn line) is folded only if it looks like a signature.

use super::lines::Line;
use super::words::{APP_STARTS, DEVICE_ENDS, DEVICE_STARTS, DEVICES, DISCLAIMERS, FAREWELLS};
use std::ops::Range;

/// What to do with the lines of a stretch the person wrote. The ranges do not overlap; what is in none stays visible.
#[derive(Debug, Default)]
pub struct Found {
    pub signature: Vec<Range<usize>>,
    /// Text below a device's signature, which is what that device quotes without any mark.
    pub history: Option<Range<usize>>,
}

/// Looks through lines `range`. `written_before` says whether words of the person stand above them.
pub fn find(lines: &[Line<'_>], range: Range<usize>, written_before: Before) -> Found {
    let mut found = Found::default();
    let mut end = range.end;
    let mut written = written_before == Before::Words;
    for index in range.clone() {
        let Some(line) = lines.get(index) else { break };
        if line.is_blank() {
            continue;
        }
        if is_device(line) || is_app(lines, index, range.end) {
            let below = after_device(lines, index, range.end);
            found.signature.push(index..below);
            if written {
                end = index;
                found.history = history_below(lines, below, range.end);
                if found.history.is_none() && next_written(lines, below, range.end).is_some() {
                    end = range.end;
                    continue;
                }
                break;
            }
            continue;
        }
        if written && starts_signature(lines, index, range.end) {
            found.signature.push(index..range.end);
            end = index;
            break;
        }
        written = true;
    }
    if let Some(start) = tail(lines, range.start..end) {
        found.signature.push(start..end);
    }
    found
}

/// Whether the person has written above the stretch looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Nothing,
    Words,
}

/// A mark below which only a signature stands.
fn starts_signature(lines: &[Line<'_>], index: usize, end: usize) -> bool {
    let Some(line) = lines.get(index) else { return false };
    let mark = line.key.as_str();
    // RFC 3676 §4.3: the mark is "-- ". People draw "--" between paragraphs, too, and ask on below it.
    if mark == "--" && !line.text.ends_with("-- ") && asks(lines, index + 1..end) {
        return false;
    }
    if matches!(mark, "--" | "-- --" | "—" | "– –" | "ᐧ") {
        return true;
    }
    if DISCLAIMERS.iter().any(|start| mark.starts_with(start)) {
        return true;
    }
    if !line.is_rule() {
        return false;
    }
    // A line drawn right under words underlines them; a short mark does not.
    let underlines =
        index > 0 && mark.chars().count() > 4 && lines.get(index - 1).is_some_and(|above| !above.is_blank());
    let below = index + 1..end;
    (!underlines || mark.contains('_')) && looks_like_signature(lines, below)
}

/// Whether a question stands among the lines, as it does in no signature. Looks as far as a signature reaches.
fn asks(lines: &[Line<'_>], range: Range<usize>) -> bool {
    lines
        .iter()
        .take(range.end)
        .skip(range.start)
        .take(SIGNATURE_LINES_MAX)
        .any(|line| line.key.ends_with(['?', '？', '؟']))
}

/// Few words, or a few more where an address or a number stands among them. Looks no further than a signature reaches.
fn looks_like_signature(lines: &[Line<'_>], range: Range<usize>) -> bool {
    if range.len() > SIGNATURE_LINES_MAX {
        return false;
    }
    let (mut words, mut contact, mut sentences) = (0, false, false);
    for line in lines.get(range).unwrap_or_default() {
        words += line.key.split(' ').filter(|word| !word.is_empty()).count();
        contact |= is_contact(&line.key);
        sentences |= line.key.ends_with(['.', '!', ',', ':']) && line.key.contains(' ') && !line.is_rule();
        if words > CONTACT_WORDS_MAX || line.key.ends_with('?') {
            return false;
        }
    }
    contact || words <= BARE_WORDS_MAX && !sentences
}

fn is_contact(key: &str) -> bool {
    let digits = key.chars().filter(|character| character.is_numeric()).count();
    key.contains('@') || key.contains("://") || key.contains("www.") || digits >= 7
}

/// "Sent from my phone" and its kin, on a line of its own.
fn is_device(line: &Line<'_>) -> bool {
    let key = line.key.trim_matches(['(', ')', '[', ']', '_', '-', ' ', '.', '—']);
    let words = key.split(' ').count();
    if words > DEVICE_WORDS_MAX || key.chars().count() > DEVICE_CHARS_MAX || key.ends_with(['?', ':', ',']) {
        return false;
    }
    let signs = DEVICE_STARTS.iter().any(|start| key.starts_with(start))
        || words <= DEVICE_END_WORDS_MAX && DEVICE_ENDS.iter().any(|end| key.ends_with(end));
    let is_mine = words <= DEVICE_MINE_WORDS_MAX && !line.key.ends_with('.') && key.contains(" my ");
    signs && (is_mine || DEVICES.iter().any(|device| key.contains(device)))
}

/// "Sent from Mailspring", alone below what is written: a name that no table knows. "Sent via courier" names none.
fn is_app(lines: &[Line<'_>], index: usize, end: usize) -> bool {
    let Some(line) = lines.get(index) else { return false };
    let alone = |at: Option<usize>| at.and_then(|at| lines.get(at)).is_none_or(Line::is_blank);
    let below = (index + 1 < end).then_some(index + 1);
    let Some(start) = APP_STARTS.iter().find(|start| line.key.starts_with(**start)) else { return false };
    let name = line.text.trim().split(' ').nth(start.split(' ').count() - 1).unwrap_or_default();
    let words = line.key.split(' ').count();
    let ends = line.key.ends_with(['.', '?', '!', ':', ',']);
    name.starts_with(char::is_uppercase)
        && words <= APP_WORDS_MAX
        && !ends
        && alone(index.checked_sub(1))
        && alone(below)
}

/// The device's mark may run over the lines right below it.
fn after_device(lines: &[Line<'_>], index: usize, end: usize) -> usize {
    (index + 1..end).find(|next| lines.get(*next).is_none_or(|line| line.is_blank() || !is_device(line))).unwrap_or(end)
}

fn next_written(lines: &[Line<'_>], from: usize, end: usize) -> Option<usize> {
    (from..end).find(|index| lines.get(*index).is_some_and(|line| !line.is_blank()))
}

fn history_below(lines: &[Line<'_>], from: usize, end: usize) -> Option<Range<usize>> {
    let start = next_written(lines, from, end)?;
    let words = lines
        .get(start..end)?
        .iter()
        .take(HISTORY_WORDS_MIN * 4)
        .map(|line| line.key.split(' ').count())
        .sum::<usize>();
    (start > from && words >= HISTORY_WORDS_MIN).then_some(start..end)
}

/// A signature without a mark at the end of `range`: where it starts.
fn tail(lines: &[Line<'_>], range: Range<usize>) -> Option<usize> {
    let last = range.clone().rev().find(|index| lines.get(*index).is_some_and(|line| !line.is_blank()))?;
    dashed_name(lines, &range, last).or_else(|| below_farewell(lines, &range, last))
}

/// "-Ann", "—Ann Other" as the last line, below an empty one.
fn dashed_name(lines: &[Line<'_>], range: &Range<usize>, last: usize) -> Option<usize> {
    let text = lines.get(last)?.text.trim();
    let name = text.trim_start_matches(['-', '–', '—']);
    let dashes = text.chars().count() - name.chars().count();
    let name = name.trim();
    let is_name = name.split(' ').count() <= 3 && name.chars().count() <= 40 && name.starts_with(char::is_uppercase);
    let letters =
        name.chars().all(|character| character.is_alphabetic() || matches!(character, ' ' | '.' | '\'' | '-'));
    let above = last.checked_sub(1).and_then(|above| lines.get(above))?;
    // "Please bring:" and a dash make a list of one.
    let written = lines.get(range.start..last)?.iter().rev().find(|line| !line.is_blank())?;
    let is_item = written.key.ends_with(':') || written.key.starts_with(['-', '–']);
    ((1..=3).contains(&dashes) && is_name && letters && !is_item && above.is_blank()).then_some(last)
}

/// Farewell, name, empty line, then a short rest without a question or a postscript.
fn below_farewell(lines: &[Line<'_>], range: &Range<usize>, last: usize) -> Option<usize> {
    let from = last.saturating_sub(FAREWELL_LINES_MAX).max(range.start);
    let farewell = (from..last).find(|index| lines.get(*index).is_some_and(|line| is_farewell(&line.key)))?;
    let name = next_written(lines, farewell + 1, last)?;
    let is_name = lines
        .get(name)
        .is_some_and(|line| line.key.split(' ').count() <= 4 && !line.key.ends_with(['.', '!', '?', ',']));
    let rest = next_written(lines, name + 1, last + 1)?;
    let contact = lines.get(rest).is_some_and(|line| is_contact(&line.key));
    let parted = rest > name + 1 || contact;
    let postscript = lines.get(rest).is_some_and(|line| POSTSCRIPTS.iter().any(|mark| line.key.starts_with(mark)));
    (is_name && parted && !postscript && looks_like_signature(lines, rest..last + 1)).then_some(rest)
}

fn is_farewell(key: &str) -> bool {
    let key = key.trim_end_matches([',', '.', '!', ' ']);
    FAREWELLS.contains(&key)
}

const POSTSCRIPTS: [&str; 6] = ["ps", "p.s", "p. s", "nb", "n.b", "edit"];
const SIGNATURE_LINES_MAX: usize = 60;
const BARE_WORDS_MAX: usize = 20;
const CONTACT_WORDS_MAX: usize = 60;
const DEVICE_WORDS_MAX: usize = 14;
const DEVICE_END_WORDS_MAX: usize = 8;
/// "Sent from my office is what the label says" goes on.
const DEVICE_MINE_WORDS_MAX: usize = 6;
const APP_WORDS_MAX: usize = 6;
const DEVICE_CHARS_MAX: usize = 110;
/// A postscript is shorter.
const HISTORY_WORDS_MIN: usize = 40;
const FAREWELL_LINES_MAX: usize = 16;
