//! Events: what happened, written in the commit in which it did. Their ids grow in the order of commits, so a listener who
//! goes on after the last one it saw misses none.

use super::super::StoreError;
use super::super::outgoing::{Event, EventKind, QueueEntry};
use super::super::visitors::Missed;
use super::units::Writing;
use super::words::{Json, Stored};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

/// What happened to what.
#[derive(Debug)]
pub struct Happening {
    pub kind: EventKind,
    pub conversation: Id,
    pub message: Option<Id>,
    pub entry: Option<Id>,
    pub detail: Value,
}

/// Writes an event of the conversation's account.
pub fn record(writing: &Writing<'_>, happening: &Happening) -> Result<(), StoreError> {
    writing.execute(
        "INSERT INTO events (id, at, account, kind, conversation_id, message_id, queue_id, detail)
         SELECT ?, ?, account, ?, id, ?, ?, ? FROM conversations WHERE id = ?",
        params![
            writing.next_id()?,
            writing.now.0,
            Stored(happening.kind),
            happening.message,
            happening.entry,
            Json(&happening.detail),
            happening.conversation,
        ],
    )?;
    Ok(())
}

/// A change of a mail: one event for each of its messages, or one for a mail without any.
pub fn of_mail(writing: &Writing<'_>, entry: &QueueEntry, kind: EventKind, detail: &Value) -> Result<(), StoreError> {
    let conversation = entry.conversation_id;
    let happening = |message| Happening { kind, conversation, message, entry: Some(entry.id), detail: detail.clone() };
    if entry.messages.is_empty() {
        return record(writing, &happening(None));
    }
    entry.messages.iter().try_for_each(|message| record(writing, &happening(Some(*message))))
}

/// A change of a conversation.
pub fn of_conversation(writing: &Writing<'_>, conversation: Id, detail: Value) -> Result<(), StoreError> {
    let kind = EventKind::ConversationChanged;
    record(writing, &Happening { kind, conversation, message: None, entry: None, detail })
}

/// Events after one, oldest first; without one the latest alone.
pub fn after(
    connection: &Connection,
    account: Option<&str>,
    after: Option<Id>,
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    let (order, limit) = if after.is_some() { ("ASC", limit.clamp(1, PAGE_MAX)) } else { ("DESC", 1) };
    let condition = if account.is_some() { "account = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT id, at, account, kind, conversation_id, message_id, queue_id, detail FROM events
         WHERE {condition} AND id > ?2 ORDER BY id {order} LIMIT {limit}"
    );
    let mut find = connection.prepare_cached(&sql)?;
    let rows = find.query_map(params![account, after.unwrap_or(Id(i64::MIN))], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One event; `None` when it was pruned.
pub fn one(connection: &Connection, id: Id) -> Result<Option<Event>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT id, at, account, kind, conversation_id, message_id, queue_id, detail FROM events WHERE id = ?",
    )?;
    Ok(find.query_row([id], read).optional()?)
}

/// The first event of a conversation after one, up to another.
pub fn next_of_conversation(
    connection: &Connection,
    account: &str,
    conversation: Id,
    after: Id,
    to: Id,
) -> Result<Option<Id>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT id FROM events WHERE account = ? AND id > ? AND id <= ? AND conversation_id = ? ORDER BY id LIMIT 1",
    )?;
    Ok(find.query_row(params![account, after, to, conversation], |row| row.get(0)).optional()?)
}

/// What happened in a conversation after an event. Events go oldest first, so as long as one of that time or before is there,
/// none after it is gone; and no more of an account's are looked through than a look-up may cost.
pub fn missed(connection: &Connection, account: &str, conversation: Id, last: Id) -> Result<Missed, StoreError> {
    let mut find = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM events WHERE id <= ?)")?;
    let is_known: bool = find.query_row([last], |row| row.get(0))?;
    let latest = after(connection, Some(account), None, 1)?.last().map(|event| event.id);
    let mut beyond = connection.prepare_cached("SELECT 1 FROM events WHERE account = ? AND id > ? LIMIT 1 OFFSET ?")?;
    if !is_known || latest < Some(last) || beyond.exists(params![account, last, LOOKED_THROUGH_MAX])? {
        return Ok(Missed::Unknown(latest));
    }
    let mut find = connection.prepare_cached(
        "SELECT id, at, account, kind, conversation_id, message_id, queue_id, detail FROM events
         WHERE account = ? AND id > ? AND conversation_id = ? ORDER BY id LIMIT ?",
    )?;
    let rows = find.query_map(params![account, last, conversation, MISSED_MAX + 1], read)?;
    let events: Vec<Event> = rows.collect::<Result<_, _>>()?;
    Ok(if events.len() > MISSED_MAX { Missed::Unknown(latest) } else { Missed::Events(events) })
}

/// The id below which events are too old or too many to be kept.
pub fn kept_from(connection: &Connection, now: UnixMs, most: usize) -> Result<Id, StoreError> {
    let mut find = connection.prepare_cached("SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET ?")?;
    let beyond: Option<Id> = find.query_row([most], |row| row.get(0)).optional()?;
    let by_age = Id::first_of(UnixMs(now.0 - KEPT_MS));
    Ok(beyond.map_or(by_age, |beyond| by_age.max(Id(beyond.0.saturating_add(1)))))
}

/// Removes events below an id, at most so many; answers how many there were.
pub fn prune(writing: &Writing<'_>, below: Id, limit: usize) -> Result<usize, StoreError> {
    let remove = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id < ? ORDER BY id LIMIT ?)";
    writing.execute(remove, params![below, limit])
}

fn read(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: row.get(0)?,
        at: UnixMs(row.get(1)?),
        account: row.get(2)?,
        kind: row.get::<_, Stored<_>>(3)?.0,
        conversation_id: row.get(4)?,
        message_id: row.get(5)?,
        queue_id: row.get(6)?,
        detail: row.get::<_, Json<_>>(7)?.0,
    })
}

/// A listener that was away for longer reads what it shows anew.
const KEPT_MS: i64 = 7 * 86_400 * 1000;
/// Events of an account that a listener who comes back may have missed, and of those its conversation's.
const LOOKED_THROUGH_MAX: usize = 5000;
const MISSED_MAX: usize = 200;
/// Events of one answer.
const PAGE_MAX: usize = 1000;
