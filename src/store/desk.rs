//! What the store knows of agents at the desk, and what they keep there.

use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::delivery::DeliveryState;
use crate::conversation::id::Id;
use crate::conversation::model::{Author, Status, Via};

/// A session that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSession {
    pub agent: Agent,
    pub created_at: UnixMs,
    /// When its use was noted last.
    pub used_at: UnixMs,
}

/// What an agent changes of a conversation; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationChanges {
    pub status: Option<Status>,
    /// With status `Snoozed`: when it wakes.
    pub snoozed_until: Option<UnixMs>,
    /// The inner `None`: nobody.
    pub assignee: Option<Option<String>>,
    pub subject: Option<String>,
}

/// What a list shows beside a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    pub conversation: Id,
    /// Whether the agent who looks has something to read; `None`: no agent looks.
    pub unread: Option<bool>,
    pub last_message: Option<LastMessage>,
    /// `Failed`, or `Deferred` for long: nobody wrote since the last answer, and it has not arrived.
    pub undelivered: Option<DeliveryState>,
}

/// The beginning of the last message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastMessage {
    pub text: String,
    pub author: Author,
    pub via: Via,
    pub at: UnixMs,
}

/// Whom the conversations of a list are assigned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssigneeWish {
    Nobody,
    /// Canonical key.
    Agent(String),
}

/// An answer kept for use again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannedAnswer {
    pub id: Id,
    pub account: String,
    /// What is typed to find it.
    pub name: String,
    pub text: String,
    pub created_at: UnixMs,
}

/// A letter with a sign-in link that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInLetter {
    pub id: Id,
    pub agent: Agent,
    /// Of its link; after it the letter is worth nothing.
    pub expires_at: UnixMs,
    pub due_at: UnixMs,
    pub attempts: u32,
}

/// What came of an attempt to send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterEnd {
    /// Sent, or never to be.
    Over,
    /// To be tried again, unless it expires before.
    Later(UnixMs),
}
