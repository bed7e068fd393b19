//! Reads an HTML body into lines that know how deep in quotations and in which client container they stand.
//!
//! A light stack of open elements instead of a tree: html5ever's tree builder is quadratic on nesting. What a container
//! means is decided by the caller (`quoted::html`); nothing here sanitises.

use super::html_token::{Tag, Token, Tokens};
use std::collections::HashMap;

/// What an element says about the text in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    #[default]
    Plain,
    /// A blockquote; one that a client made to quote a mail, if `cited`.
    Quotation {
        cited: bool,
    },
    /// A client's container of earlier mail.
    History,
    /// The first line of earlier mail that goes on to the end of the mail.
    HistoryToEnd,
    Signature,
}

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlLine {
    pub text: String,
    /// Enclosing quotations.
    pub depth: usize,
    /// Whether the innermost quotation was made by a client.
    pub cited: bool,
    /// Never `Quotation`.
    pub role: Role,
}

/// The lines of a body. `role` is asked once per element.
pub fn lines_of(html: &str, role: fn(&Tag<'_>) -> Role) -> Vec<HtmlLine> {
    let mut walk = Walk::new(role);
    for token in Tokens::new(html) {
        match token {
            Token::Start(tag) => walk.start(&tag),
            Token::End(name) => walk.end(&name),
            Token::Text(text) => walk.text(&text),
        }
    }
    walk.end_line();
    walk.lines
}

struct Open {
    name: &'static str,
    depth: usize,
    cited: bool,
    role: Role,
    /// Items counted so far in an ordered list.
    items: Option<u32>,
    /// One if white space in it is shown as it stands.
    preformatted: usize,
}

struct Walk {
    role: fn(&Tag<'_>) -> Role,
    lines: Vec<HtmlLine>,
    line: String,
    open: Vec<Open>,
    open_of: HashMap<&'static str, usize>,
    /// Elements opened beyond `OPEN_ELEMENTS_MAX`.
    excess: usize,
    preformatted: usize,
    /// The next written line is the first of earlier mail.
    opens_history: bool,
    link: Option<(String, usize)>,
    /// Tells `text` to start with a space if anything follows on the line.
    space: bool,
}

impl Walk {
    fn new(role: fn(&Tag<'_>) -> Role) -> Self {
        Walk {
            role,
            lines: Vec::new(),
            line: String::new(),
            open: Vec::new(),
            open_of: HashMap::new(),
            excess: 0,
            preformatted: 0,
            opens_history: false,
            link: None,
            space: false,
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let name = tag.name.as_ref();
        self.break_for(name, tag);
        match name {
            "br" => self.force_line(),
            "li" => self.list_mark(),
            "img" => self.image(tag.attribute("alt")),
            "a" => self.link = Some((tag.attribute("href").to_owned(), self.line.len())),
            // A sender who forgot to escape `<name@host>` meant it to be read.
            _ if name.contains('@') => self.text(&format!("<{name}>")),
            _ => {}
        }
        let role = (self.role)(tag);
        if role == Role::HistoryToEnd {
            self.end_line();
            self.opens_history = true;
        }
        if let Some(name) = STACKED.iter().find(|stacked| **stacked == name) {
            self.push(name, role, preformatted(tag));
        }
    }

    fn push(&mut self, name: &'static str, role: Role, preformatted: usize) {
        if self.open.len() >= OPEN_ELEMENTS_MAX {
            self.excess += 1;
            return;
        }
        let (depth, cited, outer) =
            self.open.last().map_or((0, false, Role::Plain), |open| (open.depth, open.cited, open.role));
        let mut open = Open { name, depth, cited, role: outer, items: (name == "ol").then_some(0), preformatted };
        match role {
            Role::Plain | Role::HistoryToEnd => {}
            Role::Quotation { cited } => {
                self.end_line();
                (open.depth, open.cited) = (depth + 1, cited);
            }
            Role::History | Role::Signature => {
                self.end_line();
                // A signature within history is history.
                open.role = if outer == Role::History { outer } else { role };
            }
        }
        *self.open_of.entry(name).or_default() += 1;
        self.preformatted += preformatted;
        self.open.push(open);
    }

    fn end(&mut self, name: &str) {
        if name == "a" {
            self.end_link();
        }
        if BLOCKS.contains(&name) {
            self.end_line();
        }
        if matches!(name, "td" | "th") {
            self.space = true;
        }
        if name == "p" || name.starts_with('h') && name.len() == 2 && name != "hr" {
            self.blank_line();
        }
        if self.open_of.get(name).is_none_or(|count| *count == 0) {
            return;
        }
        if self.excess > 0 {
            self.excess -= 1;
            return;
        }
        // Inline elements close only what they opened last: a stray end tag must not close the blocks around it.
        if name == "span" && self.open.last().is_none_or(|open| open.name != "span") {
            return;
        }
        while let Some(closed) = self.open.pop() {
            if let Some(count) = self.open_of.get_mut(closed.name) {
                *count = count.saturating_sub(1);
            }
            self.preformatted -= closed.preformatted;
            let role = self.open.last().map_or(Role::Plain, |open| open.role);
            if closed.role != role {
                self.end_line_as(closed.depth, closed.cited, closed.role);
            }
            if closed.name == name {
                break;
            }
        }
    }

    fn text(&mut self, text: &str) {
        if self.preformatted > 0 {
            for (index, part) in text.split('\n').enumerate() {
                if index > 0 {
                    self.force_line();
                }
                self.line.push_str(part.trim_end_matches('\r'));
            }
            return;
        }
        for character in text.chars() {
            match character {
                ' ' | '\t' | '\n' | '\r' | '\x0c' => self.space = true,
                '\u{feff}' => {}
                _ => {
                    if self.space && !self.line.is_empty() {
                        self.line.push(' ');
                    }
                    self.space = false;
                    self.line.push(if character == '\u{a0}' { ' ' } else { character });
                }
            }
        }
    }

    fn break_for(&mut self, name: &str, tag: &Tag<'_>) {
        if BLOCKS.contains(&name) {
            self.end_line();
        }
        if name == "hr" {
            self.blank_line();
        }
        if name == "p" && tag.attribute("class") != "MsoNormal" {
            self.blank_line();
        }
    }

    fn list_mark(&mut self) {
        let mark = match self.open.last_mut().and_then(|open| open.items.as_mut()) {
            Some(items) => {
                *items += 1;
                format!("{items}. ")
            }
            None => "- ".to_owned(),
        };
        self.line.push_str(&mark);
    }

    /// Pictures of one character are emoji and words of the writer; other pictures are attachments or decoration.
    fn image(&mut self, alternative: &str) {
        if !alternative.is_ascii() && alternative.chars().count() <= 4 {
            self.text(alternative);
        }
    }

    /// Clients' own text parts write a link's target behind it; so do we where the text does not show it.
    fn end_link(&mut self) {
        let Some((target, from)) = self.link.take() else { return };
        let Some(shown) = self.line.get(from..).map(str::trim) else { return };
        let is_web = target.starts_with("http://") || target.starts_with("https://");
        if is_web && target.len() <= LINK_TARGET_MAX && !shown.is_empty() && !shown.contains('.') {
            self.text(&format!(" <{target}>"));
        }
    }

    fn end_line(&mut self) {
        let (depth, cited, role) =
            self.open.last().map_or((0, false, Role::Plain), |open| (open.depth, open.cited, open.role));
        self.end_line_as(depth, cited, role);
    }

    fn end_line_as(&mut self, depth: usize, cited: bool, role: Role) {
        if !self.line.trim().is_empty() {
            self.push_line(depth, cited, role);
        }
        self.space = false;
    }

    /// `<br>` ends a line even where nothing stands on it.
    fn force_line(&mut self) {
        let (depth, cited, role) =
            self.open.last().map_or((0, false, Role::Plain), |open| (open.depth, open.cited, open.role));
        self.push_line(depth, cited, role);
        self.space = false;
    }

    fn push_line(&mut self, depth: usize, cited: bool, role: Role) {
        let text = std::mem::take(&mut self.line);
        let text = if self.preformatted > 0 { text.trim_end() } else { text.trim() };
        let opens = !text.is_empty() && std::mem::take(&mut self.opens_history);
        let role = if opens && role != Role::History { Role::HistoryToEnd } else { role };
        self.lines.push(HtmlLine { text: text.to_owned(), depth, cited, role });
        if let Some((_, from)) = &mut self.link {
            *from = 0;
        }
    }

    fn blank_line(&mut self) {
        self.end_line();
        if self.lines.last().is_some_and(|line| !line.text.is_empty()) {
            self.force_line();
        }
    }
}

/// Some phones write plain text into a block whose style keeps its line breaks.
fn preformatted(tag: &Tag<'_>) -> usize {
    let style = tag.attribute("style");
    usize::from(tag.name == "pre" || style.contains("white-space:pre") || style.contains("white-space: pre"))
}

/// Deeper nesting is counted, not kept: no client makes it, and memory stays bounded.
const OPEN_ELEMENTS_MAX: usize = 10_000;

/// Tracking links run to kilobytes and say nothing to a reader.
const LINK_TARGET_MAX: usize = 200;

/// The elements whose end matters; paragraphs, items and cells may be left open, so they are not waited for.
const STACKED: [&str; 11] =
    ["div", "blockquote", "span", "table", "pre", "ul", "ol", "section", "article", "center", "includetail"];

const BLOCKS: [&str; 34] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "includetail",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tbody",
    "tr",
    "ul",
];
