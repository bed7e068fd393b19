//! One mail, from a queue entry to signed octets.

use super::addressing::Addressing;
use super::attachments::{self, Attachments};
use super::fields::{self, Mailbox};
use super::inspection;
use super::mime::Parts;
use super::sender::{Desk, Sender};
use super::templates::TemplateError;
use super::threading::Thread;
use super::view::{View, is_continuity};
use super::words::Words;
use crate::clock::UnixMs;
use crate::conversation::delivery::MailKind;
use crate::conversation::id::Id;
use crate::conversation::links;
use crate::conversation::model::Email;
use crate::mail::address::AddressError;
use crate::mail::automatic::Class;
use crate::mail::msg_id::MsgId;
use crate::sender_auth::SignError;
use crate::store::outgoing::ToCompose;
use lettre::message::header::{HeaderValue, Headers};

/// A mail, ready to go.
#[derive(Debug, Clone)]
pub struct Composed {
    /// 7-bit, CRLF, signed; without dot-stuffing.
    pub octets: Vec<u8>,
    /// What its messages show of it; `raw_id` is the store's to set.
    pub email: Email,
    pub envelope_from: String,
    pub envelope_to: String,
    pub require_tls: bool,
}

/// An attachment's octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub attachment: Id,
    pub octets: Vec<u8>,
}

/// Why a mail cannot be composed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    #[error("the account left the config; put it back, or cancel the mail")]
    NoAccount,
    #[error("the recipient's address cannot be mailed to: {reason}")]
    Recipient { reason: AddressError },
    #[error(
        "the recipient's address has letters beyond ASCII before its @, which mail of ours does without (RFC 6531); \
         ask for another address"
    )]
    InternationalRecipient,
    #[error("an address of our own is none: {reason}; look at inbound_domain and the inbox's address")]
    Own { reason: AddressError },
    #[error("nothing to say: the mail has neither messages nor words of ours")]
    Empty,
    #[error("template {0}")]
    Template(#[from] TemplateError),
    #[error("it was not sent because its octets hold {0}; this is a fault of replyd, please report it")]
    Malformed(&'static str),
    #[error("it was not signed: {0}")]
    Signature(#[from] SignError),
}

impl ComposeError {
    /// RFC 3463; for what will not change by waiting. `None`: an operator can mend it, so the mail waits.
    pub fn enhanced(&self) -> Option<&'static str> {
        match self {
            ComposeError::Recipient { .. } => Some("5.1.3"),
            ComposeError::InternationalRecipient => Some("5.6.7"),
            ComposeError::Malformed(_) | ComposeError::Empty => Some("5.6.0"),
            ComposeError::NoAccount | ComposeError::Own { .. } | ComposeError::Template(_) => None,
            ComposeError::Signature(_) => None,
        }
    }
}

/// The attachments whose octets [`compose`] should be given; the others become links.
pub fn files_wanted(to: &ToCompose, sender: &Sender) -> Vec<Id> {
    attachments::fitting(to, sender.attachments_max)
}

/// The mail of a queue entry: but for the time of its signatures the same octets for the same entry, keys and config.
pub fn compose(to: &ToCompose, files: &[File], sender: &Sender) -> Result<Composed, ComposeError> {
    let desk = sender.desk(&to.entry.account).ok_or(ComposeError::NoAccount)?;
    if to.messages.is_empty() && to.entry.notice.is_none() {
        return Err(ComposeError::Empty);
    }
    let letter = Letter::write(to, files, sender, desk)?;
    let mut octets = letter.octets();
    if let Some(fault) = inspection::fault(&octets, &letter.field_names) {
        return Err(ComposeError::Malformed(fault));
    }
    let signatures = desk.signer.sign(&octets, letter.addressing.from.address.domain(), to.now.seconds())?;
    octets.splice(0..0, signatures);
    Ok(Composed {
        octets,
        envelope_from: letter.addressing.envelope_from.clone(),
        envelope_to: letter.addressing.envelope_to.to_string(),
        require_tls: to.entry.require_tls,
        email: letter.email(to),
    })
}

/// Header and body before they are octets.
struct Letter {
    /// When it was written.
    at: UnixMs,
    addressing: Addressing,
    thread: Thread,
    headers: Headers,
    field_names: Vec<&'static str>,
    parts: Parts,
}

impl Letter {
    fn write(to: &ToCompose, files: &[File], sender: &Sender, desk: &Desk) -> Result<Letter, ComposeError> {
        let at = written_at(to);
        let voice = desk.voice(&to.conversation.inbox);
        let addressing = Addressing::of(to, desk, sender)?;
        let words = Words::of(voice.language);
        let thread = Thread::of(to, &voice.display_name, words, &sender.keys, &sender.hostname);
        let attachments = Attachments::of(to, files, sender, at);
        let view = View::of(to, &thread.subject, &attachments, desk, sender)?;
        let (text, html) = desk.templates.render(to.entry.kind, &view)?;
        let boundary =
            sender.keys.sign(crate::conversation::keys::Purpose::Boundary, &to.entry.id.to_string(), UnixMs(0));
        let mut letter = Letter {
            at,
            addressing,
            thread,
            headers: Headers::new(),
            field_names: Vec::new(),
            parts: Parts::new(&text, &html, attachments.parts(), &boundary),
        };
        letter.address();
        letter.thread(to)?;
        letter.describe(to, sender, view.language);
        letter.field_names.push("Content-Type");
        Ok(letter)
    }

    fn set(&mut self, name: &'static str, value: HeaderValue) {
        self.field_names.push(name);
        self.headers.insert_raw(value);
    }

    fn fixed(&mut self, name: &'static str, value: impl Into<String>) {
        self.set(name, fields::fixed(name, value.into()));
    }

    fn address(&mut self) {
        let Addressing { from, reply_to, to, cc, .. } = &self.addressing;
        let values = [
            ("From", fields::mailboxes("From", std::slice::from_ref(from))),
            ("Reply-To", fields::mailboxes("Reply-To", std::slice::from_ref(reply_to))),
            ("To", fields::mailboxes("To", to)),
        ];
        let cc = (!cc.is_empty()).then(|| fields::mailboxes("Cc", cc));
        for (name, value) in values {
            self.set(name, value);
        }
        if let Some(cc) = cc {
            self.set("Cc", cc);
        }
    }

    fn thread(&mut self, to: &ToCompose) -> Result<(), ComposeError> {
        let own = MsgId::parse(&to.entry.message_id).ok_or(ComposeError::Malformed("a Message-ID that is none"))?;
        let subject = fields::text("Subject", &self.thread.subject);
        let in_reply_to = self.thread.in_reply_to.clone();
        let references = self.thread.references.clone();
        self.set("Subject", subject);
        self.fixed("Date", date(self.at));
        self.set("Message-ID", fields::ids("Message-ID", &[own]));
        if !in_reply_to.is_empty() {
            self.set("In-Reply-To", fields::ids("In-Reply-To", &in_reply_to));
        }
        if !references.is_empty() {
            self.set("References", fields::ids("References", &references));
        }
        Ok(())
    }

    fn describe(&mut self, to: &ToCompose, sender: &Sender, language: &'static str) {
        match to.entry.kind {
            // RFC 3834 §2: a person wrote it, so an answering machine may answer.
            MailKind::Answer => {}
            MailKind::Notification | MailKind::Notice => {
                self.fixed("Auto-Submitted", "auto-generated");
                // Exchange heeds this one only.
                self.fixed("X-Auto-Response-Suppress", "All");
            }
        }
        if is_continuity(to) {
            let url = links::unsubscribe_url(&sender.keys, &sender.public_url, to.entry.id);
            self.fixed("List-Unsubscribe", format!("<{url}>"));
            self.fixed("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
        }
        self.fixed(links::LOOP_FIELD, links::loop_mark(&sender.keys, &to.entry.account, to.entry.id));
        self.fixed("Content-Language", language);
        self.fixed("MIME-Version", "1.0");
    }

    fn octets(&self) -> Vec<u8> {
        let mut octets = self.headers.to_string().into_bytes();
        octets.extend_from_slice(&self.parts.formatted());
        octets
    }

    fn email(self, to: &ToCompose) -> Email {
        let shown = |mailboxes: &[Mailbox]| mailboxes.iter().map(Mailbox::shown).collect::<Vec<_>>();
        let ids = |ids: &[MsgId]| ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
        Email {
            message_id: Some(to.entry.message_id.clone()),
            in_reply_to: ids(&self.thread.in_reply_to),
            references: ids(&self.thread.references),
            from: vec![self.addressing.from.shown()],
            reply_to: vec![self.addressing.reply_to.shown()],
            to: shown(&self.addressing.to),
            cc: shown(&self.addressing.cc),
            subject: Some(self.thread.subject.clone()),
            envelope_from: self.addressing.envelope_from.clone(),
            envelope_to: self.addressing.envelope_to.to_string(),
            class: Class::Human,
            class_reason: String::new(),
            bounce: None,
            auth: serde_json::Value::Null,
            ingress: None,
            raw_id: Id(0),
            defects: Vec::new(),
        }
    }
}

/// When its last message was written, not when it goes out: the same at every attempt.
fn written_at(to: &ToCompose) -> UnixMs {
    let last = to.messages.iter().map(|message| message.created_at).max();
    last.map_or(to.entry.created_at, |last| last.max(to.entry.created_at))
}

/// RFC 5322 §3.3.
pub(super) fn date(at: UnixMs) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
