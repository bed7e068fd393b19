//! A mail as every other module sees it: header fields, parts, mailboxes, ids, defects.
//!
//! Reading never fails: what cannot be read stays in the raw bytes and leaves a defect. How bytes become parts is
//! `structure`, how they become fields `headers`.

use super::defects::Defects;
pub use super::headers::Field;
use super::mailboxes;
pub use super::mailboxes::Mailbox;
use super::msg_id::MsgId;
use super::structure::{self, Bounds};
use crate::limits::Limits;

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A container; its children follow it with `parent` set to its index.
    Multipart,
    /// An enclosed mail; its root part follows it with `parent` set to its index.
    Message,
    /// Decoded text, LF line ends.
    Text(String),
    /// Decoded bytes; empty inside of an enclosed mail, whose octets hold them.
    Binary(Vec<u8>),
}

/// One MIME entity (RFC 2045), in document order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Index of the enclosing part.
    pub parent: Option<usize>,
    /// Lower case `type/subtype`; `text/plain` if absent.
    pub media_type: String,
    /// Content-Type parameters, names in lower case.
    pub parameters: Vec<(String, String)>,
    /// Lower case `inline` or `attachment`, if the part says so.
    pub disposition: Option<String>,
    /// As the mail says it; clean it before showing it or writing it to a header.
    pub file_name: Option<String>,
    /// Without angle brackets.
    pub content_id: Option<String>,
    pub fields: Vec<Field>,
    pub body: Body,
    /// The decoded octets where `body` does not hold them as they are: an enclosed mail, a text file in another
    /// charset or with other line ends. Kept only where the part may become an attachment.
    pub octets: Option<Vec<u8>>,
    /// Decoded octets, also where they are not kept.
    pub size: usize,
}

impl Part {
    /// The decoded octets: what a download of the part gives.
    pub fn octets(&self) -> &[u8] {
        match (&self.octets, &self.body) {
            (Some(octets), _) => octets,
            (None, Body::Text(text)) => text.as_bytes(),
            (None, Body::Binary(octets)) => octets,
            (None, Body::Multipart | Body::Message) => &[],
        }
    }

    /// A Content-Type parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first field of this name in the part's own header.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value.as_str())
    }

    /// Decoded text of a text part.
    pub fn text(&self) -> Option<&str> {
        match &self.body {
            Body::Text(text) => Some(text),
            Body::Multipart | Body::Message | Body::Binary(_) => None,
        }
    }
}

/// A mail, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParsedMail {
    /// The root part first. Parts of enclosed mails are here too, behind their `Body::Message`.
    /// The root's `fields` are the mail's header.
    pub parts: Vec<Part>,
    /// Short names of what is wrong with the mail, sorted, without doubles.
    pub defects: Vec<&'static str>,
}

impl ParsedMail {
    /// Reads any bytes.
    pub fn parse(raw: &[u8]) -> ParsedMail {
        let limits = Limits::default();
        ParsedMail::parse_within(raw, Bounds { depth_max: limits.mime_depth_max, parts_max: limits.mime_parts_max })
    }

    /// Reads any bytes; structure beyond `bounds` stays in the raw mail and leaves a defect.
    pub fn parse_within(raw: &[u8], bounds: Bounds) -> ParsedMail {
        let mut defects = Defects::default();
        let parts = structure::read(raw, bounds, &mut defects);
        let mut mail = ParsedMail { parts, defects: Vec::new() };
        mail.note_doubles(&mut defects);
        mail.defects = defects.into_sorted();
        mail
    }

    /// RFC 5322 §3.6: these stand at most once, and who sends two hopes that two readers pick different ones.
    fn note_doubles(&self, defects: &mut Defects) {
        for (name, defect) in ONCE {
            if self.all(name).nth(1).is_some() {
                defects.add(defect);
            }
        }
        match self.mailboxes("from").as_slice() {
            [] => defects.add("missing_from"),
            [one] if one.address().is_none() => defects.add("invalid_from"),
            [_] => {}
            _ => defects.add("multiple_from"),
        }
    }

    /// The mail's header fields.
    pub fn fields(&self) -> &[Field] {
        self.parts.first().map_or(&[], |root| root.fields.as_slice())
    }

    /// The first field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.parts.first().and_then(|root| root.field(name))
    }

    /// All fields of this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields().iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value.as_str())
    }

    /// Indices of the parts directly inside `parent`.
    pub fn children(&self, parent: usize) -> impl Iterator<Item = usize> {
        self.parts.iter().enumerate().filter(move |(_, part)| part.parent == Some(parent)).map(|(index, _)| index)
    }

    /// The mailboxes of every field of this name (groups flattened, bounded).
    pub fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        let mut found = Vec::new();
        for field in self.fields().iter().filter(|field| field.name.eq_ignore_ascii_case(name)) {
            mailboxes::parse(field.structured(), &mut found);
        }
        found
    }

    pub fn message_id(&self) -> Option<MsgId> {
        self.field("message-id").and_then(|value| MsgId::parse_list(value, 1).pop())
    }

    pub fn in_reply_to(&self) -> Vec<MsgId> {
        self.field("in-reply-to").map_or_else(Vec::new, |value| MsgId::parse_list(value, IDS_MAX))
    }

    pub fn references(&self) -> Vec<MsgId> {
        self.field("references").map_or_else(Vec::new, |value| MsgId::parse_list(value, IDS_MAX))
    }

    pub fn subject(&self) -> Option<&str> {
        self.field("subject")
    }
}

/// References a mail may name: real threads stay below, and each is a question to the store.
pub const IDS_MAX: usize = 200;

const ONCE: [(&str, &str); 9] = [
    ("from", "multiple_from"),
    ("sender", "multiple_sender"),
    ("reply-to", "multiple_reply_to"),
    ("to", "multiple_to"),
    ("cc", "multiple_cc"),
    ("subject", "multiple_subject"),
    ("message-id", "multiple_message_id"),
    ("in-reply-to", "multiple_in_reply_to"),
    ("date", "multiple_date"),
];
