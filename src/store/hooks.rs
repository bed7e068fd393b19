//! Subscriptions to events and mail that goes over a bridge, as the stage and the surfaces see them.

use crate::clock::UnixMs;
use crate::conversation::event::EventKind;
use crate::conversation::id::Id;
use serde::Serialize;

/// A subscription that the config asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredSubscription {
    pub account: String,
    pub url: String,
    /// Empty: all.
    pub events: Vec<EventKind>,
    pub allow_private: bool,
}

/// A subscription that a caller of the API asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubscription {
    pub account: String,
    pub url: String,
    pub secret: String,
    /// Empty: all.
    pub events: Vec<EventKind>,
    pub allow_private: bool,
    /// Of one account.
    pub subscriptions_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionOrigin {
    Config,
    Api,
}

/// A subscription as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: Id,
    pub account: String,
    pub origin: SubscriptionOrigin,
    pub url: String,
    /// `None`: the config has it.
    pub secret: Option<String>,
    /// Empty: all.
    pub events: Vec<EventKind>,
    pub allow_private: bool,
    pub created_at: UnixMs,
    /// Grows when an operator moves its position: what was under way counts no more.
    pub generation: i64,
    /// Everything up to here was told, given up, or stands in a lane.
    pub position: Id,
    /// Why nothing is told any more.
    pub disabled: Option<String>,
    /// Since when nothing got through.
    pub failing_since: Option<UnixMs>,
    pub last_attempt_at: Option<UnixMs>,
    /// What the receiver said when it last refused something, or why it said nothing.
    pub last_failure: Option<String>,
    pub delivered: u64,
    pub given_up: u64,
    /// Conversations that owe events.
    pub lanes: usize,
    /// Events after the position, counted to [`WAITING_COUNTED_MAX`].
    pub waiting: usize,
}

/// A secret is never printed.
impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
    }
}

pub const WAITING_COUNTED_MAX: usize = 10_000;

/// What of a lane did not get through: its items from one to another are owed, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    pub next: Id,
    pub last: Id,
    /// Of `next`.
    pub attempts: u32,
    /// When `next` failed first.
    pub since: UnixMs,
    pub due_at: UnixMs,
}

/// How far a subscription has come since this was noted last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscriptionProgress {
    pub generation: i64,
    pub position: Option<Id>,
    pub troubled: Vec<(Id, Trouble)>,
    /// Conversations that owe nothing any more.
    pub mended: Vec<Id>,
    pub delivered: u64,
    pub given_up: u64,
    pub failing_since: Option<UnixMs>,
    pub last_attempt_at: Option<UnixMs>,
    pub last_failure: Option<String>,
    pub disabled: Option<String>,
}

/// Whose bridge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BridgeName {
    pub account: String,
    /// `None`: the account's.
    pub inbox: Option<String>,
}

impl std::fmt::Display for BridgeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.inbox {
            None => write!(f, "bridge of account {}", self.account),
            Some(inbox) => write!(f, "bridge of inbox {}/{inbox}", self.account),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeState {
    Waiting,
    /// An attempt did not succeed.
    Deferred,
    Delivered,
    /// Given up; kept, and tried again when an operator asks.
    Failed,
    /// An operator wants it not to go over; kept as well.
    Cancelled,
}

/// One mail to one recipient that goes over a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeEntry {
    pub ledger_id: Id,
    pub name: BridgeName,
    /// As the envelope spelled it.
    pub recipient: String,
    /// Mail of one lane goes in order; what has none is tried by itself, and nothing waits for it.
    pub lane: Option<String>,
    pub raw_id: Id,
    pub state: BridgeState,
    pub created_at: UnixMs,
    pub due_at: Option<UnixMs>,
    pub give_up_at: UnixMs,
    pub attempts: u32,
    pub last_attempt_at: Option<UnixMs>,
    /// What the other system said, or why it said nothing.
    pub last_reply: Option<String>,
}

/// How an attempt to bring a mail over ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeEnd {
    pub state: BridgeState,
    pub due_at: Option<UnixMs>,
    pub last_reply: String,
    pub lane: LaneKept,
}

/// Whether a mail stays in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneKept {
    Yes,
    /// It is tried by itself from now on.
    Left,
}

/// A raw mail to be read piece by piece.
#[derive(Debug)]
pub enum RawMail {
    Octets(Vec<u8>),
    File { file: std::fs::File, octets: u64 },
}
