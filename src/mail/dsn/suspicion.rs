//! Whether a mail could be a bounce without a report, decided from its header alone: bodies of ordinary mails
//! are never searched for the words of bounces.

use super::{addresses, phrases};
use crate::mail::parsed::{Body, ParsedMail};

/// Who wrote, as far as the `From` field tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// Delivery software.
    Daemon,
    /// Delivery software or the person behind it.
    Postmaster,
    /// Says that nobody reads answers.
    NoReply,
    Other,
}

/// Why the body is worth reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suspicion {
    pub sender: Sender,
    /// Lower-case subject, if it is that of a bounce.
    pub subject: Option<String>,
    /// `X-Failed-Recipients`.
    pub listed: Vec<String>,
    /// Null return path or `Auto-Submitted`: no person wrote this.
    pub machine: bool,
    /// The mail encloses another one.
    pub encloses: bool,
}

/// The header's signs, if there are any.
pub(super) fn of(mail: &ParsedMail) -> Option<Suspicion> {
    let sender = sender(mail.field("from").unwrap_or_default());
    let subject = subject(mail, sender);
    let listed: Vec<String> = mail
        .all("x-failed-recipients")
        .flat_map(addresses::sightings)
        .map(|s| s.address.to_lowercase())
        .take(super::RECIPIENTS_MAX)
        .collect();
    let encloses = mail.parts.iter().any(|part| part.body == Body::Message || part.media_type == "text/rfc822-headers");
    let suspicious = match sender {
        Sender::Daemon | Sender::Postmaster => true,
        Sender::NoReply => encloses || subject.is_some(),
        Sender::Other => subject.is_some(),
    };
    (suspicious || !listed.is_empty()).then(|| Suspicion {
        sender,
        subject,
        listed,
        machine: is_by_machine(mail),
        encloses,
    })
}

fn sender(from: &str) -> Sender {
    let from: String = from.chars().take(500).collect::<String>().to_lowercase();
    if phrases::any(&from, phrases::DAEMONS) || from.trim() == "<>" {
        Sender::Daemon
    } else if phrases::any(&from, phrases::POSTMASTERS) || from.trim().is_empty() {
        Sender::Postmaster
    } else if from.contains("no-reply") || from.contains("noreply") || from.contains("do-not-reply") {
        Sender::NoReply
    } else {
        Sender::Other
    }
}

/// A person's answer to a bounce, or a forward of one, keeps its subject behind a prefix; what is neither delivery
/// software's nor free of one must at least stand outside a thread.
fn subject(mail: &ParsedMail, sender: Sender) -> Option<String> {
    let subject = mail.subject()?.chars().take(300).collect::<String>().to_lowercase();
    let subject = subject.trim();
    let ours = matches!(sender, Sender::Daemon | Sender::Postmaster) || !is_personal(mail, subject);
    (ours && phrases::any(subject, phrases::SUBJECTS)).then(|| subject.to_owned())
}

fn is_personal(mail: &ParsedMail, subject: &str) -> bool {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| subject.starts_with(prefix));
    let answered = begins(&["re:", "aw:", "sv:", "antw:", "odp:", "回复", "答复"]);
    let in_thread = mail.field("in-reply-to").is_some() || mail.field("references").is_some();
    // `Re: <the bounced subject> : delivery failed` is a gateway's; `Re: delivery failed` a person's.
    let of_gateway = answered && !in_thread && subject.matches(':').count() > 1;
    subject.ends_with('?') || begins(&["fw:", "fwd:", "wg:", "tr:", "rv:"]) || answered && !of_gateway
}

fn is_by_machine(mail: &ParsedMail) -> bool {
    mail.field("return-path").is_some_and(|path| path.trim() == "<>")
        || mail.field("auto-submitted").is_some_and(|value| !value.trim().to_ascii_lowercase().starts_with("no"))
        || mail
            .field("precedence")
            .is_some_and(|value| matches!(value.trim().to_ascii_lowercase().as_str(), "bulk" | "junk"))
}
