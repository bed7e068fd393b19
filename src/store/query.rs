//! What the surfaces ask of the store.

use super::desk::AssigneeWish;
use crate::conversation::id::Id;
use crate::conversation::model::Status;
use std::fmt;
use std::str::FromStr;

/// A page of conversations, newest activity first.
#[derive(Debug, Clone, Default)]
pub struct ConversationQuery {
    pub account: Option<String>,
    pub inbox: Option<String>,
    /// Of these inboxes only, whatever else is asked.
    pub inboxes: Option<Vec<String>>,
    pub status: Option<Status>,
    pub assignee: Option<AssigneeWish>,
    /// Only what this agent has not read, of the conversations with the latest activity.
    pub unread_by: Option<Id>,
    /// Contact email or identifier, exact.
    pub contact: Option<String>,
    /// Words in subject or messages.
    pub query: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<ConversationCursor>,
    pub limit: usize,
}

/// The last conversation of a page, opaque to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationCursor {
    pub active_at: i64,
    pub id: Id,
}

impl fmt::Display for ConversationCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.active_at, self.id)
    }
}

impl FromStr for ConversationCursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<ConversationCursor, NoCursor> {
        let (active_at, id) = text.split_once('-').ok_or(NoCursor)?;
        let (active_at, id) = (active_at.parse().map_err(|_| NoCursor)?, id.parse().map_err(|_| NoCursor)?);
        Ok(ConversationCursor { active_at, id })
    }
}

/// Not a cursor that we wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
pub struct NoCursor;

/// An API token as it is listed: never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRow {
    pub id: Id,
    pub account: String,
    pub created_at: crate::clock::UnixMs,
    pub revoked_at: Option<crate::clock::UnixMs>,
}
