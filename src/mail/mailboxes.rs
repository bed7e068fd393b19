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
    let mut reader = Reader { found, phrase: String::new(), comment: String::new(), angle: None };
    let mut state = State::Phrase;
    let mut escaped = false;
    for c in value.chars() {
        if reader.found.len() >= MAILBOXES_MAX {
            return;
        }
        if std::mem::take(&mut escaped) {
            reader.push(&state, c);
            continue;
        }
        if c == '\\' && !matches!(state, State::Phrase) {
            escaped = true;
            if matches!(state, State::Quoted | State::QuotedInAngle) {
                continue;
            }
        }
        state = reader.step(state, c);
    }
    reader.finish();
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
    phrase: String,
    comment: String,
    angle: Option<String>,
}

impl Reader<'_> {
    fn step(&mut self, state: State, c: char) -> State {
        match (state, c) {
            (State::Phrase, '"') => State::Quoted,
            (State::Quoted, '"') => State::Phrase,
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
            (State::Angle, '"') => State::QuotedInAngle,
            (State::QuotedInAngle, '"') => State::Angle,
            (State::Phrase, ',' | ';') => {
                self.finish();
                State::Phrase
            }
            (State::Phrase, ':') if self.angle.is_none() && !self.phrase.contains('@') => {
                // RFC 5322 §3.4: the group's name is not shown.
                self.phrase.clear();
                self.comment.clear();
                State::Phrase
            }
            (state, c) => {
                self.push(&state, c);
                state
            }
        }
    }

    fn push(&mut self, state: &State, c: char) {
        match state {
            State::Phrase | State::Quoted if self.angle.is_none() => self.phrase.push(c),
            State::Phrase | State::Quoted => {}
            State::Angle | State::QuotedInAngle => self.angle.get_or_insert_default().push(c),
            State::Comment(_) => self.comment.push(c),
        }
    }

    fn finish(&mut self) {
        let phrase = std::mem::take(&mut self.phrase);
        let comment = std::mem::take(&mut self.comment);
        let mailbox = match self.angle.take() {
            Some(angle) => Mailbox { name: shown(&phrase).or_else(|| shown(&comment)), email: without_route(&angle) },
            None => Mailbox { name: shown(&comment), email: phrase.trim().to_owned() },
        };
        if !mailbox.email.is_empty() {
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
