//! What may stand in a header of ours, checked before it gets there, and written so that it folds and stays 7-bit:
//! names, subjects, addresses, lists of ids.
//!
//! lettre panics at a display name with a line break and folds only at spaces, so nothing reaches it unchecked.

use crate::mail::address::Address;
use crate::mail::encoded_word;
use crate::mail::msg_id::MsgId;
use data_encoding::BASE64;
use lettre::message::header::{HeaderName, HeaderValue};

/// A person's or company's name as it may stand before an address: one line, nothing that deceives. `None` if nothing
/// is left.
pub fn name(text: &str) -> Option<String> {
    Some(shortened(&one_line(text), NAME_CHARS_MAX)).filter(|name| !name.is_empty())
}

/// A subject in one line.
pub fn subject(text: &str) -> String {
    shortened(&one_line(text), SUBJECT_CHARS_MAX)
}

/// Controls and white space become single spaces; marks that turn the direction of text or are not seen go.
fn one_line(text: &str) -> String {
    let is_unseen = |c: &char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}');
    let seen: String = text.chars().filter(|c| !is_unseen(c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
    }
}

/// A mailbox of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    pub name: Option<String>,
    pub address: Address,
}

impl Mailbox {
    pub fn new(text: Option<&str>, address: Address) -> Mailbox {
        Mailbox { name: text.and_then(name), address }
    }

    /// As a message shows it.
    pub fn shown(&self) -> String {
        self.name.as_ref().map_or_else(|| self.address.to_string(), |name| format!("{name} <{}>", self.address))
    }

    fn encoded(&self) -> String {
        match &self.name {
            None => self.address.to_string(),
            Some(name) => format!("{} <{}>", phrase(name), self.address),
        }
    }
}

/// One mailbox a line: names and addresses are bounded, so every line is.
pub fn mailboxes(field: &'static str, mailboxes: &[Mailbox]) -> HeaderValue {
    let encoded: Vec<String> = mailboxes.iter().map(Mailbox::encoded).collect();
    field_of(field, encoded.join(",\r\n "))
}

/// A field of words, folded, encoded where its letters need it.
pub fn text(field: &'static str, value: &str) -> HeaderValue {
    let fits = value.split(' ').all(|word| word.len() <= WORD_OCTETS_MAX);
    if is_plain(value) && fits {
        // lettre folds at spaces.
        return HeaderValue::new(HeaderName::new_from_ascii_str(field), value.to_owned());
    }
    field_of(field, encoded_words(value))
}

/// `<id>` after `<id>`, one a line. Ids are checked by their type.
pub fn ids(field: &'static str, ids: &[MsgId]) -> HeaderValue {
    let bracketed: Vec<String> = ids.iter().map(|id| format!("<{id}>")).collect();
    field_of(field, bracketed.join("\r\n "))
}

/// A value of our own making, that needs no encoding.
pub fn fixed(field: &'static str, value: String) -> HeaderValue {
    field_of(field, value)
}

fn field_of(field: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(field), String::new(), value)
}

/// RFC 5322 §3.2.5. Always quoted, so that `Sara (Acme)` is a name and no comment.
fn phrase(name: &str) -> String {
    if is_plain(name) && name.len() <= NAME_LINE_OCTETS_MAX {
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("\"{escaped}\"");
    }
    encoded_words(name)
}

/// Whether readers take the text as it stands: ASCII, and nothing in it that they would decode.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic())
        && encoded_word::decode(text) == text
        && !text.contains("=?")
}

/// RFC 2047 §2: at most 75 octets each, never a letter divided between two.
fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = (1..=ENCODED_OCTETS_MAX.min(rest.len())).rev().find(|end| rest.is_char_boundary(*end));
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        words.push(format!("=?utf-8?b?{}?=", BASE64.encode(word.as_bytes())));
        rest = after;
    }
    words.join("\r\n ")
}

const NAME_CHARS_MAX: usize = 128;
const SUBJECT_CHARS_MAX: usize = 4000;
const NAME_LINE_OCTETS_MAX: usize = 256;
/// RFC 5322 §2.1.1 advises 78 octets a line.
const WORD_OCTETS_MAX: usize = 60;
/// 42 octets are 56 of Base64 and 68 of an encoded word: with a space before it, and with `Subject: `, below 78.
const ENCODED_OCTETS_MAX: usize = 42;

#[cfg(test)]
mod tests {
    use super::*;
    use lettre::message::header::Headers;

    fn written(value: HeaderValue) -> String {
        let mut headers = Headers::new();
        headers.insert_raw(value);
        headers.to_string()
    }

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    #[track_caller]
    fn check_name(name: &str, expected: &str) {
        let mailbox = Mailbox::new(Some(name), address("a@b.example"));
        assert_eq!(written(mailboxes("From", &[mailbox])), format!("From: {expected}\r\n"), "{name:?}");
    }

    #[test]
    fn names_stay_names() {
        check_name("Sara (Acme)", "\"Sara (Acme)\" <a@b.example>");
        check_name("a \"b\\", "\"a \\\"b\\\\\" <a@b.example>");
        check_name("Jörg", "=?utf-8?b?SsO2cmc=?= <a@b.example>");
        check_name("x\r\nBcc: z@z\0", "\"x Bcc: z@z\" <a@b.example>");
        check_name("\r\n", "a@b.example");
        check_name("=?utf-8?q?=0D=0ABcc:_z?=", "=?utf-8?b?PT91dGYtOD9xPz0wRD0wQUJjYzpfej89?= <a@b.example>");
        check_name("invoice\u{202e}fdp", "\"invoicefdp\" <a@b.example>");
    }

    #[test]
    fn subjects_fold_whatever_they_hold() {
        for text in ["x".repeat(3000), "ä".repeat(3000), "word ".repeat(600), "👩‍👩‍👧".repeat(300), "=?utf-8?q?a?=".into()]
        {
            let subject = subject(&text);
            let field = written(super::text("Subject", &subject));
            assert!(field.lines().all(|line| line.len() <= 78 && line.is_ascii()), "{field}");
            let read = crate::mail::parsed::ParsedMail::parse(format!("{field}\r\n").as_bytes());
            assert_eq!(read.subject(), Some(subject.as_str()));
        }
        assert_eq!(subject(&"x".repeat(5000)).chars().count(), 4001);
    }
}
