//! A body as lines that carry what the rules ask about: quote depth, the client container they stand in, and a key to
//! match by. Decides nothing.

use super::super::html_lines::{HtmlLine, Role};
use std::borrow::Cow;

/// One line of a body.
#[derive(Debug)]
pub struct Line<'a> {
    pub text: Cow<'a, str>,
    /// Lower case, without quote marks, emphasis and invisible characters, white space squeezed; cut at `KEY_CHARS_MAX`.
    pub key: String,
    /// `>` marks before it, or quotations around it.
    pub depth: usize,
    pub role: Role,
    /// Written by us, as far as the conversation knows.
    pub known: bool,
}

impl Line<'_> {
    pub fn is_blank(&self) -> bool {
        self.depth == 0 && self.key.is_empty()
    }

    /// Stands in a quotation, by marks or by its words.
    pub fn is_quoted(&self) -> bool {
        self.depth > 0 || self.known
    }

    /// Only strokes: a line drawn between what is written and something else.
    pub fn is_rule(&self) -> bool {
        self.key.chars().count() >= 2 && self.key.chars().all(|character| STROKES.contains(character))
    }
}

/// The lines of a text/plain part. An attribution that shares its line with words gets a line of its own.
pub fn of_text(text: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for line in text.splitn(LINES_MAX, '\n') {
        let line = line.trim_end_matches('\r');
        match super::attribution::shared_line(line) {
            Some(at) => {
                let (words, attribution) = line.split_at(at);
                lines.extend([text_line(words), text_line(attribution)]);
            }
            None => lines.push(text_line(line)),
        }
    }
    lines
}

fn text_line(text: &str) -> Line<'_> {
    let (depth, rest) = quote_marks(text);
    Line { text: Cow::Borrowed(text), key: key_of(rest), depth, role: Role::Plain, known: false }
}

/// The lines of an HTML part.
pub fn of_html(lines: Vec<HtmlLine>) -> Vec<Line<'static>> {
    let line = |line: HtmlLine| {
        let key = key_of(&line.text);
        // A client's quotation shown among answers needs its mark; one the writer made is the writer's own layout.
        let mark = if line.depth > 0 && line.cited { "> " } else { "" };
        let text = format!("{mark}{}", line.text);
        Line { text: Cow::Owned(text), key, depth: line.depth, role: line.role, known: false }
    };
    let mut lines = lines.into_iter();
    let mut all: Vec<Line<'static>> = lines.by_ref().take(LINES_MAX - 1).map(line).collect();
    let rest: Vec<String> = lines.map(|line| line.text).collect();
    if !rest.is_empty() {
        let text = rest.join("\n");
        all.push(Line { key: key_of(&text), text: Cow::Owned(text), depth: 0, role: Role::Plain, known: false });
    }
    all
}

/// Leading `>` marks, with up to a space before each, and what follows them.
fn quote_marks(text: &str) -> (usize, &str) {
    let mut depth = 0;
    let mut rest = text;
    while let Some(after) = rest.trim_start_matches([' ', '\t', '\u{a0}']).strip_prefix('>') {
        depth += 1;
        rest = after;
    }
    (depth, rest)
}

/// What rules compare: see `Line::key`.
pub fn key_of(text: &str) -> String {
    let mut key = String::with_capacity(text.len().min(KEY_CHARS_MAX));
    let shown = text.chars().filter(|character| !is_invisible(*character) && *character != '*');
    let mut space = false;
    for character in shown.take(KEY_CHARS_MAX) {
        if character.is_whitespace() {
            space = true;
            continue;
        }
        if space && !key.is_empty() {
            key.push(' ');
        }
        space = false;
        // Through the tables of Unicode, keys were a quarter of all reading of a mail.
        if character.is_ascii() {
            key.push(character.to_ascii_lowercase());
            continue;
        }
        // A Turkish capital İ becomes i and a combining dot, which no table spells out.
        key.extend(character.to_lowercase().filter(|lower| *lower != '\u{307}'));
    }
    if key.is_empty() && text.contains("**") { text.trim().to_owned() } else { key }
}

/// Marks of direction and width that clients sprinkle into dates and names.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

/// A person writes fewer lines than this; what comes after them counts as one line.
const LINES_MAX: usize = 50_000;

/// Longer than any attribution, and bounds the cost of a line.
const KEY_CHARS_MAX: usize = 500;

const STROKES: &str = "-_=*~#.+– —ᐧ";
