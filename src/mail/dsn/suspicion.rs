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
    let subject = subject(mail.subject().unwrap_or_default(), sender);
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

/// A person's answer to a bounce, or a forward of one, keeps its subject behind a prefix; only delivery software's
/// own mail may carry one.
fn subject(subject: &str, sender: Sender) -> Option<String> {
    let subject = subject.chars().take(300).collect::<String>().to_lowercase();
    let personal = ["re:", "aw:", "sv:", "fw:", "fwd:", "wg:", "tr:", "rv:", "antw:", "odp:", "回复", "答复"];
    let prefixed =
        personal.iter().any(|prefix| subject.trim_start().starts_with(prefix)) || subject.trim_end().ends_with('?');
    let ours = matches!(sender, Sender::Daemon | Sender::Postmaster) || !prefixed;
    (ours && phrases::any(&subject, phrases::SUBJECTS)).then_some(subject)
}

fn is_by_machine(mail: &ParsedMail) -> bool {
    mail.field("return-path").is_some_and(|path| path.trim() == "<>")
        || mail.field("auto-submitted").is_some_and(|value| !value.trim().to_ascii_lowercase().starts_with("no"))
        || mail
            .field("precedence")
            .is_some_and(|value| matches!(value.trim().to_ascii_lowercase().as_str(), "bulk" | "junk"))
}
