//! What a list shows of a conversation beside the conversation: its last words, and whether an agent has read them.

use super::super::StoreError;
use super::super::desk::{Glance, LastMessage};
use super::units::Writing;
use super::words::Stored;
use super::{conversations, messages, queue};
use crate::clock::UnixMs;
use crate::conversation::delivery::{Delivery, DeliveryState};
use crate::conversation::id::Id;
use crate::conversation::model::Author;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// For each conversation: a few index steps.
pub fn of(connection: &Connection, conversations: &[Id], agent: Option<Id>) -> Result<Vec<Glance>, StoreError> {
    let glance = |id: &Id| {
        let unread = agent.map(|agent| is_unread(connection, *id, agent)).transpose()?;
        let last_message = last_message(connection, *id)?;
        Ok(Glance { conversation: *id, unread, last_message, undelivered: undelivered(connection, *id)? })
    };
    conversations.iter().map(glance).collect()
}

fn last_message(connection: &Connection, conversation: Id) -> Result<Option<LastMessage>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT substr(text, 1, ?), author_kind, author_name, author_email, via, created_at FROM messages
         WHERE conversation_id = ? AND direction <> 'activity' ORDER BY id DESC LIMIT 1",
    )?;
    Ok(find.query_row(params![LAST_WORDS_MAX, conversation], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<LastMessage> {
    Ok(LastMessage {
        text: row.get(0)?,
        author: Author { kind: row.get::<_, Stored<_>>(1)?.0, name: row.get(2)?, email: row.get(3)? },
        via: row.get::<_, Stored<_>>(4)?.0,
        at: UnixMs(row.get(5)?),
    })
}

/// An answer that somebody outside wrote after has arrived, or matters no more.
fn undelivered(connection: &Connection, conversation: Id) -> Result<Option<DeliveryState>, StoreError> {
    let mut find = connection.prepare_cached(LAST_ANSWER)?;
    let Some(answer) = find.query_row([conversation], |row| row.get(0)).optional()? else { return Ok(None) };
    let delivery = queue::delivery(connection, answer)?;
    let lasts = |it: &Delivery| {
        it.state == DeliveryState::Failed || (it.state == DeliveryState::Deferred && it.attempts >= ATTEMPTS_LONG)
    };
    Ok(delivery.filter(lasts).map(|delivery| delivery.state))
}

fn is_unread(connection: &Connection, conversation: Id, agent: Id) -> Result<bool, StoreError> {
    let sql = format!("SELECT 1 FROM conversations c WHERE c.id = ?2 AND {UNREAD}");
    Ok(connection.prepare_cached(&sql)?.exists(params![agent, conversation])?)
}

/// Notes up to which message an agent has read: the latest there is, or an earlier one; never back.
pub fn read_up_to(writing: &Writing<'_>, agent: Id, conversation: Id, up_to: Option<Id>) -> Result<(), StoreError> {
    conversations::exists(writing.connection, conversation)?;
    let up_to = match up_to {
        Some(id) if messages::message(writing.connection, id)?.conversation_id == conversation => id,
        Some(_) => return Err(StoreError::NotFound("message")),
        None => latest(writing.connection, conversation)?,
    };
    writing.execute(
        "INSERT INTO agent_reads (agent_id, conversation_id, up_to) VALUES (?, ?, ?)
         ON CONFLICT (agent_id, conversation_id) DO UPDATE SET up_to = max(up_to, excluded.up_to)",
        params![agent, conversation, up_to],
    )?;
    Ok(())
}

fn latest(connection: &Connection, conversation: Id) -> Result<Id, StoreError> {
    let mut find = connection.prepare_cached("SELECT max(id) FROM messages WHERE conversation_id = ?")?;
    Ok(find.query_row([conversation], |row| row.get::<_, Option<Id>>(0))?.unwrap_or(Id(0)))
}

/// Of the conversation `c`, for the agent `?1`: somebody outside wrote after what the agent read last. Ids tell the order, an
/// agent's own id too: what was there before the agent was is not theirs to catch up with.
pub const UNREAD: &str = "c.received_id
    > ifnull((SELECT r.up_to FROM agent_reads r WHERE r.agent_id = ?1 AND r.conversation_id = c.id), ?1)";

const LAST_ANSWER: &str = "SELECT m.id FROM messages m INDEXED BY messages_sent
    WHERE m.conversation_id = ?1 AND m.direction = 'outgoing'
      AND m.id > ifnull((SELECT c.received_id FROM conversations c WHERE c.id = ?1), 0) ORDER BY m.id DESC LIMIT 1";
/// By then it was tried for more than twenty minutes: that is no greylisting any more.
const ATTEMPTS_LONG: u32 = 4;
/// Characters.
const LAST_WORDS_MAX: u32 = 140;

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn the_last_answer_is_one_step_in_an_index() {
        let mut connection = Connection::open_in_memory().expect("SQLite opens a database in memory");
        schema::migrate(&mut connection).expect("a new database");
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {LAST_ANSWER}")).expect("a statement");
        let steps = explain.query_map([Id(1)], |row| row.get::<_, String>(3)).expect("a plan");
        let steps: Vec<String> = steps.collect::<Result<_, _>>().expect("steps");
        let steps = steps.join("\n");
        assert!(steps.contains("messages_sent (conversation_id=? AND id>?)"), "{steps}");
        assert!(!steps.contains("SCAN") && steps.contains("c USING INTEGER PRIMARY KEY"), "{steps}");
    }
}
