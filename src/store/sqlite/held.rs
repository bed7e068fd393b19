//! Messages that their author may still take back: until they are released nobody but agents sees them, and nothing follows
//! from them.

use super::super::StoreError;
use super::super::unit::NewMessage;
use super::units::Writing;
use super::words::Json;
use super::{conversations, messages};
use crate::conversation::delivery::Posting;
use crate::conversation::id::Id;
use crate::conversation::model::Message;
use rusqlite::{OptionalExtension, params};

/// Releases what was held for its time.
pub fn release_due(writing: &Writing<'_>, limit: usize) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached(&due_sql())?;
    let rows = find.query_map(params![writing.now.0, limit], |row| row.get(0))?;
    let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
    found.into_iter().try_for_each(|message| release(writing, message))
}

/// It is said now, and everything follows from it as if it were written now. Once: a second call changes nothing.
pub fn release(writing: &Writing<'_>, id: Id) -> Result<(), StoreError> {
    let message = messages::message(writing.connection, id)?;
    if message.held_until.is_none() {
        return Ok(());
    }
    let released = "UPDATE messages SET held_until = NULL, created_at = ? WHERE id = ?";
    writing.execute(released, params![writing.now.0, id])?;
    let status = conversations::status(writing.connection, message.conversation_id)?;
    let conversation = message.conversation_id;
    let message = written(message, posting(writing, id)?);
    messages::say(writing, conversation, status, id, &message, writing.now)
}

/// It never was; answers what it said.
pub fn take_back(writing: &Writing<'_>, id: Id) -> Result<Message, StoreError> {
    let message = messages::message(writing.connection, id)?;
    if message.held_until.is_none() {
        let words = "the message was sent: only one that is held yet can be taken back";
        return Err(StoreError::Conflict(words.to_owned()));
    }
    let uploads = "DELETE FROM uploads WHERE attachment_id IN (SELECT id FROM attachments WHERE message_id = ?)";
    writing.execute(uploads, [id])?;
    writing.execute("DELETE FROM attachments WHERE message_id = ?", [id])?;
    writing.execute("DELETE FROM messages WHERE id = ?", [id])?;
    Ok(message)
}

fn posting(writing: &Writing<'_>, id: Id) -> Result<Posting, StoreError> {
    let mut find = writing.connection.prepare_cached("SELECT posting FROM messages WHERE id = ?")?;
    let posting: Option<Option<Json<Posting>>> = find.query_row([id], |row| row.get(0)).optional()?;
    Ok(posting.flatten().map(|posting| posting.0).unwrap_or_default())
}

/// What follows from a message depends on who wrote it and how it is to go, not on its words.
fn written(message: Message, posting: Posting) -> NewMessage {
    NewMessage {
        direction: message.direction,
        author: message.author,
        via: message.via,
        text: message.text,
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: message.email,
        idempotency_key: None,
        uploads: Vec::new(),
        posting,
    }
}

/// What is to be said by now.
pub fn due_sql() -> String {
    "SELECT id FROM messages INDEXED BY messages_held WHERE held_until IS NOT NULL AND held_until <= ?
     ORDER BY held_until LIMIT ?"
        .to_owned()
}

/// When the next one is said.
pub fn next_sql() -> String {
    "SELECT held_until FROM messages INDEXED BY messages_held WHERE held_until IS NOT NULL ORDER BY held_until LIMIT 1"
        .to_owned()
}
