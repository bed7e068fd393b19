//! The one address in From, read strictly: where two readers could see two addresses, there is no author.

use super::fields::RawMail;
use crate::mail::address::Address;
use crate::mail::defects::Defects;
use crate::mail::headers::Field;
use crate::mail::mailboxes;

/// Who the mail says wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Author {
    One(Address),
    /// No From field, or no address in it.
    Missing,
    /// Several fields, several addresses, or a group.
    Several,
    /// What stands there can be read in more than one way.
    Unclear,
}

impl Author {
    pub fn of(mail: &RawMail<'_>) -> Author {
        let mut fields = mail.all("from");
        match (fields.next(), fields.next()) {
            (None, _) => Author::Missing,
            (Some(_), Some(_)) => Author::Several,
            (Some(field), None) if field.value.iter().any(|octet| is_control(*octet)) => Author::Unclear,
            (Some(field), None) => {
                let field = Field::read(field.name, field.value, &mut Defects::default());
                Author::read(field.structured()).if_shown(field.structured())
            }
        }
    }

    pub fn domain(&self) -> &str {
        match self {
            Author::One(address) => address.domain(),
            Author::Missing | Author::Several | Author::Unclear => "",
        }
    }

    /// The reader of headers is lenient and shows something for any field; an author it shows otherwise is none.
    fn if_shown(self, value: &str) -> Author {
        let mut shown = Vec::new();
        mailboxes::parse(value, &mut shown);
        match (&self, shown.as_slice()) {
            (Author::One(address), [mailbox]) if mailbox.address().as_ref() == Some(address) => self,
            (Author::One(_), _) => Author::Unclear,
            _ => self,
        }
    }

    /// RFC 5322 §3.4 mailbox: `addr-spec`, or a phrase and `<addr-spec>`. Comments may stand behind, nothing else.
    fn read(value: &str) -> Author {
        let Some(tokens) = tokens(value) else { return Author::Unclear };
        let open = tokens.iter().filter(|token| **token == Token::Special('<')).count();
        if tokens.iter().any(|token| matches!(token, Token::Special(',' | ';' | ':'))) {
            return if open == 1 && !has_address_outside(&tokens) { Author::Unclear } else { Author::Several };
        }
        match open {
            0 => bare(&tokens),
            1 => bracketed(&tokens),
            _ => Author::Several,
        }
    }
}

/// Nothing honest writes them, and readers differ on what they end.
fn is_control(octet: u8) -> bool {
    octet.is_ascii_control() && !matches!(octet, b'\t' | b'\r' | b'\n')
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Characters without white space or specials, `@` and dots included.
    Word(String),
    /// A quoted string, with its quotes as written.
    Quoted(String),
    Special(char),
    Space,
    Comment,
}

/// `None`: a quote or comment does not end.
fn tokens(value: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = value.trim();
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' => quoted_length(rest)?,
            '(' => comment_length(rest)?,
            '<' | '>' | ',' | ';' | ':' | ')' | '[' | ']' | '\\' => 1,
            c if c.is_whitespace() => rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len()),
            _ => rest.find(|c: char| c.is_whitespace() || "\"(<>,;:)\\".contains(c)).unwrap_or(rest.len()),
        };
        let (text, tail) = rest.split_at_checked(length)?;
        tokens.push(match c {
            '"' => Token::Quoted(text.to_owned()),
            '(' => Token::Comment,
            '<' | '>' | ',' | ';' | ':' | ')' | '[' | ']' | '\\' => Token::Special(c),
            c if c.is_whitespace() => Token::Space,
            _ => Token::Word(text.to_owned()),
        });
        rest = tail;
    }
    Some(tokens)
}

fn quoted_length(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn comment_length(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bare(tokens: &[Token]) -> Author {
    let mut parts = tokens.iter().filter(|token| !matches!(token, Token::Space | Token::Comment));
    let inner_space = tokens
        .iter()
        .rposition(|token| matches!(token, Token::Word(_) | Token::Quoted(_)))
        .is_some_and(|last| tokens.iter().take(last).any(|token| matches!(token, Token::Space | Token::Comment)));
    if parts.clone().next().is_none() {
        return Author::Missing;
    }
    let mut text = String::new();
    let plain = parts.all(|token| push_plain(&mut text, token));
    if plain && !inner_space { address(&text) } else { Author::Unclear }
}

fn bracketed(tokens: &[Token]) -> Author {
    let Some(open) = tokens.iter().position(|token| *token == Token::Special('<')) else { return Author::Unclear };
    let (phrase, rest) = tokens.split_at(open);
    let Some(close) = rest.iter().position(|token| *token == Token::Special('>')) else { return Author::Unclear };
    let (inner, behind) = rest.split_at(close);
    // An address in the phrase is a name that looks like an address: shown by some, so it must be quoted.
    let phrase_fine = phrase.iter().all(|token| !matches!(token, Token::Special(_)));
    let behind_fine = behind.iter().skip(1).all(|token| matches!(token, Token::Space | Token::Comment));
    let mut text = String::new();
    let inner = inner.iter().skip(1).filter(|token| **token != Token::Space).collect::<Vec<_>>();
    if inner.is_empty() {
        return Author::Missing;
    }
    let plain = inner.into_iter().all(|token| push_plain(&mut text, token));
    if plain && phrase_fine && behind_fine { address(&text) } else { Author::Unclear }
}

fn push_plain(text: &mut String, token: &Token) -> bool {
    match token {
        Token::Word(word) | Token::Quoted(word) => {
            text.push_str(word);
            true
        }
        Token::Special(bracket @ ('[' | ']')) => {
            text.push(*bracket);
            true
        }
        Token::Special(':') => {
            text.push(':');
            true
        }
        Token::Special(_) | Token::Space | Token::Comment => false,
    }
}

fn address(text: &str) -> Author {
    // One `@` outside quotes: `a@b@c` has two readings.
    let at_signs = text.rsplit('"').next().unwrap_or(text).matches('@').count();
    match Address::parse(text) {
        Ok(address) if at_signs == 1 => Author::One(address),
        _ => Author::Unclear,
    }
}

fn has_address_outside(tokens: &[Token]) -> bool {
    let open = tokens.iter().position(|token| *token == Token::Special('<')).unwrap_or(0);
    let close = tokens.iter().position(|token| *token == Token::Special('>')).unwrap_or(tokens.len());
    tokens
        .iter()
        .enumerate()
        .any(|(at, token)| !(open..=close).contains(&at) && matches!(token, Token::Word(word) if word.contains('@')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &str) {
        let raw = format!("From: {value}\r\n\r\n");
        let said = match Author::of(&RawMail::split(raw.as_bytes())) {
            Author::One(address) => address.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(said, expected, "{value:?}");
    }

    #[test]
    fn one_address_in_its_usual_forms() {
        for value in [
            "a@b.example",
            " <a@b.example>\r\n",
            "Ann <a@b.example>",
            "\"Ann, B\" <a@b.example>",
            "Ann B. C <a@b.example>",
            "=?utf-8?q?Ann?= <a@b.example>",
            "a@b.example (Ann)",
            "Ann\r\n <a@B.Example>",
            "Ann <a@b.example> (work)",
            "\"x@evil.example\" <a@b.example>",
            "Ann\u{fffd} <a@b.example>",
            "Ann<a@b.example>",
            "x@c.example <a@b.example>",
        ] {
            check(value, "a@b.example");
        }
        check("\"a b\"@c.example", "\"a b\"@c.example");
        check("Bücher <a@bücher.example>", "a@xn--bcher-kva.example");
    }

    #[test]
    fn what_has_two_readings_has_no_author() {
        for (value, expected) in [
            ("", "Missing"),
            ("<>", "Missing"),
            ("(nobody)", "Missing"),
            ("a@b.example, c@d.example", "Several"),
            ("<a@b.example>, c@d.example", "Several"),
            ("Group: a@b.example;", "Several"),
            ("<a@evil.example><c@d.example>", "Several"),
            ("a@b.example\0", "Unclear"),
            ("Ann", "Unclear"),
            ("a@b.example c@d.example", "Unclear"),
            ("admin@legit.example(<x@evil.example>", "Unclear"),
            ("<@evil.example,@x.example:b@legit.example>", "Unclear"),
            ("<@evil.example:b@legit.example>", "Unclear"),
            ("a@b@c.example", "Unclear"),
            ("<a@b.example> x", "Unclear"),
            ("\"<a@b.example", "Unclear"),
            ("=?utf-8?b?YUBiLmV4YW1wbGU=?=", "Unclear"),
            ("a(x)@b.example", "Unclear"),
            ("<a@b.example", "Unclear"),
            ("a@b.example>", "Unclear"),
            ("a@legit.example,<x@evil.example>", "Several"),
            ("a@b.example'", "Unclear"),
            ("a\\@evil.example@b.example", "Unclear"),
        ] {
            check(value, expected);
        }
    }

    #[test]
    fn fields_are_counted() {
        let of = |raw: &str| Author::of(&RawMail::split(raw.as_bytes()));
        assert_eq!(of("To: a@b.example\r\n\r\nFrom: a@b.example"), Author::Missing);
        assert_eq!(of("From: a@b.example\r\nFROM : a@b.example\r\n\r\n"), Author::Several);
        assert_eq!(of("From: a@b.example\r\n\r\n").domain(), "b.example");
    }
}
