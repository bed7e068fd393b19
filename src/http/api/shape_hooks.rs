//! How webhooks and bridges look in JSON.

use crate::clock::UnixMs;
use crate::conversation::event::EventKind;
use crate::conversation::id::Id;
use crate::store::hooks::{BridgeEntry, BridgeState, Subscription, SubscriptionOrigin};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct BridgeShape {
    #[schema(value_type = String)]
    pub state: BridgeState,
    /// It is tried by itself: no other mail waits for it.
    pub set_aside: bool,
    pub attempts: u32,
    pub due_at: Option<String>,
    pub last_attempt_at: Option<String>,
    /// What the other system said, or why it said nothing.
    pub last_reply: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookShape {
    #[schema(value_type = String)]
    pub id: Id,
    pub account: String,
    /// `config` ones are changed in the config.
    #[schema(value_type = String)]
    pub origin: SubscriptionOrigin,
    pub url: String,
    /// Empty: all.
    #[schema(value_type = Vec<String>)]
    pub events: Vec<EventKind>,
    pub allow_private: bool,
    pub created_at: String,
    pub state: WebhookState,
    /// Events up to this one were told, given up, or are owed to `behind`.
    #[schema(value_type = String)]
    pub position: Id,
    /// Events after it; counting ends at 10000.
    pub waiting: usize,
    /// Conversations whose events did not get through and are told again.
    pub behind: usize,
    /// Since when nothing got through.
    pub failing_since: Option<String>,
    pub last_attempt_at: Option<String>,
    /// What the receiver said when it last took something not.
    pub last_failure: Option<String>,
    pub disabled_reason: Option<String>,
    pub delivered: u64,
    /// Events that were never taken and are told no more; a replay tells them again while they are kept.
    pub given_up: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    Active,
    /// Some or all events do not get through.
    Failing,
    /// Nothing is told any more.
    Disabled,
}

impl From<BridgeEntry> for BridgeShape {
    fn from(entry: BridgeEntry) -> BridgeShape {
        BridgeShape {
            state: entry.state,
            set_aside: entry.lane.is_none(),
            attempts: entry.attempts,
            due_at: entry.due_at.map(UnixMs::rfc3339),
            last_attempt_at: entry.last_attempt_at.map(UnixMs::rfc3339),
            last_reply: entry.last_reply,
        }
    }
}

impl From<Subscription> for WebhookShape {
    fn from(subscription: Subscription) -> WebhookShape {
        let state = match (&subscription.disabled, subscription.failing_since, subscription.lanes) {
            (Some(_), ..) => WebhookState::Disabled,
            (None, None, 0) => WebhookState::Active,
            (None, ..) => WebhookState::Failing,
        };
        WebhookShape {
            id: subscription.id,
            account: subscription.account,
            origin: subscription.origin,
            url: subscription.url,
            events: subscription.events,
            allow_private: subscription.allow_private,
            created_at: subscription.created_at.rfc3339(),
            state,
            position: subscription.position,
            waiting: subscription.waiting,
            behind: subscription.lanes,
            failing_since: subscription.failing_since.map(UnixMs::rfc3339),
            last_attempt_at: subscription.last_attempt_at.map(UnixMs::rfc3339),
            last_failure: subscription.last_failure,
            disabled_reason: subscription.disabled,
            delivered: subscription.delivered,
            given_up: subscription.given_up,
        }
    }
}
