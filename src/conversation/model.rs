//! Conversation, message, contact and participant as everything above the store sees them.
//! The JSON of the API is made of these words; `docs/ARCHITECTURE.md` defines each.

use super::delivery::Delivery;
use super::id::Id;
use super::presence::Presence;
use super::reply_token::ReplyToken;
use crate::clock::UnixMs;
use crate::mail::automatic::Class;
use crate::mail::dsn::Bounce;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Open,
    Resolved,
    Snoozed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Widget,
    Email,
    Api,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Incoming,
    Outgoing,
    Note,
    Activity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorKind {
    Contact,
    Agent,
    Participant,
    System,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    Widget,
    Email,
    Api,
    Desk,
}

/// The door by which a mail came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ingress {
    Smtp,
    Lmtp,
    Relay,
    Mailgun,
    Mandrill,
    Postmark,
    Sendgrid,
    Pipe,
}

/// Where a mail offered to us stands. `Accepted` is the only state that is not final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    Filed,
    Rejected,
    Deferred,
    Duplicate,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    pub kind: AuthorKind,
    pub name: Option<String>,
    pub email: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contact {
    pub id: Id,
    pub name: Option<String>,
    /// Proven, or told by a system of the account's.
    pub email: Option<String>,
    /// Typed by a visitor and not proven: mail goes there, nothing is found or merged by it.
    pub claimed_email: Option<String>,
    pub identifier: Option<String>,
    /// Since when mail to the address comes back, and why.
    pub bounced: Option<Bounced>,
}

impl Contact {
    /// Where mail to the contact goes.
    pub fn mail_address(&self) -> Option<&str> {
        self.claimed_email.as_deref().or(self.email.as_deref())
    }
}

/// A contact's address that does not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bounced {
    pub since: UnixMs,
    pub reason: String,
}

/// Anyone else on the mail; never taken for the contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Participant {
    pub name: Option<String>,
    pub email: String,
    pub since: UnixMs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub id: Id,
    pub account: String,
    pub inbox: String,
    pub channel: Channel,
    pub status: Status,
    pub subject: Option<String>,
    pub assignee: Option<String>,
    pub snoozed_until: Option<UnixMs>,
    pub contact: Contact,
    pub participants: Vec<Participant>,
    /// The contact's token.
    pub reply_token: ReplyToken,
    /// When that token ceases, or ceased, to let mail in.
    pub reply_token_until: Option<UnixMs>,
    /// Whether that is for good: nothing gives a revoked token another end.
    pub reply_token_is_revoked: bool,
    pub created_at: UnixMs,
    pub last_message_at: Option<UnixMs>,
    /// Outgoing messages the contact has not seen.
    pub unseen_by_contact: u32,
    /// Who is in the chat, and since when it is so; `None`: always.
    pub presence: Presence,
    pub presence_since: Option<UnixMs>,
    /// The contact wants no mail of this conversation.
    pub mail_off: bool,
    /// Where on the site the contact was last.
    pub page: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub id: Id,
    pub conversation_id: Id,
    pub direction: Direction,
    pub author: Author,
    pub via: Via,
    /// What the person wrote, trimmed.
    pub text: String,
    /// As the mail or API gave it; sanitised whenever it is shown (never here: sanitising is off the acceptance path).
    pub html: Option<String>,
    pub quoted: String,
    pub signature: String,
    pub attachments: Vec<Attachment>,
    pub created_at: UnixMs,
    pub seen_at: Option<UnixMs>,
    pub email: Option<Email>,
    /// Until when its author may take it back: nobody but agents sees it before.
    pub held_until: Option<UnixMs>,
    /// Of an agent's message: how it reaches the contact by mail.
    pub delivery: Option<Delivery>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub id: Id,
    /// Cleaned: safe to show and to write into a header.
    pub name: String,
    #[serde(rename = "type")]
    pub media_type: String,
    pub size: u64,
    pub inline: bool,
    pub content_id: Option<String>,
    /// Lower case hex.
    pub sha256: String,
    /// Index of the part in the parsed raw mail: attachments are read from there, not kept twice.
    pub part: u32,
}

/// What a message that came or went by mail knows of that mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Email {
    pub message_id: Option<String>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    /// Header mailboxes as `Name <address>` or the bare address.
    pub from: Vec<String>,
    pub reply_to: Vec<String>,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub subject: Option<String>,
    /// Empty for the null reverse-path.
    pub envelope_from: String,
    pub envelope_to: String,
    pub class: Class,
    pub class_reason: String,
    /// What a bounce says of a mail of ours.
    #[serde(default)]
    pub bounce: Option<Bounce>,
    /// `AuthResults` of `sender_auth` as JSON.
    pub auth: serde_json::Value,
    /// `None` for a mail of ours.
    pub ingress: Option<Ingress>,
    pub raw_id: Id,
    /// What was wrong with the mail, in short names.
    pub defects: Vec<String>,
}
