//! What can happen to a conversation that others are told of.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    #[serde(rename = "message.created")]
    MessageCreated,
    #[serde(rename = "delivery.changed")]
    DeliveryChanged,
    #[serde(rename = "conversation.changed")]
    ConversationChanged,
    #[serde(rename = "bounce")]
    Bounce,
}
