//! Complaints: abuse reports (ARF, RFC 5965) and the forms that went before it.

use super::bounce::{Bounce, BounceKind, BouncedRecipient};
use super::{addresses, narrative, original, report};
use crate::mail::parsed::{Body, ParsedMail};

/// A complaint, if the mail is one.
pub(super) fn read(mail: &ParsedMail) -> Option<Bounce> {
    let reports = narrative::outer(mail);
    let report = reports
        .into_iter()
        .find(|index| mail.parts.get(*index).is_some_and(|part| part.media_type == "message/feedback-report"));
    let root_says = mail.parts.first().is_some_and(|root| {
        root.parameter("report-type").is_some_and(|kind| kind.eq_ignore_ascii_case("feedback-report"))
    });
    if report.is_none() && !root_says && !is_older_form(mail) {
        return None;
    }
    let text = report.map(|index| report::text_of(mail, index)).unwrap_or_default();
    let complained = complained_of(&text).into_iter().chain(returned_to(mail));
    let recipients = complained.take(1).flat_map(|addresses| addresses.into_iter().map(complaint)).collect();
    Some(Bounce::new(BounceKind::Feedback, recipients, original::message_id(mail, &narrative::Narrative::default())))
}

/// Hotmail's complaints name themselves in the subject and enclose the mail.
fn is_older_form(mail: &ParsedMail) -> bool {
    let by_subject =
        mail.subject().is_some_and(|subject| subject.to_ascii_lowercase().starts_with("complaint about message from"));
    by_subject && mail.parts.iter().any(|part| part.body == Body::Message)
}

/// RFC 5965 §3.2 `Original-Rcpt-To`, and the field that list software reads.
fn complained_of(text: &str) -> Option<Vec<String>> {
    let named: Vec<String> = report::field_lines(text)
        .filter(|(name, _)| matches!(name.as_str(), "original-rcpt-to" | "removal-recipient"))
        .filter_map(|(_, value)| addresses::of_field(&value))
        .take(super::RECIPIENTS_MAX)
        .collect();
    (!named.is_empty()).then_some(named)
}

/// Whom the mail complained about was sent to.
fn returned_to(mail: &ParsedMail) -> Option<Vec<String>> {
    let message = mail.parts.iter().position(|part| part.body == Body::Message)?;
    let header = mail.children(message).find_map(|child| mail.parts.get(child))?;
    let to = header.field("x-hmxmroriginalrecipient").or_else(|| header.field("to"))?;
    let named: Vec<String> = addresses::sightings(to).map(|s| s.address.to_lowercase()).take(1).collect();
    (!named.is_empty()).then_some(named)
}

fn complaint(recipient: String) -> BouncedRecipient {
    BouncedRecipient { recipient, ..BouncedRecipient::default() }
}
