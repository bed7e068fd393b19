//! The queue of outgoing mail, suppressed addresses and events, as the stages and surfaces see them.

use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::delivery::{DeliveryState, MailKind, Phase, RecipientKind, SuppressionReason};
use crate::conversation::id::Id;
use crate::conversation::model::{Conversation, Email, Message};
use crate::conversation::reply_token::ReplyToken;
use crate::limits::MailBudgets;
use crate::retry;
use serde::Serialize;
use std::time::Duration;

pub use crate::conversation::event::EventKind;

/// What the config says of mail that is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingSettings {
    /// Right of the `@` of our Message-IDs.
    pub hostname: String,
    /// How long a mail is tried.
    pub give_up: Duration,
    /// How many mails go within an hour.
    pub budgets: MailBudgets,
}

impl Default for OutgoingSettings {
    fn default() -> Self {
        OutgoingSettings { hostname: "localhost".to_owned(), give_up: retry::GIVE_UP, budgets: MailBudgets::default() }
    }
}

/// One mail to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    pub id: Id,
    pub account: String,
    pub conversation_id: Id,
    pub kind: MailKind,
    /// As it is written to: the contact's, participant's or agent's address.
    pub recipient: String,
    pub recipient_kind: RecipientKind,
    pub agent_id: Option<Id>,
    /// Of the recipient, in lower case; what concurrency and fairness go by until the site is known.
    pub domain: String,
    /// The messages that go out with it, oldest first; empty for a notice.
    pub messages: Vec<Id>,
    /// A notice's words.
    pub notice: Option<String>,
    /// Where this recipient answers.
    pub reply_token: ReplyToken,
    /// Ours, without angle brackets; the same at every attempt.
    pub message_id: String,
    pub require_tls: bool,
    pub state: DeliveryState,
    pub phase: Option<Phase>,
    /// An operator, or a budget, holds it: no attempt until it is released.
    pub held: bool,
    pub uncertain: bool,
    /// A person wants it tried now, even if its site rests.
    pub urgent: bool,
    pub created_at: UnixMs,
    pub due_at: Option<UnixMs>,
    pub give_up_at: UnixMs,
    pub attempts: u32,
    pub last_attempt_at: Option<UnixMs>,
    pub remote: Option<String>,
    pub remote_reply: Option<String>,
    pub tls: Option<String>,
    /// What the state means, in words.
    pub reason: Option<String>,
    /// What was said in the last attempt; bounded, secrets masked.
    pub transcript: Option<String>,
    /// When a report said that it did not arrive after all, and the report's words: `5.1.1 (no such user)`.
    pub bounced_at: Option<UnixMs>,
    pub bounce_diagnostic: Option<String>,
    /// The octets that went, or may have gone, out.
    pub raw_id: Option<Id>,
}

/// What is asked of the queue by its worker.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    pub limit: usize,
    /// At most so many of one domain.
    pub per_domain: usize,
    /// Domains that take no more now.
    pub busy: Vec<String>,
}

/// Everything a mail is composed of, in one read.
#[derive(Debug, Clone)]
pub struct ToCompose {
    /// When that was read: what is signed is signed then.
    pub now: UnixMs,
    pub entry: QueueEntry,
    pub conversation: Conversation,
    /// Those of the entry, oldest first, with their attachments.
    pub messages: Vec<Message>,
    /// What was said before the first of them, oldest first, at most [`HISTORY_MAX`] and [`HISTORY_OCTETS_MAX`]: authors and
    /// texts; no notes, no activities.
    pub history: Vec<Message>,
    /// Mails of the conversation before this one that this recipient sent or got, oldest first, at most [`THREAD_MAX`].
    pub thread: Vec<ThreadMail>,
    /// Subject of the first mail between us and the contact, whoever the recipient is.
    pub first_subject: Option<String>,
    /// The recipient of a notification or notice.
    pub agent: Option<Agent>,
    /// Whom the conversation is assigned to.
    pub assignee: Option<Agent>,
    /// Who else gets the entry's messages by mail of their own: contact and participants, never agents. Everyone sees
    /// them in `To` and `Cc`, because the agent chose them; nobody else is ever named there.
    pub others: Vec<OtherRecipient>,
}

/// Another recipient of the same messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRecipient {
    pub address: String,
    pub kind: RecipientKind,
}

pub const HISTORY_MAX: usize = 100;
/// Of all quotes of one mail; what is older stays in the conversation.
pub const QUOTED_OCTETS_MAX: usize = 64 * 1024;
/// More than is quoted: whoever composes leaves some out.
pub const HISTORY_OCTETS_MAX: usize = 1024 * 1024;
pub const THREAD_MAX: usize = 100;

/// A mail of the same thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadMail {
    /// Without angle brackets.
    pub message_id: String,
    /// Its own References, oldest first.
    pub references: Vec<String>,
    pub subject: Option<String>,
    /// The recipient wrote it; else we sent it to the recipient.
    pub incoming: bool,
}

/// The octets that go out and what the message will show of them.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub octets: Vec<u8>,
    /// `raw_id` is set by the store.
    pub email: Email,
}

/// How much mail is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    pub waiting: u64,
    pub queued: u64,
    pub deferred: u64,
    /// Of any of these states.
    pub held: u64,
    /// When the first of those that are to be sent was queued.
    pub oldest: Option<UnixMs>,
}

/// When what is unseen in a conversation goes out by mail, and why then or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    pub due_at: Option<UnixMs>,
    pub reason: String,
    /// Something unseen is not on its way yet.
    pub waits: bool,
}

/// What would become of a message written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// It is in the chat at once.
    pub chat: bool,
    pub email: Option<ForecastMail>,
    /// Why it goes by mail then, or not at all.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForecastMail {
    pub to: String,
    pub due_at: UnixMs,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    pub outcome: AttemptOutcome,
    /// `mx.example [192.0.2.1]:25`
    pub remote: Option<String>,
    pub remote_reply: Option<String>,
    pub tls: Option<String>,
    pub reason: String,
    pub transcript: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    Delivered,
    /// `uncertain`: the peer may have taken it.
    Deferred {
        due_at: UnixMs,
        uncertain: bool,
    },
    /// For good; `suppress` when the address itself is bad.
    Failed {
        suppress: Option<SuppressionReason>,
    },
    /// Not an attempt after all: the site was busy, or we are stopping. Not counted.
    PutBack {
        due_at: UnixMs,
    },
}

/// A page of the queue, newest first.
#[derive(Debug, Clone, Default)]
pub struct QueueQuery {
    pub account: Option<String>,
    /// Of conversations of these inboxes only.
    pub inboxes: Option<Vec<String>>,
    pub state: Option<DeliveryState>,
    pub conversation: Option<Id>,
    /// Part of the recipient's address.
    pub recipient: Option<String>,
    /// The recipient's domain, whole.
    pub domain: Option<String>,
    /// Part of the host of the last attempt: name, address or port.
    pub host: Option<String>,
    /// Queued then, or earlier.
    pub created_by: Option<UnixMs>,
    pub before: Option<Id>,
    pub limit: usize,
}

/// What an operator wants of mail in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueOrder {
    Hold,
    Release,
    /// Due now, in its turn.
    Retry,
    Cancel,
    Fail {
        reason: String,
    },
}

/// What became of one step of an order over many mails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ordered {
    /// Mails that were looked at.
    pub matched: u64,
    pub changed: u64,
    /// Those that could not be changed, and why the first of them could not.
    pub left: u64,
    pub left_reason: Option<String>,
    /// Where the next step goes on; `None`: nothing is left.
    pub next: Option<Id>,
}

impl Ordered {
    /// This and what a later part of the same step came to.
    #[must_use]
    pub fn and(self, later: Ordered) -> Ordered {
        Ordered {
            matched: self.matched + later.matched,
            changed: self.changed + later.changed,
            left: self.left + later.left,
            left_reason: self.left_reason.or(later.left_reason),
            next: later.next,
        }
    }
}

/// An address that gets no mail from an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuppressionRow {
    pub account: String,
    pub email: String,
    pub reason: SuppressionReason,
    /// What the remote host said.
    pub detail: Option<String>,
    pub since: UnixMs,
    pub expires_at: Option<UnixMs>,
}

/// What a bounce with a valid bounce token says of the mail it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BounceFact {
    pub entry: Id,
    pub kind: BounceFactKind,
    /// `5.1.1 (no such user)`
    pub words: String,
    pub suppress: Option<SuppressionReason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BounceFactKind {
    Failed,
    Delayed,
    Delivered,
    Complaint,
}

/// Something that happened, for events and webhooks. Its id is its place in the order.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Id,
    pub at: UnixMs,
    pub account: String,
    pub kind: EventKind,
    pub conversation_id: Id,
    pub message_id: Option<Id>,
    pub queue_id: Option<Id>,
    /// What changed, small: the rest is asked for by id.
    pub detail: serde_json::Value,
}

/// What a command in an agent's mail asks, filed in the same commit as their message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentOrder {
    Resolve,
    /// To the agent of this address (canonical key).
    Assign(String),
    SnoozeUntil(UnixMs),
    /// No such command, or one that cannot be done: the agent gets these words by mail, once, and nothing else happens.
    Explain(String),
}
