//! The one question asked of this module: is the mail a bounce, and what does it say?

use super::bounce::{Bounce, BounceKind, BouncedRecipient};
use super::free_form::{self, Found};
use super::narrative::{self, Narrative};
use super::rank::Rank;
use super::suspicion::{self, Sender, Suspicion};
use super::{addresses, feedback, original, phrases, report, sns};
use crate::mail::parsed::{Body, ParsedMail};
use std::collections::HashSet;

/// Reads a mail as a bounce. What costs time is done only where the header makes a bounce likely.
pub fn read(mail: &ParsedMail) -> Option<Bounce> {
    if mail.fields().is_empty() {
        return without_header(mail);
    }
    let suspicion = suspicion::of(mail);
    if suspicion.is_none() && !has_machine_part(mail) {
        return None;
    }
    feedback::read(mail).or_else(|| of_report(mail, suspicion.as_ref())).or_else(|| of_rejection(mail)).or_else(|| {
        let suspicion = suspicion?;
        of_words(mail, &suspicion)
    })
}

/// Some software leaves an empty line before its header. Only a bounce's facts are read behind it: who wrote a mail
/// is asked of its true header alone.
fn without_header(mail: &ParsedMail) -> Option<Bounce> {
    let text = mail.parts.first()?.text()?.trim_start();
    let inner = ParsedMail::parse(text.as_bytes());
    if inner.fields().is_empty() { None } else { read(&inner) }
}

/// Parts of a type that only reports have.
fn has_machine_part(mail: &ParsedMail) -> bool {
    mail.parts.iter().any(|part| {
        part.media_type == "multipart/report"
            || part.media_type == "message/feedback-report"
            || part.media_type == "message/disposition-notification"
            || report::is_report(part)
    })
}

/// RFC 3464. A report in a mail that is neither `multipart/report` nor from delivery software was forwarded by a person.
fn of_report(mail: &ParsedMail, suspicion: Option<&Suspicion>) -> Option<Bounce> {
    let outer = narrative::outer(mail);
    let is_root_report =
        mail.parts.first().is_some_and(|root| root.media_type == "multipart/report" || report::is_report(root));
    if !is_root_report && suspicion.is_none() {
        return None;
    }
    let narrative = narrative::of(mail);
    let parts = outer.into_iter().filter(|index| mail.parts.get(*index).is_some_and(report::is_report));
    let mut found: Vec<BouncedRecipient> = parts.flat_map(|index| report::of_part(mail, index)).collect();
    if found.is_empty() {
        found = in_text(&narrative.text);
    }
    if found.is_empty() {
        return None;
    }
    let kind = kind_of(&found, suspicion, &narrative);
    if kind == BounceKind::Failure {
        found.retain(|recipient| !matches!(recipient.action.as_deref(), Some("delivered" | "relayed" | "expanded")));
    }
    let found = free_form::completed(&narrative.text, found);
    Some(Bounce::new(kind, found, original::message_id(mail, &narrative)))
}

/// A report whose part lost its type or its boundary.
fn in_text(text: &str) -> Vec<BouncedRecipient> {
    if report::is_in(text) { report::recipients(text) } else { Vec::new() }
}

/// The gravest action decides; without one the class of the codes, then the words.
fn kind_of(found: &[BouncedRecipient], suspicion: Option<&Suspicion>, narrative: &Narrative) -> BounceKind {
    let any =
        |actions: &[&str]| found.iter().any(|r| r.action.as_deref().is_some_and(|action| actions.contains(&action)));
    let class = |class: char| found.iter().any(|r| r.status.as_deref().is_some_and(|status| status.starts_with(class)));
    if any(&["failed"]) {
        BounceKind::Failure
    } else if any(&["delayed"]) {
        BounceKind::Delayed
    } else if any(&["delivered", "relayed", "expanded"]) {
        BounceKind::Delivered
    } else if class('5') {
        BounceKind::Failure
    } else if class('2') && !class('4') {
        BounceKind::Delivered
    } else {
        kind_of_words(suspicion, &narrative.text)
    }
}

/// The words of the subject, then of the text's beginning: a delay warning may say at its end that mail "could not
/// be delivered", a failure that it was "delayed" before.
fn kind_of_words(suspicion: Option<&Suspicion>, text: &str) -> BounceKind {
    let subject = suspicion.and_then(|s| s.subject.as_deref()).unwrap_or_default();
    let text = text.chars().take(4000).collect::<String>().to_lowercase();
    if phrases::any(subject, phrases::SUCCESSES) {
        BounceKind::Delivered
    } else if phrases::any(subject, phrases::DELAYS) {
        BounceKind::Delayed
    } else if phrases::any(&text, phrases::FINAL) {
        BounceKind::Failure
    } else if phrases::any(&text, phrases::DELAYS) {
        BounceKind::Delayed
    } else if phrases::any(&text, phrases::SUCCESSES) {
        BounceKind::Delivered
    } else {
        BounceKind::Failure
    }
}

/// A disposition notification (RFC 8098) by which a mail store refuses a mail, as Dovecot does for a full mailbox;
/// those that tell of a person's reading are no bounces.
fn of_rejection(mail: &ParsedMail) -> Option<Bounce> {
    let index = narrative::outer(mail).into_iter().find(|index| {
        mail.parts.get(*index).is_some_and(|part| part.media_type == "message/disposition-notification")
    })?;
    let text = report::text_of(mail, index);
    let refused = report::field_lines(&text).any(|(name, value)| {
        let value = value.to_ascii_lowercase();
        name == "disposition" && value.starts_with("automatic-action") && value.contains("deleted")
    });
    let narrative = narrative::of(mail);
    let said = narrative.text.to_lowercase();
    if !refused || !said.contains("rejected") && !phrases::any(&said, phrases::MAILBOX_FULL) {
        return None;
    }
    let found = free_form::completed(&narrative.text, report::recipients(&text));
    Some(Bounce::new(BounceKind::Failure, found, original::message_id(mail, &narrative)))
}

/// The non-standard forms.
fn of_words(mail: &ParsedMail, suspicion: &Suspicion) -> Option<Bounce> {
    let narrative = narrative::of(mail);
    if let Some(notification) = sns::read(&narrative.text) {
        return Some(notification);
    }
    let found = if suspicion.listed.is_empty() {
        recipients(mail, &narrative)
    } else {
        let listed = suspicion
            .listed
            .iter()
            .map(|recipient| BouncedRecipient { recipient: recipient.clone(), ..BouncedRecipient::default() });
        Found { rank: Some(Rank::Listed), recipients: free_form::completed(&narrative.text, listed.collect()) }
    };
    if !suspicion.is_confirmed(&narrative, &found) || is_of_sender(mail, suspicion, &found) {
        return None;
    }
    let kind = kind_of_words(Some(suspicion), &narrative.text);
    Some(Bounce::new(kind, found.recipients, original::message_id(mail, &narrative)))
}

/// Software never writes from the address that failed: a person tells of the own mailbox.
fn is_of_sender(mail: &ParsedMail, suspicion: &Suspicion, found: &Found) -> bool {
    let from: Vec<String> = mail.mailboxes("from").into_iter().map(|mailbox| mailbox.email.to_lowercase()).collect();
    suspicion.sender == Sender::Other
        && !found.recipients.is_empty()
        && found.recipients.iter().all(|recipient| from.contains(&recipient.recipient))
}

/// The recipients of the words; where they name none for sure, whom the returned mail was sent to.
fn recipients(mail: &ParsedMail, narrative: &Narrative) -> Found {
    let own: HashSet<String> = ["to", "cc", "delivered-to", "x-original-to", "from"]
        .iter()
        .flat_map(|name| mail.all(name))
        .flat_map(addresses::sightings)
        .map(|s| s.address.to_lowercase())
        .collect();
    let found = free_form::read(&narrative.text, &own);
    if found.rank.is_some_and(|rank| rank < Rank::Addressed) {
        return found;
    }
    let passed_on = passed_on(mail, &narrative.returned);
    if !passed_on.is_empty() {
        return Found { rank: Some(Rank::Replied), recipients: passed_on };
    }
    match returned_to(mail, &narrative.returned) {
        Some(recipient) => {
            let to = vec![BouncedRecipient { recipient, ..BouncedRecipient::default() }];
            Found { rank: Some(Rank::Addressed), recipients: free_form::completed(&narrative.text, to) }
        }
        // An address that only occurs somewhere is too often a postmaster's or an example.
        None if found.rank == Some(Rank::Mentioned) => Found::default(),
        None => found,
    }
}

/// The recipients of a report that a gateway wrapped into words of its own, which name nobody.
fn passed_on(mail: &ParsedMail, returned: &str) -> Vec<BouncedRecipient> {
    let report = mail.parts.iter().position(report::is_report);
    report.map_or_else(|| in_text(returned), |index| report::of_part(mail, index))
}

/// The only recipient in the returned mail's `To`.
fn returned_to(mail: &ParsedMail, returned: &str) -> Option<String> {
    let enclosed = mail.parts.iter().enumerate().filter(|(_, part)| part.body == Body::Message);
    let header = enclosed.flat_map(|(index, _)| mail.children(index)).find_map(|child| mail.parts.get(child));
    let in_part =
        header.and_then(|header| header.field("x-envelope-to").or_else(|| header.field("to"))).map(str::to_owned);
    let headers = || mail.parts.iter().position(|part| part.media_type.ends_with("/rfc822-headers"));
    let to =
        in_part.or_else(|| to_of(&headers().map(|index| report::text_of(mail, index))?)).or_else(|| to_of(returned))?;
    let mut named = addresses::sightings(&to).map(|s| s.address.to_lowercase());
    named.next().filter(|_| named.next().is_none())
}

/// The `To` of a header that stands in a text.
fn to_of(header: &str) -> Option<String> {
    report::field_lines(header).take(200).find(|(name, _)| name == "to").map(|(_, value)| value)
}
