//! Recognises what clients put above a whole mail they copy: "-----Original Message-----", "Begin forwarded message:",
//! "reply above this line", and blocks of header fields (From:, Sent:, To:, Subject:) in many languages.
//!
//! A form somebody fills in also has fields ("From: Berlin / To: Munich / Date: 1 May"), so a block needs what only
//! mail has: an address, a subject, or "Sent".

use super::attribution;
use super::lines::Line;
use super::words::{ABOVE_THIS_LINE, FIELD_NAMES, FORWARD_WORDS, FieldName, MESSAGE_WORDS};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a heading announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// An earlier mail.
    Original,
    /// A mail passed on.
    Forward,
}

/// The heading that starts at line `at`: the line after it.
pub fn at(lines: &[Line<'_>], at: usize) -> Option<(usize, Heading)> {
    let line = lines.get(at)?;
    if let Some(heading) = title(&line.key) {
        let next = next_written(lines, at + 1);
        let end = field_block(lines, next, Evidence::Heading).unwrap_or(at + 1);
        return Some((end, heading));
    }
    if let Some(end) = field_block(lines, at, Evidence::Fields) {
        return Some((end, Heading::Original));
    }
    if let Some(end) = unknown_fields(lines, at).or_else(|| notes_heading(lines, at)) {
        return Some((end, Heading::Original));
    }
    fields_on_one_line(&line.key).then_some((at + 1, Heading::Original))
}

/// Fields in a language nobody taught us: `Xxx: Ann <ann@example.com>`, then a field with date and time, then more.
fn unknown_fields(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let value = |index: usize| {
        let (label, value) = lines.get(index)?.key.split_once([':', '：'])?;
        let short = !label.is_empty() && label.split(' ').count() <= 3 && label.chars().count() <= LABEL_CHARS_MAX;
        short.then_some(value.trim())
    };
    let sender = value(at)?;
    let named = !sender.starts_with('<') && sender.contains(" <") && sender.contains('@') && sender.ends_with('>');
    let dated = value(at + 1).is_some_and(|date| attribution::has_clock(date) && attribution::has_date(date));
    if !named || !dated {
        return None;
    }
    let more = (at + 2..at + BLOCK_LINES_MAX).take_while(|index| value(*index).is_some()).count();
    (more >= 2).then_some(at + 2 + more)
}

/// Lotus Notes: the sender, date and time on lines of their own, then "To", with or without a colon.
fn notes_heading(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let dated = &lines.get(at + 1)?.key;
    let is_date = attribution::has_clock(dated) && attribution::has_date(dated) && dated.split(' ').count() <= 4;
    if !is_date || !lines.get(at)?.key.contains('@') {
        return None;
    }
    let labels = |index: &usize| {
        let line = lines.get(*index).map_or("", |line| line.key.as_str());
        field(line).or_else(|| field_name(line))
    };
    let next = next_written(lines, at + 2);
    let end = next + BLOCK_LINES_MAX.min(lines.len().saturating_sub(next));
    let subject = (next..end).find(|index| labels(index) == Some(FieldName::Subject))?;
    (labels(&next) == Some(FieldName::To)).then_some(subject + 1)
}

fn next_written(lines: &[Line<'_>], from: usize) -> usize {
    (from..lines.len().min(from + 4))
        .find(|index| lines.get(*index).is_some_and(|line| !line.is_blank()))
        .unwrap_or(from)
}

/// "-----Original Message-----" and its kin.
fn title(key: &str) -> Option<Heading> {
    if key.len() > TITLE_BYTES_MAX && !key.starts_with("--") {
        return None;
    }
    if ABOVE_THIS_LINE.iter().any(|phrase| key.contains(phrase)) {
        return Some(Heading::Original);
    }
    let inner = key.trim_start_matches(['-', '_', '=', ' ', '–', '—', '>']);
    let strokes = key.chars().count() - inner.chars().count();
    let title = inner.split_once("--").map_or(inner, |(title, _)| title).trim();
    let drawn = strokes >= 2 && inner.contains("--") || strokes == 0 && key.ends_with(':') || strokes >= 5;
    let title = title.trim_end_matches([':', ' ', '-', '_', '=']);
    if !drawn || title.is_empty() || title.split(' ').count() > TITLE_WORDS_MAX {
        return None;
    }
    let forward = FORWARD_WORDS.iter().any(|word| title.contains(word));
    let message = MESSAGE_WORDS.iter().any(|word| title.contains(word));
    match (forward, message) {
        (true, true) => Some(Heading::Forward),
        (false, true) if strokes >= 2 && is_plain_title(title) => Some(Heading::Original),
        _ => None,
    }
}

/// "Original Message", not "message 2 from my boss", which people write over what they paste.
fn is_plain_title(title: &str) -> bool {
    title.split(' ').count() <= ORIGINAL_WORDS_MAX && !title.chars().any(char::is_numeric)
}

/// What stands above a block of fields decides how much the block itself must prove.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evidence {
    Heading,
    Fields,
}

/// The end of the block of header fields that starts at `start`.
fn field_block(lines: &[Line<'_>], start: usize, evidence: Evidence) -> Option<usize> {
    let first = lines.get(start)?;
    let (mut found, first_name) = (Found::default(), field(&first.key)?);
    if first_name == FieldName::Other {
        return None;
    }
    let mut end = start;
    let mut wrapped = 0;
    for (index, line) in lines.iter().enumerate().skip(start).take(BLOCK_LINES_MAX) {
        if line.key.is_empty() {
            let next = lines.get(index + 1).and_then(|next| field(&next.key));
            if next.is_none() {
                break;
            }
            continue;
        }
        match field(&line.key) {
            Some(name) => {
                found.add(name, &line.key);
                (end, wrapped) = (index + 1, 0);
            }
            None if wrapped < WRAPPED_LINES_MAX => {
                wrapped += 1;
                found.address |= line.key.contains('@');
            }
            None => break,
        }
    }
    // A field's last value may run on to the next lines.
    while end > start && lines.get(end).is_some_and(|line| !line.key.is_empty()) && evidence == Evidence::Heading {
        end += 1;
    }
    let proved = match evidence {
        Evidence::Heading => found.names >= 1,
        Evidence::Fields => found.proves(first_name),
    };
    proved.then_some(end)
}

#[derive(Default)]
struct Found {
    from: bool,
    sent: bool,
    date: bool,
    to: bool,
    subject: bool,
    address: bool,
    names: usize,
}

impl Found {
    fn add(&mut self, name: FieldName, key: &str) {
        self.names += 1;
        self.address |= key.contains('@');
        match name {
            FieldName::From => self.from = true,
            FieldName::Sent => self.sent = true,
            FieldName::Date => self.date = true,
            FieldName::To => self.to = true,
            FieldName::Subject => self.subject = true,
            FieldName::Other => {}
        }
    }

    fn proves(&self, first: FieldName) -> bool {
        let mail = self.sent || self.subject || self.address;
        let dated_first = first == FieldName::Date && self.to && self.address;
        mail && (self.from && (self.sent || self.subject || self.date))
            || dated_first
            || self.to && self.subject && self.sent
    }
}

/// The header field a line starts with, if any.
fn field(key: &str) -> Option<FieldName> {
    let key = key.trim_start_matches(['>', '|', ' ', '_']);
    let end = key.char_indices().take(LABEL_CHARS_MAX).find(|(_, character)| matches!(character, ':' | '：'))?.0;
    field_name(key[..end].trim_matches([' ', '_', '"']))
}

fn field_name(label: &str) -> Option<FieldName> {
    static NAMES: LazyLock<HashMap<&'static str, FieldName>> = LazyLock::new(|| {
        FIELD_NAMES.iter().flat_map(|(name, labels)| labels.iter().map(|label| (*label, *name))).collect()
    });
    NAMES.get(label).copied()
}

/// A client that lost the line breaks: "From: Ann Date: Thu, 24 Mar 2016 …".
fn fields_on_one_line(key: &str) -> bool {
    if field(key).is_none_or(|name| name == FieldName::Other) {
        return false;
    }
    let mut found = Found::default();
    for part in key.split_inclusive([':', '：']).take(BLOCK_LINES_MAX) {
        let label = part.trim_end_matches([':', '：', ' ']).rsplit(' ').next().unwrap_or_default();
        let label = label.trim_start_matches(|character: char| character.is_numeric() || character == '"');
        if let Some(name) = field_name(label) {
            found.add(name, "");
        }
    }
    let named = usize::from(found.from)
        + usize::from(found.subject)
        + usize::from(found.sent || found.date)
        + usize::from(found.to);
    key.contains('@') && named >= 2 && found.from
}

const TITLE_BYTES_MAX: usize = 160;
const TITLE_WORDS_MAX: usize = 6;
const ORIGINAL_WORDS_MAX: usize = 3;
const LABEL_CHARS_MAX: usize = 26;
const BLOCK_LINES_MAX: usize = 24;
const WRAPPED_LINES_MAX: usize = 2;
