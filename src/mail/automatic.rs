//! Whether a person wrote a mail just now, or a machine did: the union of signals that the field uses, RFC 3834.
//!
//! Decides the class and says by which sign; what follows from it (never answered, never reopens) is left to filing.
//! A person's mail taken for a machine's goes unseen, so a sign that people's mail also carries decides nothing alone:
//! `X-Auto-Response-Suppress` is set by gateways and helpdesks on what people write, a `noreply` sender by web forms.

use super::dsn::{Bounce, BounceKind};
use super::msg_id::MsgId;
use super::parsed::ParsedMail;
use super::vacation;

/// What kind of sender a mail had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A person wrote it.
    Human,
    /// An automatic answer: vacation, out of office, ticket acknowledgement.
    AutoReply,
    /// News of a delivery failure, delay or success, or a complaint.
    Bounce,
    /// A mailing list's or bulk sender's mail.
    List,
}

/// What MAIL FROM said, where the mail came with its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversePathKind {
    /// `<>`: nothing may be answered (RFC 5321 §4.5.5).
    Null,
    Mailbox,
}

/// The class and the sign that decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classification {
    pub class: Class,
    /// For an operator: `Auto-Submitted: auto-replied`.
    pub reason: String,
}

/// Classifies a mail. `bounce` is what `dsn::read` made of it; `own` are our sending addresses (with `@`) and host
/// names (without), lower case.
pub fn classify(
    mail: &ParsedMail,
    bounce: Option<&Bounce>,
    reverse_path: Option<ReversePathKind>,
    own: &[&str],
) -> Classification {
    let signs = [
        bounce.map(of_bounce),
        own_sign(mail, own).map(|reason| (Class::AutoReply, reason)),
        header_sign(mail).map(|reason| (Class::AutoReply, reason)),
        null_path(mail, reverse_path).map(|reason| (Class::AutoReply, reason)),
        is_receipt(mail).then(|| (Class::AutoReply, "multipart/report".to_owned())),
        vacation::sign(mail).map(|reason| (Class::AutoReply, reason)),
    ];
    let is_list = || list_sign(mail, own).map(|reason| (Class::List, reason));
    let decided = match signs.into_iter().flatten().next() {
        // Lists and newsletters declare themselves `auto-generated`; their class says more than that.
        Some((Class::AutoReply, reason)) if reason.starts_with(GENERATED) => {
            is_list().or(Some((Class::AutoReply, reason)))
        }
        Some(decided) => Some(decided),
        None => is_list(),
    };
    let (class, reason) = decided.unwrap_or((Class::Human, "no sign of a machine".to_owned()));
    Classification { class, reason }
}

fn of_bounce(bounce: &Bounce) -> (Class, String) {
    let reason = match bounce.kind {
        BounceKind::Failure => "delivery failure",
        BounceKind::Delayed => "delivery delay",
        BounceKind::Delivered => "delivery confirmation",
        BounceKind::Feedback => "feedback report",
    };
    (Class::Bounce, reason.to_owned())
}

/// Our own mail come back: answering it would be a loop.
fn own_sign(mail: &ParsedMail, own: &[&str]) -> Option<String> {
    if own.is_empty() {
        return None;
    }
    let is_own = |address: &str| own.iter().any(|known| known.eq_ignore_ascii_case(address));
    let sender =
        mail.mailboxes("from").into_iter().chain(mail.mailboxes("sender")).find(|mailbox| is_own(&mailbox.email));
    if let Some(sender) = sender {
        return Some(format!("own sending address: {}", shown(&sender.email)));
    }
    let id = mail.message_id()?;
    has_own_host(&id, own).then(|| "own Message-ID".to_owned())
}

fn has_own_host(id: &MsgId, own: &[&str]) -> bool {
    let host = id.as_str().rsplit('@').next().unwrap_or_default();
    own.iter().any(|known| known.eq_ignore_ascii_case(host))
}

const GENERATED: &str = "Auto-Submitted: auto-generated";

/// Fields by which a machine says that it is one. One walk over the header.
fn header_sign(mail: &ParsedMail) -> Option<String> {
    mail.fields().iter().find_map(|field| {
        let name = field.name.as_str();
        let value = field.value.trim();
        let sign = match name.len() {
            6 if name.eq_ignore_ascii_case("x-loop") => is_yes(value),
            10 if name.eq_ignore_ascii_case("precedence") => is_auto_reply(value),
            // A misspelling that answering machines carry along.
            10 if name.eq_ignore_ascii_case("preference") => is_auto_reply(value),
            19 if name.eq_ignore_ascii_case("x-post-messageclass") => {
                value.to_ascii_lowercase().contains("autoresponder")
            }
            12 if name.eq_ignore_ascii_case("x-precedence") => is_auto_reply(value),
            12 if name.eq_ignore_ascii_case("delivered-to") => value.to_ascii_lowercase().starts_with("autoresponder"),
            14 if name.eq_ignore_ascii_case("x-apple-action") => value.eq_ignore_ascii_case("vacation"),
            4.. if names_automation(name) => !is_no(value),
            _ => false,
        };
        sign.then(|| format!("{}: {}", shown(name), shown(value)))
    })
}

fn is_yes(value: &str) -> bool {
    value.eq_ignore_ascii_case("yes") || value.eq_ignore_ascii_case("true")
}

/// RFC 3834 §5: `no` may carry parameters and comments.
fn is_no(value: &str) -> bool {
    let word = value.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
    matches!(word.as_str(), "no" | "false" | "0" | "none" | "forward" | "off") || value.is_empty()
}

fn is_auto_reply(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    matches!(value.as_str(), "auto_reply" | "auto-reply" | "autoreply" | "auto_replied")
}

/// Field names of auto-responders: `Auto-Submitted`, `X-Autoreply`, `X-Autorespond`, `X-FC-MachineGenerated` and kin.
fn names_automation(name: &str) -> bool {
    let bytes = name.as_bytes();
    let starts = bytes.first().is_some_and(|b| matches!(b, b'x' | b'X' | b'a' | b'A' | b'h' | b'H'));
    let has_word = |word: &[u8]| bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    if !starts || !(has_word(b"auto") || has_word(b"holiday") || has_word(b"machine") || has_word(b"vacation")) {
        return false;
    }
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let names = [
        "autosubmitted",
        "autoreply",
        "autoreplied",
        "autorespon",
        "autoanswer",
        "autogenerated",
        "holidayreply",
        "machinegenerated",
        "vacationreply",
    ];
    !plain.contains("suppress") && names.iter().any(|known| plain.contains(known)) || plain == "xvacation"
}

/// RFC 5321 §4.5.5: the null reverse-path marks what must not be answered; people's mail never has it.
fn null_path(mail: &ParsedMail, reverse_path: Option<ReversePathKind>) -> Option<String> {
    let null = match reverse_path {
        Some(kind) => kind == ReversePathKind::Null,
        None => mail.field("return-path").is_some_and(|path| path.trim() == "<>"),
    };
    let from = mail.field("from").unwrap_or_default();
    let daemon = || from.len() < 500 && from.to_ascii_lowercase().contains("mailer-daemon");
    null.then(|| "null reverse-path".to_owned()).or_else(|| daemon().then(|| "From: mailer-daemon".to_owned()))
}

/// A report that is no bounce: a read receipt (RFC 8098).
fn is_receipt(mail: &ParsedMail) -> bool {
    mail.parts.first().is_some_and(|root| root.media_type == "multipart/report")
}

/// Mailing lists, newsletters and notifications.
fn list_sign(mail: &ParsedMail, own: &[&str]) -> Option<String> {
    let field = |name: &'static str| mail.field(name).map(|value| (name, value));
    let by_list = field("List-Id")
        .or_else(|| field("Feedback-ID"))
        .or_else(|| field("X-BeenThere"))
        .or_else(|| field("Mailing-List"));
    let bulk = || {
        let precedence = field("Precedence").or_else(|| field("X-Precedence"))?;
        let value = precedence.1.trim().to_ascii_lowercase();
        matches!(value.as_str(), "bulk" | "junk" | "list").then_some(precedence)
    };
    let offered = || field("List-Unsubscribe").filter(|_| !is_in_thread(mail));
    let (name, value) = by_list.or_else(bulk).or_else(offered).or_else(|| no_reply(mail))?;
    let person = is_own_list(mail, own) || answers_own_mail(mail, own);
    (!person).then(|| format!("{name}: {}", shown(value)))
}

/// A group address that carries our inbox adds list fields to every customer's mail.
fn is_own_list(mail: &ParsedMail, own: &[&str]) -> bool {
    let list = ["list-post", "list-id", "mailing-list"].iter().filter_map(|name| mail.field(name));
    let list = list.map(str::to_ascii_lowercase).collect::<Vec<_>>().join(" ");
    let addresses = own.iter().filter(|known| known.contains('@')).map(|known| known.to_ascii_lowercase());
    !list.is_empty()
        && addresses
            .into_iter()
            .any(|known| list.contains(&known) || list.contains(&format!("<{}>", known.replace('@', "."))))
}

/// A person's answer to us that went through a list is still a person's answer.
fn answers_own_mail(mail: &ParsedMail, own: &[&str]) -> bool {
    !own.is_empty() && mail.in_reply_to().iter().chain(&mail.references()).any(|id| has_own_host(id, own))
}

fn is_in_thread(mail: &ParsedMail) -> bool {
    mail.field("in-reply-to").is_some() || mail.field("references").is_some()
}

/// A sender that reads no answers, unless `Reply-To` names someone who does, as web forms have it.
fn no_reply(mail: &ParsedMail) -> Option<(&'static str, &str)> {
    let from = mail.field("from").filter(|from| from.len() < 500)?;
    let lower = from.to_ascii_lowercase();
    let local_says = ["noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "do_not_reply"]
        .iter()
        .any(|word| lower.contains(word));
    let answered_elsewhere = || mail.field("reply-to").is_some_and(|to| !to.to_ascii_lowercase().contains("reply@"));
    (local_says && !is_in_thread(mail) && !answered_elsewhere()).then_some(("From", from))
}

/// Words of a peer fit for a reason: short, no controls.
fn shown(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::dsn;

    const OWN: &[&str] = &["support@acme.example", "mx.acme.example"];

    #[track_caller]
    fn check(header: &str, class: Class, reason: &str) {
        let raw = format!("{header}\r\n\r\nHello, where is my order?\r\n").replace("\r\n", "\n").replace('\n', "\r\n");
        let mail = ParsedMail::parse(raw.as_bytes());
        let bounce = dsn::read(&mail);
        let found = classify(&mail, bounce.as_ref(), None, OWN);
        assert_eq!((found.class, found.reason.as_str()), (class, reason), "{header}");
    }

    const HUMAN: &str = "no sign of a machine";

    #[test]
    fn machines_that_say_so_are_believed() {
        let auto = |header: &str, reason: &str| check(header, Class::AutoReply, reason);
        auto("From: a@x.example\nAuto-Submitted: auto-replied (vacation)", "Auto-Submitted: auto-replied (vacation)");
        auto("From: a@x.example\nAuto-Submitted: auto-generated", "Auto-Submitted: auto-generated");
        auto("From: a@x.example\nX-Autoreply: yes", "X-Autoreply: yes");
        auto("From: a@x.example\nX-Autorespond: away", "X-Autorespond: away");
        auto("From: a@x.example\nX-FC-MachineGenerated: true", "X-FC-MachineGenerated: true");
        auto("From: a@x.example\nPrecedence: auto_reply", "Precedence: auto_reply");
        auto("From: a@x.example\nX-Loop: yes", "X-Loop: yes");
        auto("From: a@x.example\nDelivered-To: autoresponder", "Delivered-To: autoresponder");
        auto("From: a@x.example\nReturn-Path: <>", "null reverse-path");
        auto(
            "From: a@x.example\nContent-Type: multipart/report; report-type=disposition-notification",
            "multipart/report",
        );
        auto("From: a@x.example\nX-Apple-Action: vacation", "X-Apple-Action: vacation");
        auto("From: a@x.example\nSubject: Automatic reply: order", "subject: Automatic reply");
    }

    #[test]
    fn our_own_mail_is_never_answered() {
        check("From: Support <support@acme.example>", Class::AutoReply, "own sending address: support@acme.example");
        check("From: a@x.example\nMessage-ID: <1@mx.acme.example>", Class::AutoReply, "own Message-ID");
    }

    #[test]
    fn lists_are_told_from_people() {
        check("From: a@x.example\nList-Id: <news.x.example>", Class::List, "List-Id: <news.x.example>");
        check("From: a@x.example\nPrecedence: bulk", Class::List, "Precedence: bulk");
        check("From: a@x.example\nFeedback-ID: 1:2:3:mailer", Class::List, "Feedback-ID: 1:2:3:mailer");
        check(
            "From: a@x.example\nAuto-Submitted: auto-generated\nList-Id: <l.x.example>",
            Class::List,
            "List-Id: <l.x.example>",
        );
        check("From: Shop <noreply@x.example>", Class::List, "From: Shop <noreply@x.example>");
    }

    #[test]
    fn people_are_not_taken_for_machines() {
        let human = |header: &str| check(header, Class::Human, HUMAN);
        human("From: a@x.example\nSubject: Automatic reply to my order?");
        human("From: a@x.example\nSubject: Re: Out of Office");
        human("From: a@x.example\nSubject: Re: Automatic reply: order");
        human("From: a@x.example\nX-Auto-Response-Suppress: All");
        human("From: a@x.example\nX-Auto-Response-Suppress: DR, OOF, AutoReply\nSubject: Re: order");
        human("From: a@x.example\nAuto-Submitted: no");
        human("From: form@noreply.x.example\nReply-To: customer@y.example");
        human("From: a@x.example\nList-Id: <l.x.example>\nIn-Reply-To: <7@mx.acme.example>");
        human(
            "From: a@x.example\nList-Post: <mailto:support@acme.example>\nList-Id: <support.acme.example>\nPrecedence: list",
        );
        human("From: a@x.example\nList-Unsubscribe: <mailto:u@x.example>\nIn-Reply-To: <7@y.example>");
    }

    #[test]
    fn the_envelope_decides_over_a_header_anyone_can_write() {
        let mail = ParsedMail::parse(b"From: a@x.example\r\nReturn-Path: <>\r\n\r\nHi\r\n");
        let class = |kind| classify(&mail, None, Some(kind), &[]).class;
        assert_eq!(class(ReversePathKind::Mailbox), Class::Human);
        assert_eq!(class(ReversePathKind::Null), Class::AutoReply);
    }
}
