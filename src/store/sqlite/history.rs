//! What was said in a conversation before a message, as far as a mail may quote it. Anybody who has a token can write
//! messages as long as a mail may be, so texts are cut in the database, and reading ends when enough is there: what is held
//! does not grow with what was written.

use super::super::StoreError;
use super::super::outgoing::{HISTORY_MAX, HISTORY_OCTETS_MAX, QUOTED_OCTETS_MAX};
use super::messages;
use crate::conversation::id::Id;
use crate::conversation::model::Message;
use rusqlite::{Connection, params};

/// The latest messages before `first`, or at all, oldest first: their authors and texts. A text that is longer than all of a
/// mail's quotes may be is cut behind that length, so that whoever composes sees that it is.
pub fn before(connection: &Connection, conversation: Id, first: Option<Id>) -> Result<Vec<Message>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT id, conversation_id, direction, author_kind, author_name, author_email, via, substr(text, 1, ?), NULL, '', '',
           created_at, seen_at, NULL, NULL
         FROM messages WHERE conversation_id = ? AND id < ? AND direction IN ('incoming', 'outgoing')
           AND held_until IS NULL ORDER BY id DESC LIMIT ?",
    )?;
    let values = params![QUOTED_OCTETS_MAX + 1, conversation, first.unwrap_or(Id(i64::MAX)), HISTORY_MAX];
    let mut rows = find.query(values)?;
    let (mut history, mut octets) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let message = messages::read(row)?;
        octets += message.text.len();
        if octets > HISTORY_OCTETS_MAX {
            break;
        }
        history.push(message);
    }
    history.sort_by_key(|message: &Message| (message.created_at, message.id));
    Ok(history)
}
