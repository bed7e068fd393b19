//! The units of work that the store commits: what each takes and what it answers.

use super::mail_file::MailOctets;
use super::outgoing::{AgentOrder, BounceFact};
use crate::clock::UnixMs;
use crate::config::checked::BridgeMode;
use crate::conversation::delivery::Posting;
use crate::conversation::id::Id;
use crate::conversation::model::{Attachment, Author, Channel, Direction, Email, Ingress, Via};
use crate::conversation::reply_token::ReplyToken;
use crate::limits::KeptRoom;
use std::net::IpAddr;

/// A mail to take responsibility for: durable when `Store::accept` returns.
#[derive(Debug)]
pub struct Acceptance {
    pub ingress: Ingress,
    pub session: String,
    pub remote_ip: Option<IpAddr>,
    pub helo: Option<String>,
    pub tls: Option<String>,
    /// Empty for the null reverse-path; `None` where a door told no envelope.
    pub envelope_from: Option<String>,
    /// Canonical recipient addresses with their accounts; one ledger entry each.
    pub recipients: Vec<(String, String)>,
    pub octets: MailOctets,
    pub sha256: [u8; 32],
    /// What tells that two copies are one mail, whatever way each took; `None` where only the octets can tell.
    pub identity: Option<[u8; 32]>,
    pub message_id: Option<String>,
    /// `AuthResults` of `sender_auth`.
    pub auth: serde_json::Value,
    /// It came with REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// The reply that will be given, e.g. `250 2.0.0 …`.
    pub reply: String,
    /// Which recipients' mail goes over a bridge.
    pub bridged: Vec<BridgeOrder>,
}

/// Mail to one recipient that goes over a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeOrder {
    /// As in `Acceptance::recipients`: mail to it goes in order.
    pub recipient: String,
    /// As the envelope spelled it, for the other system.
    pub spelled: String,
    /// Whose bridge: this inbox's, or the account's.
    pub inbox: Option<String>,
    pub mode: BridgeMode,
}

/// What became of one recipient of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedEntry {
    pub ledger_id: Id,
    pub recipient: String,
    /// The same mail for the same recipient was accepted before: nothing is filed twice.
    pub duplicate: bool,
}

/// A mail that its bringer is told is taken, and that nobody here takes: durable when `Store::keep` returns, and for a while.
#[derive(Debug)]
pub struct Keeping {
    /// As for acceptance; its recipients are none.
    pub mail: Acceptance,
    /// One ledger entry each.
    pub turned_away: Vec<TurnedAway>,
    pub room: KeptRoom,
}

/// For whom, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnedAway {
    /// `None` where the mail names nobody.
    pub recipient: Option<String>,
    pub account: Option<String>,
    pub reason: String,
}

/// What RCPT learns of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenState {
    Unknown,
    Live {
        account: String,
        conversation_id: Id,
        /// The registered address of the agent whose token it is.
        agent: Option<String>,
    },
    Revoked {
        account: String,
    },
    Expired {
        account: String,
    },
}

/// A conversation to begin, by API or by a mail to an inbox address.
#[derive(Debug, Clone)]
pub struct NewConversation {
    pub account: String,
    pub inbox: String,
    pub channel: Channel,
    pub contact_name: Option<String>,
    pub contact_email: Option<String>,
    pub contact_identifier: Option<String>,
    pub subject: Option<String>,
    pub messages: Vec<NewMessage>,
}

/// A message to append.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub direction: Direction,
    pub author: Author,
    pub via: Via,
    pub text: String,
    pub html: Option<String>,
    pub quoted: String,
    pub signature: String,
    /// Their `id` is ignored: the store issues it.
    pub attachments: Vec<Attachment>,
    pub email: Option<Email>,
    pub idempotency_key: Option<String>,
    /// Attachments that came with their octets instead of inside a raw mail.
    pub uploads: Vec<Upload>,
    /// What mail it causes.
    pub posting: Posting,
}

/// An attachment with its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Cleaned: safe to show and to write into a header.
    pub name: String,
    pub media_type: String,
    pub octets: Vec<u8>,
}

/// Where an accepted mail belongs.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Append to this conversation; an author that is no contact of it joins as participant.
    Existing(Id),
    /// Begin one in this inbox.
    New { inbox: String, channel: Channel, subject: Option<String> },
    /// A bounce or complaint that belongs to no conversation: kept as a fact in the ledger only.
    Nowhere,
}

/// How filing ends for one ledger entry.
#[derive(Debug, Clone)]
pub struct FilingResult {
    pub ledger_id: Id,
    pub account: String,
    pub destination: Destination,
    /// `None` with `Destination::Nowhere`.
    pub message: Option<NewMessage>,
    /// How the route was found, in words: the ledger's reason.
    pub reason: String,
    /// Own and foreign Message-ID of the mail, indexed for threading.
    pub message_id: Option<String>,
    /// The mail's own time says when it was written; receive time orders it.
    pub received_at: UnixMs,
    /// What a bounce with a valid bounce token says of a mail of ours.
    pub bounce: Option<BounceFact>,
    /// What the commands of an agent's mail ask, in their order.
    pub orders: Vec<AgentOrder>,
    /// The agent who wrote (canonical key): whom an order that cannot be done is explained to.
    pub agent: Option<String>,
}

/// What routing may go by, loaded in one read.
#[derive(Debug, Clone, Default)]
pub struct RoutingEvidence {
    /// Conversations of the account by the tokens asked for, in the order asked.
    pub by_token: Vec<(ReplyToken, Id)>,
    /// Conversations of the account by the Message-IDs asked for, in the order asked.
    pub by_message_id: Vec<(String, Id)>,
    /// Of those conversations: which ones the sender takes part in (contact or participant).
    pub sender_takes_part: Vec<Id>,
    /// The contact of each of those conversations.
    pub contacts: Vec<ContactOf>,
    /// Whose those of the tokens are that are an agent's.
    pub agents_by_token: Vec<(ReplyToken, AgentRef)>,
    /// The agent of the account whose registered address the sender's is.
    pub sender_agent: Option<AgentRef>,
}

/// An agent as a message shows its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRef {
    /// Canonical key.
    pub email: String,
    pub name: String,
}

/// Whom a conversation is with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactOf {
    pub conversation: Id,
    pub inbox: String,
    /// Lower case; `None` for a visitor of a chat who left none.
    pub email: Option<String>,
    /// What a visitor typed and did not prove; lower case.
    pub claimed: Option<String>,
}

impl ContactOf {
    /// Whether the contact is written to at this address: proven, or claimed.
    pub fn is_at(&self, email: &str) -> bool {
        [&self.email, &self.claimed].into_iter().flatten().any(|own| own == email)
    }
}
