//! Who answers for an account. Pure.

use super::id::Id;
use crate::clock::UnixMs;

/// An agent: known by a registered address, which is never shown to a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub id: Id,
    pub account: String,
    /// Canonical key.
    pub email: String,
    pub name: String,
    /// Inboxes whose unassigned conversations are mailed to this agent; `None`: all of the account.
    pub inboxes: Option<Vec<String>>,
    /// Whether messages of contacts come by mail at all.
    pub by_mail: bool,
    pub created_at: UnixMs,
}
