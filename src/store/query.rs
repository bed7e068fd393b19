//! What the surfaces ask of the store.

use crate::conversation::id::Id;
use crate::conversation::model::Status;

/// A page of conversations, newest activity first.
#[derive(Debug, Clone, Default)]
pub struct ConversationQuery {
    pub account: Option<String>,
    pub inbox: Option<String>,
    pub status: Option<Status>,
    /// Contact email or identifier, exact.
    pub contact: Option<String>,
    /// Words in subject or messages.
    pub query: Option<String>,
    /// Opaque cursor of the page before.
    pub cursor: Option<String>,
    pub limit: usize,
}

/// An API token as it is listed: never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRow {
    pub id: Id,
    pub account: String,
    pub created_at: crate::clock::UnixMs,
    pub revoked_at: Option<crate::clock::UnixMs>,
}
