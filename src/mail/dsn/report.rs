//! Delivery reports (RFC 3464; RFC 6533 for international addresses), whole or damaged.
//!
//! Read by fields rather than by blank lines: mail is found in the field whose groups run together, are torn
//! apart by empty lines, or stand in a text part of the wrong type.

use super::bounce::{BouncedRecipient, RECIPIENTS_MAX, diagnostic};
use super::{addresses, status};
use crate::mail::parsed::{Body, ParsedMail, Part};

/// Octets of a report that are read: 1,000 recipients with long diagnostics.
const REPORT_OCTETS_MAX: usize = 4 * 1024 * 1024;

/// Lines of one field; a diagnostic of 2 KiB has no more.
const FOLDED_OCTETS_MAX: usize = 16 * 1024;

/// Whether a part is a delivery report by its type.
pub(super) fn is_report(part: &Part) -> bool {
    matches!(part.media_type.as_str(), "message/delivery-status" | "message/global-delivery-status")
}

/// Whether a text holds a report's fields, whatever its part is called.
pub(super) fn is_in(text: &str) -> bool {
    field_lines(text).take(2000).any(|(name, value)| name == "final-recipient" && value.contains('@'))
}

/// The recipients of a report part.
pub(super) fn of_part(mail: &ParsedMail, index: usize) -> Vec<BouncedRecipient> {
    recipients(&text_of(mail, index))
}

/// A part's text however the reader of MIME took it: as text, as bytes, or as an enclosed mail whose header is
/// the report's first group.
pub(super) fn text_of(mail: &ParsedMail, index: usize) -> String {
    let Some(part) = mail.parts.get(index) else { return String::new() };
    match &part.body {
        Body::Text(text) => text.clone(),
        Body::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Body::Message | Body::Multipart => {
            mail.children(index).filter_map(|child| mail.parts.get(child)).map(shown).collect()
        }
    }
}

fn shown(part: &Part) -> String {
    let header: String = part.fields.iter().map(|field| format!("{}: {}\n", field.name, field.value)).collect();
    header + "\n" + part.text().unwrap_or_default()
}

/// What a report says of each recipient.
pub(super) fn recipients(text: &str) -> Vec<BouncedRecipient> {
    let mut found = Vec::new();
    let mut group = Group::default();
    for (name, value) in field_lines(text) {
        if found.len() >= RECIPIENTS_MAX {
            return found;
        }
        if group.is_closed_by(&name) {
            found.extend(std::mem::take(&mut group).recipient());
        }
        group.take(&name, value);
    }
    found.extend(group.recipient());
    found
}

/// The fields about one recipient (RFC 3464 §2.3).
#[derive(Default)]
struct Group {
    original: Option<String>,
    last: Option<String>,
    actual: Option<String>,
    action: Option<String>,
    status: Option<String>,
    diagnostic: Option<String>,
}

impl Group {
    /// A field that is there already begins the next recipient.
    fn is_closed_by(&self, name: &str) -> bool {
        match name {
            "original-recipient" => self.original.is_some() || (self.last.is_some() && self.action.is_some()),
            "final-recipient" => self.last.is_some(),
            "action" => self.action.is_some() && self.last.is_some(),
            _ => false,
        }
    }

    fn take(&mut self, name: &str, value: String) {
        let place = match name {
            "original-recipient" => &mut self.original,
            "final-recipient" => &mut self.last,
            "x-actual-recipient" => &mut self.actual,
            "action" => &mut self.action,
            "status" => &mut self.status,
            "diagnostic-code" => &mut self.diagnostic,
            _ => return,
        };
        if place.is_none() && !value.trim().is_empty() {
            *place = Some(value);
        }
    }

    /// The original recipient is the one we mailed to (RFC 3464 §2.3.1); the final one may be an alias behind it.
    fn recipient(self) -> Option<BouncedRecipient> {
        let [original, last, actual] =
            [self.original, self.last, self.actual].map(|value| value.as_deref().and_then(addresses::of_field));
        let known = [&original, &last, &actual].into_iter().flatten();
        let recipient =
            known.clone().find(|address| addresses::is_mailed_to(address)).or_else(|| known.clone().next())?;
        let words = self.diagnostic.as_deref().map(|value| value.split_once(';').map_or(value, |(_, words)| words));
        Some(BouncedRecipient {
            status: status::weighed(self.status.as_deref().and_then(status::of_field), self.diagnostic.as_deref()),
            action: self.action.as_deref().and_then(action),
            diagnostic: words.and_then(diagnostic),
            recipient: recipient.clone(),
        })
    }
}

/// RFC 3464 §2.3.3's words, and what is written for them.
pub(super) fn action(value: &str) -> Option<String> {
    let word = value.trim().split(|c: char| !c.is_ascii_alphabetic()).next()?.to_ascii_lowercase();
    let action = match word.as_str() {
        "failed" | "failure" | "fail" | "error" | "expired" => "failed",
        "delayed" | "delay" | "deferred" | "warning" => "delayed",
        "delivered" | "delivery" | "success" => "delivered",
        "relayed" => "relayed",
        "expanded" => "expanded",
        _ => return None,
    };
    Some(action.to_owned())
}

/// Unfolded fields: lower-case names and their values. Lines that are none are skipped.
pub(super) fn field_lines(text: &str) -> impl Iterator<Item = (String, String)> {
    let mut end = text.len().min(REPORT_OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // Bare CR ends a line in mail of the field; the empty lines this makes of CRLF are skipped below.
    let mut lines =
        text.get(..end).unwrap_or_default().split(['\n', '\r']).filter(|line| !line.trim().is_empty()).peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            let Some((name, value)) = field(line) else { continue };
            let mut value = value.to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with([' ', '\t']) && !is_report_field(line)) {
                if value.len() < FOLDED_OCTETS_MAX {
                    value.push(' ');
                    value.push_str(more.trim());
                }
            }
            return Some((name, value));
        }
    })
}

fn field(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim();
    let fine = !name.is_empty() && name.len() <= 60 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    fine.then(|| (name.to_ascii_lowercase(), value.trim()))
}

/// An indented field of a report that was quoted into a text.
fn is_report_field(line: &str) -> bool {
    field(line).is_some_and(|(name, _)| {
        matches!(
            name.as_str(),
            "original-recipient"
                | "final-recipient"
                | "x-actual-recipient"
                | "action"
                | "status"
                | "diagnostic-code"
                | "remote-mta"
                | "reporting-mta"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, Option<&str>, Option<&str>)]) {
        let found = recipients(text);
        let found: Vec<_> =
            found.iter().map(|r| (r.recipient.as_str(), r.status.as_deref(), r.action.as_deref())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn groups_are_told_apart_by_their_fields() {
        check(
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; A@x.example\nAction: failed\nStatus: 5.1.1 (no)\n\n\
             Final-Recipient: rfc822; b@x.example\nAction: delayed\nStatus: 4.4.1\n",
            &[("a@x.example", Some("5.1.1"), Some("failed")), ("b@x.example", Some("4.4.1"), Some("delayed"))],
        );
        check(
            "Final-Recipient: rfc822; a@x.example\r\rAction: failed\rFinal-Recipient: rfc822; b@x.example\rAction: Failed (x)\r",
            &[("a@x.example", None, Some("failed")), ("b@x.example", None, Some("failed"))],
        );
    }

    #[test]
    fn the_original_recipient_is_the_one_we_mailed_to() {
        check(
            "Original-Recipient: rfc822;first@x.example\nFinal-Recipient: rfc822;alias@internal\nAction: failed\n",
            &[("first@x.example", None, Some("failed"))],
        );
        check(
            "Final-Recipient: X400; /S=a/ADMD=b/\nOriginal-Recipient: rfc822; a@x.example\nAction: failed\n\
             Original-Recipient: rfc822; b@x.example\nFinal-Recipient: X400; /S=b/\nAction: failed\n",
            &[("a@x.example", None, Some("failed")), ("b@x.example", None, Some("failed"))],
        );
    }

    #[test]
    fn hostile_reports_stay_bounded() {
        let many: String =
            (0..100_000).map(|n| format!("Final-Recipient: rfc822; u{n}@x.example\nStatus: 5.999999.1\n\n")).collect();
        let found = recipients(&many);
        assert_eq!(found.len(), RECIPIENTS_MAX);
        assert!(found.iter().all(|r| r.status.is_none()));
        let huge = format!(
            "Final-Recipient: rfc822; a@x.example\nDiagnostic-Code: smtp; {}\x1b[31m{}",
            "x".repeat(1000),
            "\n y".repeat(200_000)
        );
        let words = recipients(&huge)[0].diagnostic.clone().unwrap();
        assert!(words.len() <= super::super::bounce::DIAGNOSTIC_OCTETS_MAX && !words.contains('\x1b'));
    }
}
