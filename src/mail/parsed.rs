//! A mail as every other module sees it: header fields, parts, mailboxes, ids, defects.
//!
//! Reading never fails: what cannot be read stays in the raw bytes and leaves a defect. How bytes become parts is
//! `structure`, how they become fields `headers`.

use super::defects::Defects;
pub use super::headers::Field;
use super::mailboxes;
pub use super::mailboxes::Mailbox;
use super::msg_id::MsgId;
pub use super::part::{Body, Part};
use super::structure::{self, Bounds};
use crate::clock::UnixMs;
use crate::limits::Limits;

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
        let parts = match with_line_ends(raw) {
            Some(whole) => {
                defects.add("bare_cr");
                structure::read(&whole, bounds, &mut defects)
            }
            None => structure::read(raw, bounds, &mut defects),
        };
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

    /// Who is shown as the author: the one From mailbox, if there is exactly one and it can be mailed to. Whoever
    /// proves an author must prove this one.
    pub fn author(&self) -> Option<Mailbox> {
        let from = self.mailboxes("from");
        let fields = self.all("from").count();
        from.into_iter()
            .next()
            .filter(|author| author.address().is_some() && fields == 1 && !self.has_defect("multiple_from"))
    }

    /// Whether reading left this defect.
    pub fn has_defect(&self, name: &str) -> bool {
        self.defects.contains(&name)
    }

    pub fn message_id(&self) -> Option<MsgId> {
        self.field("message-id").and_then(|value| MsgId::parse_list(value, 1).pop())
    }

    pub fn in_reply_to(&self) -> Vec<MsgId> {
        self.field("in-reply-to").map_or_else(Vec::new, |value| MsgId::parse_list(value, IDS_MAX))
    }

    /// The latest ones: the field grows at its end (RFC 5322 §3.6.4).
    pub fn references(&self) -> Vec<MsgId> {
        let mut ids = self.field("references").map_or_else(Vec::new, |value| MsgId::parse_list(value, usize::MAX));
        ids.drain(..ids.len().saturating_sub(IDS_MAX));
        ids
    }

    /// What the sender's clock said: to be shown, never to order by.
    pub fn date(&self) -> Option<UnixMs> {
        let date = mail_parser::DateTime::parse_rfc822(self.field("date")?).filter(mail_parser::DateTime::is_valid)?;
        let seconds = (1970..=9999).contains(&date.year).then(|| date.to_timestamp())?;
        seconds.checked_mul(1000).map(UnixMs)
    }

    pub fn subject(&self) -> Option<&str> {
        self.field("subject")
    }
}

/// A mail without a single LF before its end was stored by software whose line end is CR, as old bounces were; a bare
/// CR beside true line ends stays none (RFC 5322 §2.3), or a smuggled header would count.
fn with_line_ends(raw: &[u8]) -> Option<Vec<u8>> {
    let text = raw.trim_ascii_end();
    let only_cr = text.contains(&b'\r') && !text.contains(&b'\n');
    only_cr.then(|| {
        let mut whole = Vec::with_capacity(raw.len() + raw.len() / 16);
        for line in text.split(|octet| *octet == b'\r') {
            whole.extend_from_slice(line);
            whole.extend_from_slice(b"\r\n");
        }
        whole
    })
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
