//! Which files of the messages go along and which become links: as many as fit, in their order, so that no mailbox
//! refuses the mail for its size.

use super::composed::File;
use super::sender::Sender;
use super::view::Link;
use super::words::day;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::links;
use crate::conversation::model::{Attachment, Message};
use crate::mail::file_name;
use crate::store::outgoing::ToCompose;
use lettre::message::header::{ContentDisposition, ContentTransferEncoding, ContentType};
use lettre::message::{Body, SinglePart};
use std::collections::HashMap;

/// The files of one mail.
#[derive(Debug)]
pub struct Attachments<'a> {
    /// Those that go along, with their octets.
    along: Vec<(&'a Attachment, &'a [u8])>,
    links: HashMap<Id, Link>,
}

/// Ids of the attachments whose octets the mail takes along.
pub fn fitting(to: &ToCompose, octets_max: u64) -> Vec<Id> {
    let mut left = octets_max;
    let fits = |attachment: &&Attachment| match left.checked_sub(attachment.size) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    to.messages.iter().flat_map(|message| &message.attachments).filter(fits).map(|attachment| attachment.id).collect()
}

impl<'a> Attachments<'a> {
    /// What was to go along and could not be read is a link too.
    pub fn of(to: &'a ToCompose, files: &'a [File], sender: &Sender, at: UnixMs) -> Attachments<'a> {
        let wanted = fitting(to, sender.attachments_max);
        let until = links::until(at, sender.link_life);
        let (mut along, mut links) = (Vec::new(), HashMap::new());
        for attachment in to.messages.iter().flat_map(|message| &message.attachments) {
            let file = files.iter().find(|file| file.attachment == attachment.id && wanted.contains(&attachment.id));
            match file {
                Some(file) => along.push((attachment, file.octets.as_slice())),
                None => {
                    links.insert(attachment.id, link(attachment, sender, until));
                }
            }
        }
        Attachments { along, links }
    }

    pub fn links_of(&self, message: &Message) -> Vec<Link> {
        message.attachments.iter().filter_map(|attachment| self.links.get(&attachment.id).cloned()).collect()
    }

    pub fn parts(&self) -> Vec<SinglePart> {
        self.along.iter().map(|(attachment, octets)| part(attachment, octets)).collect()
    }
}

fn link(attachment: &Attachment, sender: &Sender, until: UnixMs) -> Link {
    Link {
        name: safe_name(attachment),
        size: size(attachment.size),
        url: links::attachment_url(&sender.keys, &sender.public_url, attachment.id, until),
        until: day(until),
    }
}

/// Base64 whatever it holds: the octets arrive as they are, and none of them can end a line or the mail.
fn part(attachment: &Attachment, octets: &[u8]) -> SinglePart {
    let body = Body::new_with_encoding(octets.to_vec(), ContentTransferEncoding::Base64)
        .expect("any octets can be written in Base64");
    SinglePart::builder()
        .header(content_type(&attachment.media_type))
        .header(ContentDisposition::attachment(&safe_name(attachment)))
        .body(body)
}

/// The store's names are clean; cleaning again costs nothing and trusts nobody.
fn safe_name(attachment: &Attachment) -> String {
    file_name::clean(&attachment.name).unwrap_or_else(|| file_name::unnamed(&attachment.media_type, 1))
}

/// What a hostile mail called it, if it is a type that may be Base64: RFC 2046 §5.2.1 and RFC 2045 §6.4 forbid it for
/// enclosed mails and multiparts.
fn content_type(media_type: &str) -> ContentType {
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&octet))
    };
    let lower = media_type.to_ascii_lowercase();
    let known = lower.split_once('/').filter(|(kind, subtype)| {
        token(kind)
            && token(subtype)
            && lower.len() <= MEDIA_TYPE_OCTETS_MAX
            && !matches!(*kind, "multipart" | "message")
    });
    let parsed = known.and_then(|_| ContentType::parse(&lower).ok());
    parsed.unwrap_or_else(|| ContentType::parse("application/octet-stream").expect("a media type"))
}

/// `1.4 MB`, as shops and mail programs write it.
fn size(octets: u64) -> String {
    match octets {
        ..1000 => format!("{octets} B"),
        1000..1_000_000 => format!("{} kB", octets / 1000),
        1_000_000.. => format!("{}.{} MB", octets / 1_000_000, octets % 1_000_000 / 100_000),
    }
}

const MEDIA_TYPE_OCTETS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_cannot_be_base64_or_no_types_at_all_are_octets() {
        let shown = |text: &str| format!("{:?}", content_type(text));
        let octets = shown("application/octet-stream");
        for text in ["message/rfc822", "multipart/mixed", "text", "text/", "a/b\r\nBcc: x", "x/y;a=b", "é/x", "*/*"] {
            assert_eq!(shown(text), octets, "{text:?}");
        }
        for text in ["application/pdf", "image/svg+xml", "application/vnd.ms-excel"] {
            assert_ne!(shown(text), octets, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_for_people() {
        for (octets, expected) in [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_460_000, "1.4 MB")] {
            assert_eq!(size(octets), expected);
        }
    }
}
