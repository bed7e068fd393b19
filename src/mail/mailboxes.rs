//! Address lists of headers (RFC 5322 §3.4) as people and attackers write them: linear, bounded, groups flattened.
//!
//! Read from the undecoded value: an encoded word may be a name, it is never an address or a comma.

use super::address::Address;
use super::encoded_word;
use serde::Serialize;

/// A mailbox of a header: what is shown and what is mailed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mailbox {
    pub name: Option<String>,
    /// As written, without brackets; may be no valid address.
    pub email: String,
}

impl Mailbox {
    /// The checked address, if it is one.
    pub fn address(&self) -> Option<Address> {
        Address::parse(&self.email).ok()
    }
}

/// Mailboxes of all fields of one name together.
pub const MAILBOXES_MAX: usize = 1000;

/// Adds the mailboxes of one field value to `found`.
pub fn parse(value: &str, found: &mut Vec<Mailbox>) {
    let mut reader = Reader::new(found);
    if let Some(unclosed) = reader.read(value, Quotes::Count) {
        // `"Name <a@b>`: a quote that never closes is a slip of the sender, and the address is behind it.
        reader.read(value.get(unclosed + 1..).unwrap_or_default(), Quotes::Ignore);
    }
    reader.finish();
}

/// Whether `"` begins a quoted string.
#[derive(Clone, Copy, PartialEq)]
enum Quotes {
    Count,
    Ignore,
}

#[derive(Clone, Copy)]
enum State {
    Phrase,
    Quoted,
    Angle,
    QuotedInAngle,
    /// Depth: comments nest (RFC 5322 §3.2.2), so count instead of recursing.
    Comment(usize),
}

struct Reader<'a> {
    found: &'a mut Vec<Mailbox>,
    /// The words before an address, unquoted: a name.
    phrase: String,
    /// The same as written: an address without brackets, whose local part may need its quotes.
    written: String,
    comment: String,
    angle: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(found: &'a mut Vec<Mailbox>) -> Reader<'a> {
        Reader { found, phrase: String::new(), written: String::new(), comment: String::new(), angle: None }
    }

    /// Reads up to the end; answers where a quote opened that never closes, with everything behind it unread.
    fn read(&mut self, value: &str, quotes: Quotes) -> Option<usize> {
        let (mut state, mut escaped) = (State::Phrase, false);
        let mut opened = (0, 0, 0);
        for (at, c) in value.char_indices().filter(|(_, c)| quotes == Quotes::Count || *c != '"') {
            if self.found.len() >= MAILBOXES_MAX {
                return None;
            }
            if std::mem::take(&mut escaped) {
                self.push(state, c);
                continue;
            }
            if c == '\\' && !matches!(state, State::Phrase) {
                escaped = true;
                self.escape(state);
                continue;
            }
            if c == '"' && matches!(state, State::Phrase) {
                opened = (at, self.phrase.len(), self.written.len());
            }
            state = self.step(state, c);
        }
        let (at, phrase, written) = opened;
        matches!(state, State::Quoted).then(|| {
            self.phrase.truncate(phrase);
            self.written.truncate(written);
            at
        })
    }

    fn step(&mut self, state: State, c: char) -> State {
        match (state, c) {
            (State::Phrase, '"') => self.quote(State::Quoted),
            (State::Quoted, '"') => self.quote(State::Phrase),
            (State::Phrase, '(') => State::Comment(1),
            (State::Comment(depth), '(') => State::Comment(depth + 1),
            (State::Comment(1), ')') => State::Phrase,
            (State::Comment(depth), ')') => State::Comment(depth - 1),
            (State::Phrase, '<') => {
                // A second pair of brackets is a second mailbox: which of the two is shown must not be a choice.
                if self.angle.is_some() {
                    self.finish();
                }
                self.angle = Some(String::new());
                State::Angle
            }
            (State::Angle, '>') => State::Phrase,
            (State::Angle, '"') => self.quote(State::QuotedInAngle),
            (State::QuotedInAngle, '"') => self.quote(State::Angle),
            (State::Phrase, ',' | ';') => {
                self.finish();
                State::Phrase
            }
            (State::Phrase, ':') if self.angle.is_none() && !self.phrase.contains('@') => {
                // RFC 5322 §3.4: the group's name is not shown.
                self.phrase.clear();
                self.written.clear();
                self.comment.clear();
                State::Phrase
            }
            (state, c) => {
                self.push(state, c);
                state
            }
        }
    }

    /// A backslash belongs to an address, like the quotes it needs, and not to a name.
    fn escape(&mut self, state: State) {
        match state {
            State::Angle | State::QuotedInAngle => self.angle.get_or_insert_default().push('\\'),
            State::Phrase | State::Quoted if self.angle.is_none() => self.written.push('\\'),
            State::Phrase | State::Quoted | State::Comment(_) => {}
        }
    }

    /// Quotes belong to an address and not to a name.
    fn quote(&mut self, next: State) -> State {
        match &mut self.angle {
            Some(angle) if matches!(next, State::Angle | State::QuotedInAngle) => angle.push('"'),
            Some(_) => {}
            None => self.written.push('"'),
        }
        next
    }

    fn push(&mut self, state: State, c: char) {
        match state {
            State::Phrase | State::Quoted if self.angle.is_none() => {
                self.phrase.push(c);
                self.written.push(c);
            }
            State::Phrase | State::Quoted => {}
            State::Angle | State::QuotedInAngle => self.angle.get_or_insert_default().push(c),
            State::Comment(_) => self.comment.push(c),
        }
    }

    fn finish(&mut self) {
        let phrase = std::mem::take(&mut self.phrase);
        let written = std::mem::take(&mut self.written);
        let comment = std::mem::take(&mut self.comment);
        let mailbox = match self.angle.take() {
            Some(angle) => Mailbox { name: shown(&phrase).or_else(|| shown(&comment)), email: without_route(&angle) },
            None => Mailbox { name: shown(&comment), email: written.trim().to_owned() },
        };
        if !mailbox.email.is_empty() && self.found.len() < MAILBOXES_MAX {
            self.found.push(mailbox);
        }
    }
}

/// RFC 5322 §4.4: `<@hop1,@hop2:user@domain>` names the last; the route is obsolete and ignored.
fn without_route(angle: &str) -> String {
    let angle = angle.trim();
    let routed = angle.starts_with('@').then(|| angle.split_once(':')).flatten();
    routed.map_or(angle, |(_, mailbox)| mailbox.trim()).to_owned()
}

fn shown(text: &str) -> Option<String> {
    let words: Vec<String> = encoded_word::decode(text).split_whitespace().map(str::to_owned).collect();
    Some(words.join(" ")).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &[(&str, &str)]) {
        let mut found = Vec::new();
        parse(value, &mut found);
        let found: Vec<(&str, &str)> =
            found.iter().map(|m| (m.name.as_deref().unwrap_or(""), m.email.as_str())).collect();
        assert_eq!(found, expected, "{value:?}");
    }

    #[test]
    fn the_usual_forms() {
        check("a@b", &[("", "a@b")]);
        check("A B <a@b>, \"C, D\" <c@d>", &[("A B", "a@b"), ("C, D", "c@d")]);
        check("a@b (Ann)", &[("Ann", "a@b")]);
        check("=?utf-8?q?J=C3=B6rg?= <j@b>", &[("Jörg", "j@b")]);
        check("\"a \\\"b\\\"\" <a@b>", &[("a \"b\"", "a@b")]);
        check("Team: a@b, C <c@d>;, e@f", &[("", "a@b"), ("C", "c@d"), ("", "e@f")]);
        check("undisclosed-recipients:;", &[]);
        check("<@hop,@hop2:a@b>", &[("", "a@b")]);
        check("\"a b\"@c", &[("", "\"a b\"@c")]);
        check("<\"a \\\"b\"@c>", &[("", "\"a \\\"b\"@c")]);
        check("\"A <a@b>", &[("A", "a@b")]);
        check("a@b, \"C <c@d>, e@f", &[("", "a@b"), ("C", "c@d"), ("", "e@f")]);
        check("", &[]);
    }

    #[test]
    fn tricks_do_not_choose_the_author() {
        check("admin@legit.example(<x@evil.example>)", &[("<x@evil.example>", "admin@legit.example")]);
        check("admin@legit.example(<x@evil.example", &[("<x@evil.example", "admin@legit.example")]);
        check("<x@evil.example>, <admin@legit.example>", &[("", "x@evil.example"), ("", "admin@legit.example")]);
        check("<x@evil.example> <admin@legit.example>", &[("", "x@evil.example"), ("", "admin@legit.example")]);
        check("\"admin@legit.example\" <x@evil.example>", &[("admin@legit.example", "x@evil.example")]);
        check(
            "=?utf-8?q?admin@legit.example=3Ca@b=3E=2C?= <x@evil.example>",
            &[("admin@legit.example<a@b>,", "x@evil.example")],
        );
        check("\"admin@legit.example\"@evil.example", &[("", "\"admin@legit.example\"@evil.example")]);
        check("=?utf-8?q?a@b?=", &[("", "=?utf-8?q?a@b?=")]);
    }

    #[test]
    fn floods_are_linear_and_capped() {
        let mut found = Vec::new();
        parse(&"a@b,".repeat(1_000_000), &mut found);
        assert_eq!(found.len(), MAILBOXES_MAX);
        let mut found = Vec::new();
        parse(&format!("{}a@b", "(".repeat(100_000)), &mut found);
        assert_eq!(found.len(), 0);
        parse(&format!("{}x{} a@b", "(".repeat(100_000), ")".repeat(100_000)), &mut found);
        assert_eq!(found.len(), 1);
        parse(&"\"".repeat(100_001), &mut found);
        parse(&"<".repeat(100_001), &mut found);
    }
}
