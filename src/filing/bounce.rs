//! What a report of a delivery means: one line for people, and, where it came to a bounce token of ours, a fact about that
//! mail. Pure.
//!
//! The token says which mail it is about; what the report says of recipients is a stranger's word. So a fact is about that
//! one mail only, and the address is given up only if the report names it.

use crate::conversation::delivery::SuppressionReason;
use crate::mail::address::email_key;
use crate::mail::dsn::{Bounce, BounceKind, BouncedRecipient};
use crate::store::outgoing::{BounceFact, BounceFactKind, QueueEntry};

/// A bounce in one line: `Delivery to a@b.example failed: 5.1.1 (no such user)`.
pub fn sentence(bounce: &Bounce) -> String {
    let what = match bounce.kind {
        BounceKind::Failure => "failed",
        BounceKind::Delayed => "is delayed",
        BounceKind::Delivered => "succeeded",
        BounceKind::Feedback => return "A recipient's provider reported a mail of ours as unwanted".to_owned(),
    };
    let Some(first) = bounce.recipients.first() else { return format!("Delivery {what}") };
    let BouncedRecipient { recipient, status, diagnostic, .. } = first;
    let status = status.as_ref().map(|status| format!(": {status}")).unwrap_or_default();
    let diagnostic = diagnostic.as_ref().map(|words| format!(" ({words})")).unwrap_or_default();
    let others = match bounce.recipients.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("Delivery to {recipient} {what}{status}{diagnostic}{others}")
}

/// What it says of a mail of ours whose bounce token it came to.
pub fn fact(bounce: &Bounce, entry: &QueueEntry) -> BounceFact {
    let ours = email_key(&entry.recipient);
    let named = bounce.recipients.iter().find(|recipient| email_key(&recipient.recipient) == ours);
    let about = named.or_else(|| bounce.recipients.iter().find(|recipient| failed(recipient)));
    let about = about.or(bounce.recipients.first());
    let kind = match bounce.kind {
        // A report names several recipients with several ends; ours may be one that arrived.
        BounceKind::Failure => named.map_or(BounceFactKind::Failed, kind_of),
        BounceKind::Delayed => BounceFactKind::Delayed,
        BounceKind::Delivered => BounceFactKind::Delivered,
        BounceKind::Feedback => BounceFactKind::Complaint,
    };
    let suppress = match kind {
        BounceFactKind::Failed => named.and_then(suppression),
        BounceFactKind::Complaint => Some(SuppressionReason::Complaint),
        BounceFactKind::Delayed | BounceFactKind::Delivered => None,
    };
    BounceFact { entry: entry.id, kind, words: words(bounce, about, named.is_some()), suppress }
}

fn failed(recipient: &BouncedRecipient) -> bool {
    recipient.action.as_deref().is_none_or(|action| action == "failed")
}

fn kind_of(recipient: &BouncedRecipient) -> BounceFactKind {
    match recipient.action.as_deref() {
        Some("delayed") => BounceFactKind::Delayed,
        Some("delivered" | "relayed" | "expanded") => BounceFactKind::Delivered,
        _ => BounceFactKind::Failed,
    }
}

/// Only the codes that speak of the address itself: a policy, a filter or a full disk is no reason to write nobody again.
fn suppression(recipient: &BouncedRecipient) -> Option<SuppressionReason> {
    match recipient.status.as_deref() {
        Some("5.1.1" | "5.1.2" | "5.1.10" | "5.2.1") => recipient.is_hard().then_some(SuppressionReason::BadAddress),
        Some("5.2.2") => Some(SuppressionReason::MailboxFull),
        _ => None,
    }
}

/// `5.1.1 (no such user)`; of a recipient that we do not know the mail was forwarded, and the agent is told to whom.
fn words(bounce: &Bounce, about: Option<&BouncedRecipient>, is_ours: bool) -> String {
    let Some(about) = about else { return sentence(bounce) };
    let facts = [about.status.clone(), about.diagnostic.as_ref().map(|words| format!("({words})"))];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    let facts = if facts.is_empty() { sentence(bounce) } else { facts.join(" ") };
    let mut words = if is_ours { facts } else { format!("about {}: {facts}", about.recipient) };
    words.truncate(words.floor_char_boundary(WORDS_OCTETS_MAX));
    words
}

const WORDS_OCTETS_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;
    use crate::conversation::delivery::{DeliveryState, MailKind, RecipientKind};
    use crate::conversation::id::Id;
    use crate::conversation::reply_token::ReplyToken;

    /// To Ann.
    fn entry() -> QueueEntry {
        QueueEntry {
            id: Id(7),
            account: "acme".into(),
            conversation_id: Id(1),
            kind: MailKind::Answer,
            recipient: "Ann@x.example".into(),
            recipient_kind: RecipientKind::Contact,
            agent_id: None,
            domain: "x.example".into(),
            messages: Vec::new(),
            notice: None,
            reply_token: ReplyToken([1; 16]),
            message_id: "7@mx.example".into(),
            require_tls: false,
            state: DeliveryState::Delivered,
            phase: None,
            held: false,
            uncertain: false,
            urgent: false,
            created_at: UnixMs(0),
            due_at: None,
            give_up_at: UnixMs(0),
            attempts: 1,
            last_attempt_at: None,
            remote: None,
            remote_reply: None,
            tls: None,
            reason: None,
            transcript: None,
            bounced_at: None,
            bounce_diagnostic: None,
            raw_id: None,
        }
    }

    fn recipient(email: &str, status: &str, action: &str, diagnostic: &str) -> BouncedRecipient {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        BouncedRecipient {
            recipient: email.into(),
            status: some(status),
            action: some(action),
            diagnostic: some(diagnostic),
        }
    }

    fn bounce(kind: BounceKind, recipients: Vec<BouncedRecipient>) -> Bounce {
        Bounce { kind, hard: false, original_message_id: None, recipients }
    }

    fn check(
        kind: BounceKind,
        recipients: Vec<BouncedRecipient>,
        expected: BounceFactKind,
        suppress: Option<SuppressionReason>,
        words: &str,
    ) {
        let fact = fact(&bounce(kind, recipients), &entry());
        assert_eq!((fact.entry, fact.kind, fact.suppress, fact.words.as_str()), (Id(7), expected, suppress, words));
    }

    #[test]
    fn only_codes_of_the_address_give_it_up() {
        use SuppressionReason::{BadAddress, MailboxFull};
        for (status, suppress) in [
            ("5.1.1", Some(BadAddress)),
            ("5.1.2", Some(BadAddress)),
            ("5.1.10", Some(BadAddress)),
            ("5.2.1", Some(BadAddress)),
            ("5.2.2", Some(MailboxFull)),
            ("5.7.1", None),
            ("5.0.0", None),
            ("4.4.7", None),
            ("5.1.1.1", None),
            ("", None),
        ] {
            let failed = recipient("ann@x.example", status, "failed", "gone");
            let words = format!("{status} (gone)");
            check(BounceKind::Failure, vec![failed], BounceFactKind::Failed, suppress, words.trim());
        }
        // The code says one thing and the words another: in doubt the address is kept.
        let full = recipient("ann@x.example", "5.1.1", "failed", "mailbox full");
        assert_eq!(fact(&bounce(BounceKind::Failure, vec![full]), &entry()).suppress, None);
    }

    #[test]
    fn another_recipient_is_named_and_costs_ours_nothing() {
        let bob = || recipient("bob@y.example", "5.1.1", "failed", "no such user");
        let words = "about bob@y.example: 5.1.1 (no such user)";
        check(BounceKind::Failure, vec![bob()], BounceFactKind::Failed, None, words);
        let ann = recipient("ann@x.example", "2.0.0", "relayed", "");
        check(BounceKind::Failure, vec![bob(), ann], BounceFactKind::Delivered, None, "2.0.0");
        check(BounceKind::Failure, Vec::new(), BounceFactKind::Failed, None, "Delivery failed");
    }

    #[test]
    fn delays_arrivals_and_complaints_are_what_they_say() {
        let ann = |status: &str, action: &str| vec![recipient("ann@x.example", status, action, "")];
        check(BounceKind::Delayed, ann("4.4.1", "delayed"), BounceFactKind::Delayed, None, "4.4.1");
        check(BounceKind::Delivered, ann("2.0.0", "delivered"), BounceFactKind::Delivered, None, "2.0.0");
        let complaint = Some(SuppressionReason::Complaint);
        let words = "A recipient's provider reported a mail of ours as unwanted";
        check(BounceKind::Feedback, ann("", ""), BounceFactKind::Complaint, complaint, words);
    }

    #[test]
    fn words_are_bounded() {
        let long = recipient("bob@y.example", "5.0.0", "failed", &"ü".repeat(3000));
        assert!(fact(&bounce(BounceKind::Failure, vec![long]), &entry()).words.len() <= WORDS_OCTETS_MAX);
    }
}
