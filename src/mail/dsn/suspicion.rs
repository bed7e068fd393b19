//! Whether a mail could be a bounce without a report, decided from its header alone: bodies of ordinary mails
//! are never searched for the words of bounces.

use super::free_form::Found;
use super::narrative::Narrative;
use super::rank::Rank;
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

impl Suspicion {
    /// Weighs who wrote against what stands there: the less the sender is a machine's, the more the words must say.
    pub(super) fn is_confirmed(&self, narrative: &Narrative, found: &Found) -> bool {
        if !self.listed.is_empty() {
            return true;
        }
        let words =
            phrases::any(&narrative.text.chars().take(8000).collect::<String>().to_lowercase(), phrases::BODIES);
        let subject = self.subject.is_some();
        let named = found.rank.is_some_and(|rank| rank <= Rank::Replied);
        let returned = self.encloses || !narrative.returned.is_empty();
        let personal = !self.machine && is_greeting(&narrative.text);
        match self.sender {
            Sender::Daemon => subject || words,
            Sender::Postmaster => !personal && (words || subject) && (words && subject || named || returned),
            Sender::NoReply => words && named && (self.encloses || self.machine),
            Sender::Other => {
                let announced = self.machine || is_announced(&narrative.text, found);
                let enclosing = self.encloses && self.machine;
                words && !personal && (subject && named && announced || enclosing && (subject || named))
            }
        }
    }
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
        Sender::Other => subject.is_some() || encloses && is_by_machine(mail),
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

/// Whether a line such as "could not be delivered to:" stands right above the first recipient; an address in a
/// person's signature has none.
fn is_announced(text: &str, found: &Found) -> bool {
    let Some(first) = found.recipients.first().map(|first| first.recipient.as_str()) else { return false };
    let lower = text.chars().take(8000).collect::<String>().to_lowercase();
    let before = lower.find(first).and_then(|at| lower.get(..at)).unwrap_or_default();
    let above = before.trim_end_matches(|c: char| c.is_whitespace() || "<*>-\"'".contains(c));
    let line = above.rsplit('\n').next().unwrap_or_default();
    (line.ends_with(':') || line.ends_with(" to") || line.ends_with(" a")) && phrases::any(line, phrases::BODIES)
}

/// A person who shows us a bounce says hello first.
fn is_greeting(text: &str) -> bool {
    let first: String = text.trim_start().chars().take(40).collect::<String>().to_lowercase();
    // qmail says hello, too.
    if first.contains("this is the ") {
        return false;
    }
    // The dot that a Turkish İ leaves when it is lowered parts no word.
    let word = first.split(|c: char| !c.is_alphanumeric() && c != '\u{307}').next().unwrap_or_default();
    [
        "hi",
        "hello",
        "hey",
        "dear",
        "hallo",
        "guten",
        "moin",
        "bonjour",
        "salut",
        "hola",
        "ciao",
        "buongiorno",
        "olá",
        "good",
        "i",
        "we",
        "can",
        "please",
        "why",
    ]
    .contains(&word)
}
