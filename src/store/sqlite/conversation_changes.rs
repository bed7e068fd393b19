//! What an agent changes of a conversation, each change told as an event.

use super::super::StoreError;
use super::super::desk::ConversationChanges;
use super::conversations;
use super::events;
use super::units::Writing;
use super::words::Stored;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::Status;
use rusqlite::params;
use serde_json::{Map, Value, json};

/// Changes what is named, and nothing else. A status takes a snooze's end with it.
pub fn change(writing: &Writing<'_>, id: Id, changes: &ConversationChanges) -> Result<(), StoreError> {
    conversations::exists(writing.connection, id)?;
    let mut detail = Map::new();
    if let Some(status) = changes.status {
        set_status(writing, id, status, changes.snoozed_until)?;
        detail.insert("status".to_owned(), json!(status));
        changes.snoozed_until.map(|until| detail.insert("snoozed_until".to_owned(), until.rfc3339().into()));
    }
    if let Some(assignee) = &changes.assignee {
        writing.execute("UPDATE conversations SET assignee = ? WHERE id = ?", params![assignee, id])?;
        detail.insert("assignee".to_owned(), json!(assignee));
    }
    if let Some(subject) = &changes.subject {
        writing.execute("UPDATE conversations SET subject = ? WHERE id = ?", params![subject, id])?;
        detail.insert("subject".to_owned(), json!(subject));
    }
    if detail.is_empty() { Ok(()) } else { events::of_conversation(writing, id, Value::Object(detail)) }
}

fn set_status(writing: &Writing<'_>, id: Id, status: Status, until: Option<UnixMs>) -> Result<(), StoreError> {
    let set = "UPDATE conversations SET status = ?, snoozed_until = ? WHERE id = ?";
    writing.execute(set, params![Stored(status), until.map(|until| until.0), id])?;
    // Whoever wakes conversations looks anew at when the next one is due.
    if until.is_some() {
        writing.outgoing_mail.set(true);
    }
    Ok(())
}
