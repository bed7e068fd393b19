//! Visitors of a chat widget as everything above the store sees them: who they are, what they may see and on what grounds.

use crate::clock::UnixMs;
use crate::conversation::continuity::MailWish;
use crate::conversation::delivery::DeliveryState;
use crate::conversation::id::Id;
use crate::conversation::model::{Channel, Message, Status};
use crate::store::outgoing::Event;
use crate::store::unit::NewMessage;

/// One browser at one inbox's widget, known by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    pub id: Id,
    pub account: String,
    pub inbox: String,
    pub proof: Proof,
    pub heard_at: UnixMs,
    pub contact: VisitorContact,
}

/// What shows who a visitor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: a contact of its own, found by nothing.
    Anonymous,
    /// The site vouched for the identifier.
    Identity,
    /// A link from a mail: good for its conversation and nothing else.
    Resume,
}

/// The contact a visitor writes as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorContact {
    pub id: Id,
    pub name: Option<String>,
    pub email: Option<String>,
    pub claimed_email: Option<String>,
    pub identifier: Option<String>,
    pub bounced: bool,
}

/// Why a visitor may see a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grounds {
    Started,
    Identity,
    Resume,
}

/// A conversation in a visitor's sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    pub conversation: Id,
    pub grounds: Grounds,
}

/// A conversation as its visitor's list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glimpse {
    pub id: Id,
    pub subject: Option<String>,
    pub status: Status,
    pub mail_off: bool,
    pub unread: u32,
    pub last_message_at: Option<UnixMs>,
    pub grounds: Grounds,
}

/// What a visitor's widget begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorState {
    /// Latest activity first.
    pub conversations: Vec<Glimpse>,
    /// Where a listener goes on who has read all this.
    pub last_event: Option<Id>,
}

/// A message as the visitor may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenMessage {
    pub message: Message,
    /// Of the mail to the contact, and of nobody else's.
    pub mail: Option<ContactMail>,
}

/// How the contact's mail fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactMail {
    pub state: DeliveryState,
    pub recipient: String,
    /// Of the last attempt; while there was none, of the next.
    pub at: Option<UnixMs>,
}

/// Which messages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    Latest,
    Before(Id),
    After(Id),
}

/// Messages of a page, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagePage {
    pub items: Vec<SeenMessage>,
    /// Whether there are others in the direction that was asked for.
    pub more: bool,
}

/// What a browser says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    pub language: Option<String>,
    pub time_zone: Option<String>,
}

/// A visitor nobody vouches for.
#[derive(Debug, Clone)]
pub struct NewVisitor {
    pub account: String,
    pub inbox: String,
    /// Of the token.
    pub sha256: [u8; 32],
    pub surroundings: Surroundings,
}

/// A visitor whom the site vouches for; that it does was checked.
#[derive(Debug, Clone)]
pub struct Identification {
    pub account: String,
    pub inbox: String,
    /// The visitor that this browser was until now.
    pub present: Option<Id>,
    /// Of the token of a new visitor, if it becomes one.
    pub sha256: [u8; 32],
    pub identifier: String,
    /// Only proven if the identifier is this address: nothing else is signed.
    pub email: Option<String>,
    pub name: Option<String>,
    pub surroundings: Surroundings,
}

/// Who a visitor became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Became {
    pub visitor: Visitor,
    /// It is another visitor than before: the new token counts.
    pub is_new: bool,
}

/// What a visitor typed of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    pub name: Option<String>,
    pub email: Option<String>,
    /// Answers of the form before the chat, by field.
    pub fields: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Which conversation a message is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Named(Id),
    /// The visitor's latest that is not resolved, or a new one.
    Latest,
    /// A new one. Who came by a link stays in the link's.
    New,
}

/// A message of a visitor.
#[derive(Debug, Clone)]
pub struct Saying {
    pub visitor: Id,
    pub target: Target,
    /// Its author is filled in: the conversation's contact.
    pub message: NewMessage,
    pub claim: Claim,
    pub page: Option<String>,
    /// Of a conversation that begins with it.
    pub channel: Channel,
}

/// A visitor's message, stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub conversation: Id,
    pub message: SeenMessage,
}

/// What a visitor changes of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactChanges {
    pub claim: Claim,
    /// Whether answers of this conversation go out by mail.
    pub mail: Option<(Id, MailWish)>,
}

/// What a listener has missed.
#[derive(Debug, Clone, PartialEq)]
pub enum Missed {
    /// Oldest first.
    Events(Vec<Event>),
    /// Too much, or it is not known any more: everything is to be read anew. With where to go on.
    Unknown(Option<Id>),
}
