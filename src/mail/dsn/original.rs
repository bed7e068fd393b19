//! Which mail a bounce is about: the Message-ID of what it returns.

use super::narrative::Narrative;
use super::report;
use crate::mail::msg_id::MsgId;
use crate::mail::parsed::{Body, ParsedMail};

/// Octets of returned text searched for a Message-ID: a header.
const SEARCHED_OCTETS_MAX: usize = 64 * 1024;

/// The id in an enclosed mail, in returned header text, or in a field that names it.
pub(super) fn message_id(mail: &ParsedMail, narrative: &Narrative) -> Option<String> {
    enclosed(mail)
        .or_else(|| in_text(&narrative.returned, &["message-id"]))
        .or_else(|| named(mail))
        .or_else(|| in_text(&narrative.text, &["message-id", "original-message-id"]))
        .or_else(|| mail.in_reply_to().pop().or_else(|| mail.references().pop()).map(|id| id.to_string()))
}

fn enclosed(mail: &ParsedMail) -> Option<String> {
    mail.parts.iter().enumerate().find_map(|(index, part)| match (&part.body, part.media_type.as_str()) {
        (Body::Message, kind) if !kind.ends_with("delivery-status") => mail.children(index).find_map(|child| {
            let header = mail.parts.get(child)?;
            // A header torn by a line that is none goes on in the body.
            header.field("message-id").and_then(id).or_else(|| in_text(header.text()?, &["message-id"]))
        }),
        (
            _,
            "text/rfc822-headers"
            | "message/rfc822-headers"
            | "message/rfc822"
            | "message/global-headers"
            | "message/global"
            | "text/rfc822",
        ) => in_text(&report::text_of(mail, index), &["message-id"]),
        _ => None,
    })
}

/// A report that returns nothing may still name the mail.
fn named(mail: &ParsedMail) -> Option<String> {
    let names = ["original-message-id", "x-original-message-id", "message-id"];
    let in_header = names.iter().take(2).find_map(|name| mail.field(name).and_then(id));
    in_header.or_else(|| {
        let reports = mail.parts.iter().enumerate().filter(|(_, part)| part.media_type.starts_with("message/"));
        reports
            .filter(|(_, part)| part.body != Body::Message)
            .find_map(|(index, _)| in_text(&report::text_of(mail, index), &names))
    })
}

fn in_text(text: &str, names: &[&str]) -> Option<String> {
    let mut end = text.len().min(SEARCHED_OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut lines = text.get(..end)?.split(['\n', '\r']).map(|line| line.trim_start_matches(['>', ' ', '\t', '|']));
    while let Some(line) = lines.next() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if names.iter().any(|wanted| name.trim().eq_ignore_ascii_case(wanted)) {
            // A long id stands on a line of its own.
            let value = if value.trim().is_empty() { lines.find(|line| !line.is_empty())? } else { value };
            return id(value);
        }
    }
    None
}

fn id(value: &str) -> Option<String> {
    MsgId::parse_list(value, 1).pop().or_else(|| MsgId::parse(value)).map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_returned_headers() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(in_text(text, &["message-id"]).as_deref(), expected, "{text}");
        };
        check("Received: x\nMessage-Id: <a@b.example>\n", Some("a@b.example"));
        check("> Message-ID:\n>  <a@b.example>\n", Some("a@b.example"));
        check("Received: x\rMESSAGE-ID: a@b.example\rTo: y", Some("a@b.example"));
        check("no id here", None);
    }
}
