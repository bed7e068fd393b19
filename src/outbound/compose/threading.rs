//! Where a mail stands in its thread: what it answers, its References, its Subject.
//!
//! Mail clients thread by References and, some of them (Gmail), by an unchanged Subject besides. References are each recipient's
//! own, for nobody knows another's mails. The Subject is the conversation's, whoever gets the mail: people in copy of one mail
//! see one subject, and what one of them writes under another subject splits that one's thread once, and nobody else's.

use super::fields;
use super::words::Words;
use crate::clock::UnixMs;
use crate::conversation::delivery::MailKind;
use crate::conversation::keys::{Keys, Purpose};
use crate::conversation::model::Channel;
use crate::mail::msg_id::MsgId;
use crate::store::outgoing::{ThreadMail, ToCompose};

/// The fields by which clients thread.
#[derive(Debug)]
pub struct Thread {
    pub subject: String,
    pub in_reply_to: Vec<MsgId>,
    /// Oldest first.
    pub references: Vec<MsgId>,
}

impl Thread {
    pub fn of(to: &ToCompose, display_name: &str, words: &Words, keys: &Keys, hostname: &str) -> Thread {
        match to.entry.kind {
            MailKind::Answer => {
                let (in_reply_to, references) = after(answered(&to.thread));
                Thread { subject: answer_subject(to, display_name, words), in_reply_to, references }
            }
            MailKind::Notification | MailKind::Notice => {
                let root = root(to, keys, hostname);
                let (in_reply_to, mut references) = after(to.thread.last());
                references.retain(|id| *id != root);
                references.insert(0, root.clone());
                let in_reply_to = if in_reply_to.is_empty() { vec![root] } else { in_reply_to };
                Thread { subject: agent_subject(to), in_reply_to, references: capped(references) }
            }
        }
    }
}

/// What the recipient wrote last; without such, what we sent them last.
fn answered(thread: &[ThreadMail]) -> Option<&ThreadMail> {
    thread.iter().rfind(|mail| mail.incoming).or(thread.last())
}

/// RFC 5322 §3.6.4: the parent's References, then the parent.
fn after(parent: Option<&ThreadMail>) -> (Vec<MsgId>, Vec<MsgId>) {
    let Some(parent) = parent else { return (Vec::new(), Vec::new()) };
    // Whoever wrote the parent wrote these: what does not look like an id is left out.
    let mut references: Vec<MsgId> = Vec::with_capacity(parent.references.len() + 1);
    let own = MsgId::parse(&parent.message_id);
    for id in parent.references.iter().filter_map(|id| MsgId::parse(id)) {
        if Some(&id) != own.as_ref() && !references.contains(&id) {
            references.push(id);
        }
    }
    references.extend(own.clone());
    (own.into_iter().collect(), capped(references))
}

/// The first, which names the thread, and the latest.
fn capped(mut references: Vec<MsgId>) -> Vec<MsgId> {
    if references.len() > REFERENCES_MAX {
        references.drain(1..=references.len() - REFERENCES_MAX);
    }
    references
}

/// An id that no mail has: all notifications of a conversation to an agent refer to it, so that they are one thread from
/// the first one on, whichever of them the agent deletes.
fn root(to: &ToCompose, keys: &Keys, hostname: &str) -> MsgId {
    let agent = to.entry.agent_id.map(|id| id.to_string()).unwrap_or_default();
    let conversation = to.conversation.id;
    let mark = keys.sign(Purpose::MessageId, &format!("thread {conversation} {agent}"), UnixMs(0));
    MsgId::parse(&format!("{conversation}.{mark}@{hostname}")).expect("ids, hex and a host name make a Message-ID")
}

/// One subject for a conversation: its own, else that of the first mail with the contact; `Re: ` once, if a mail is answered.
fn answer_subject(to: &ToCompose, display_name: &str, words: &Words) -> String {
    let first_mail = to.first_subject.as_deref();
    let subject = to.conversation.subject.as_deref().map(base).filter(|subject| !subject.is_empty());
    let subject = subject.or_else(|| first_mail.map(base).filter(|subject| !subject.is_empty()));
    let answers_mail = to.conversation.channel == Channel::Email || to.thread.iter().any(|mail| mail.incoming);
    match subject {
        Some(subject) if answers_mail => format!("Re: {subject}"),
        Some(subject) => subject,
        None if answers_mail => format!("Re: {}", words.subject(display_name)),
        None => words.subject(display_name),
    }
}

/// Agents see the same subject from the first notification on.
fn agent_subject(to: &ToCompose) -> String {
    let first = to.thread.iter().find(|mail| !mail.incoming).and_then(|mail| mail.subject.as_deref());
    let subject = first.or(to.conversation.subject.as_deref()).map(base).filter(|subject| !subject.is_empty());
    let contact = &to.conversation.contact;
    let name = || contact.name.as_deref().or(contact.mail_address()).unwrap_or("a visitor");
    subject.unwrap_or_else(|| fields::subject(&format!("Conversation with {}", name())))
}

/// A subject without the marks of replies that clients put before it.
fn base(subject: &str) -> String {
    let whole = fields::subject(subject);
    let mut rest = whole.as_str();
    while let Some((mark, after)) = rest.split_once([':', '：']) {
        let mark = mark.trim().split('[').next().unwrap_or_default().to_lowercase();
        if !REPLY_MARKS.contains(&mark.as_str()) {
            break;
        }
        rest = after.trim_start();
    }
    rest.to_owned()
}

/// `Re` in the languages whose clients translate it; `Re[2]` counts.
const REPLY_MARKS: [&str; 14] =
    ["re", "aw", "antw", "sv", "vs", "ref", "rif", "r", "odp", "ynt", "res", "回复", "回覆", "答复"];

/// Old clients cut long fields; the first and the latest are what threading needs.
const REFERENCES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_replies_go_whatever_the_client() {
        for (subject, expected) in [
            ("Re: Order", "Order"),
            ("AW: Re: Re[2]: Order: late", "Order: late"),
            ("Fwd: Order", "Fwd: Order"),
            ("Re:", ""),
            ("回复：订单", "订单"),
            ("Order\r\nBcc: x", "Order Bcc: x"),
            ("Re:\u{202e} x", "x"),
        ] {
            assert_eq!(base(subject), expected, "{subject:?}");
        }
    }

    #[test]
    fn references_are_the_parents_and_the_parent_within_bounds() {
        let parent = |references: Vec<String>| ThreadMail {
            message_id: "last@x".into(),
            references,
            subject: None,
            incoming: true,
        };
        let shown = |references| {
            let (to, all) = after(Some(&parent(references)));
            assert_eq!(to.iter().map(MsgId::as_str).collect::<Vec<_>>(), ["last@x"]);
            all.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(vec!["a@x".into(), "b@x\r\nBcc: z".into(), "a@x".into(), "last@x".into()]), ["a@x", "last@x"]);
        let many = shown((0..500).map(|n| format!("{n}@x")).collect());
        assert_eq!((many.len(), many[0].as_str(), many[1].as_str(), many[19].as_str()), (20, "0@x", "482@x", "last@x"));
        assert_eq!(shown(vec![format!("{}@x", "y".repeat(2048))]), ["last@x"]);
    }
}
