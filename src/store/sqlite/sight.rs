//! What a visitor may see. [`sights`] is the one place where it is decided; whatever a visitor reads or does goes through it,
//! and what is another's is as unknown as what is not there.

use super::super::StoreError;
use super::super::visitors::{ContactMail, Glimpse, Grounds, MessagePage, Range, SeenMessage, Sight};
use super::messages;
use super::units::Writing;
use super::words::{Stored, Word};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, params};

/// The conversations that a visitor may see, latest activity first; with `only` that one, if it may.
pub fn sights(connection: &Connection, visitor: Id, only: Option<Id>) -> Result<Vec<Sight>, StoreError> {
    let mut find = connection.prepare_cached(SIGHTS)?;
    let rows = find.query_map(params![visitor, only, SIGHTS_MAX], |row| {
        Ok(Sight { conversation: row.get(0)?, grounds: row.get::<_, Stored<_>>(1)?.0 })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Why the visitor may see this conversation; one that it may not is not there.
pub fn grounds(connection: &Connection, visitor: Id, conversation: Id) -> Result<Grounds, StoreError> {
    let found = sights(connection, visitor, Some(conversation))?;
    found.first().map(|sight| sight.grounds).ok_or(StoreError::NotFound("conversation"))
}

/// Lets the visitor see a conversation. A link's grounds give way to better ones, and none gives way to a link's.
pub fn grant(writing: &Writing<'_>, visitor: Id, conversation: Id, grounds: Grounds) -> Result<(), StoreError> {
    writing.execute(
        "INSERT INTO visitor_conversations (visitor_id, conversation_id, grounds, since) VALUES (?, ?, ?, ?)
         ON CONFLICT (visitor_id, conversation_id) DO UPDATE SET grounds = excluded.grounds WHERE grounds = 'resume'",
        params![visitor, conversation, Stored(grounds), writing.now.0],
    )?;
    Ok(())
}

/// Those whom the site vouches for as this contact see what the contact has in their inbox, on every device.
pub fn share(writing: &Writing<'_>, contact: Id) -> Result<(), StoreError> {
    writing.execute(
        "INSERT INTO visitor_conversations (visitor_id, conversation_id, grounds, since)
         SELECT v.id, c.id, 'identity', ?1
         FROM (SELECT * FROM visitors WHERE contact_id = ?2 AND proof = 'identity' ORDER BY heard_at DESC LIMIT ?3) v
           JOIN (SELECT * FROM conversations WHERE contact_id = ?2 ORDER BY active_at DESC LIMIT ?4) c
             ON c.account = v.account AND c.inbox = v.inbox
         WHERE true
         ON CONFLICT (visitor_id, conversation_id) DO UPDATE SET grounds = 'identity' WHERE grounds = 'resume'",
        params![writing.now.0, contact, DEVICES_MAX, SIGHTS_MAX],
    )?;
    Ok(())
}

/// What the visitor's list shows of what it may see.
pub fn glimpses(connection: &Connection, visitor: Id, only: Option<Id>) -> Result<Vec<Glimpse>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT id, subject, status, mail_off, unseen_by_contact, last_message_at FROM conversations WHERE id = ?",
    )?;
    let mut glimpse = |sight: Sight| {
        find.query_row([sight.conversation], |row| {
            Ok(Glimpse {
                id: row.get(0)?,
                subject: row.get(1)?,
                status: row.get::<_, Stored<_>>(2)?.0,
                mail_off: row.get(3)?,
                unread: row.get(4)?,
                last_message_at: row.get::<_, Option<i64>>(5)?.map(UnixMs),
                grounds: sight.grounds,
            })
        })
    };
    Ok(sights(connection, visitor, only)?.into_iter().map(&mut glimpse).collect::<Result<_, _>>()?)
}

/// Messages of a conversation that the visitor may see.
pub fn messages(
    connection: &Connection,
    visitor: Id,
    conversation: Id,
    range: Range,
    limit: usize,
) -> Result<MessagePage, StoreError> {
    grounds(connection, visitor, conversation)?;
    let (condition, order, edge) = match range {
        Range::Latest => ("<=", "DESC", Id(i64::MAX)),
        Range::Before(id) => ("<", "DESC", id),
        Range::After(id) => (">", "ASC", id),
    };
    let sql = format!(
        "SELECT id FROM messages WHERE conversation_id = ? AND id {condition} ? AND {SHOWN} ORDER BY id {order} LIMIT ?"
    );
    let mut find = connection.prepare_cached(&sql)?;
    let rows = find.query_map(params![conversation, edge, limit + 1], |row| row.get(0))?;
    let mut ids: Vec<Id> = rows.collect::<Result<_, _>>()?;
    let more = ids.len() > limit;
    ids.truncate(limit);
    let mut items = ids.into_iter().map(|id| complete(connection, id)).collect::<Result<Vec<_>, _>>()?;
    items.sort_by_key(|item| (item.message.created_at, item.message.id));
    Ok(MessagePage { items, more })
}

/// One of them; `None` for a message that visitors are not shown.
pub fn message(
    connection: &Connection,
    visitor: Id,
    conversation: Id,
    id: Id,
) -> Result<Option<SeenMessage>, StoreError> {
    grounds(connection, visitor, conversation)?;
    let sql = format!("SELECT 1 FROM messages WHERE id = ? AND conversation_id = ? AND {SHOWN}");
    let is_shown = connection.prepare_cached(&sql)?.exists(params![id, conversation])?;
    if is_shown { complete(connection, id).map(Some) } else { Ok(None) }
}

fn complete(connection: &Connection, id: Id) -> Result<SeenMessage, StoreError> {
    Ok(SeenMessage { message: messages::message(connection, id)?, mail: contact_mail(connection, id)? })
}

/// How the contact's mail of a message fares: other recipients are nobody's business.
fn contact_mail(connection: &Connection, message: Id) -> Result<Option<ContactMail>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT q.state, q.recipient, ifnull(q.last_attempt_at, q.due_at) FROM queue_messages m
           JOIN queue q ON q.id = m.queue_id
         WHERE m.message_id = ? AND q.kind = 'answer' AND q.recipient_kind = 'contact' ORDER BY q.id DESC LIMIT 1",
    )?;
    let found = find.query_row([message], |row| {
        Ok(ContactMail {
            state: row.get::<_, Stored<_>>(0)?.0,
            recipient: row.get(1)?,
            at: row.get::<_, Option<i64>>(2)?.map(UnixMs),
        })
    });
    Ok(found.optional()?)
}

/// An account or inbox of another is out of sight even if a row should ever say otherwise. CROSS JOIN keeps the order: SQLite
/// would rather walk all conversations of the account, for they come in the order that is asked for.
const SIGHTS: &str = "SELECT c.id, s.grounds FROM visitor_conversations s CROSS JOIN visitors v ON v.id = s.visitor_id
       CROSS JOIN conversations c ON c.id = s.conversation_id AND c.account = v.account AND c.inbox = v.inbox
     WHERE s.visitor_id = ?1 AND (?2 IS NULL OR s.conversation_id = ?2)
     ORDER BY c.active_at DESC, c.id DESC LIMIT ?3";
/// No notes and no activities; nothing that its author may still take back; no bounce, whose text names others.
const SHOWN: &str = "direction IN ('incoming', 'outgoing') AND held_until IS NULL
    AND NOT (author_kind = 'system' AND via = 'email')";

impl Word for Grounds {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Grounds::Started, "started"), (Grounds::Identity, "identity"), (Grounds::Resume, "resume")];
}

/// Conversations of one visitor, and devices of one contact, that are looked at.
const SIGHTS_MAX: usize = 100;
const DEVICES_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn a_visitors_conversations_are_found_by_the_visitor() {
        let mut connection = Connection::open_in_memory().expect("SQLite opens a database in memory");
        schema::migrate(&mut connection).expect("a new database");
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {SIGHTS}")).expect("a statement");
        let steps = explain.query_map(params![1, 2, 3], |row| row.get::<_, String>(3)).expect("a plan");
        let steps: Vec<String> = steps.collect::<Result<_, _>>().expect("steps");
        assert!(
            steps[0].starts_with("SEARCH s ") && steps[2].starts_with("SEARCH c USING INTEGER PRIMARY KEY"),
            "{steps:?}"
        );
    }
}
