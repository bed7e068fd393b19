//! Messages of a conversation: appending (once per idempotency key) and reading.

use super::super::outgoing::EventKind;
use super::super::unit::NewMessage;
use super::super::{Page, StoreError};
use super::events::Happening;
use super::units::Writing;
use super::words::{Json, Stored};
use super::{continuity, conversations, enqueue, events, queue, unmailed, uploads};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::{Attachment, Author, AuthorKind, Direction, Message, Status};
use crate::conversation::threading;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// Writes a message and what it changes in its conversation; a known idempotency key answers the first one.
pub fn append(writing: &Writing<'_>, conversation: Id, message: &NewMessage) -> Result<Id, StoreError> {
    let status = conversations::status(writing.connection, conversation)?;
    append_at(writing, conversation, status, message, writing.now)
}

/// The same for a conversation whose status is known and a message that was written before it is stored: a mail counts
/// from when it was received, however long filing took or how late it was replayed.
pub fn append_at(
    writing: &Writing<'_>,
    conversation: Id,
    status: Status,
    message: &NewMessage,
    at: UnixMs,
) -> Result<Id, StoreError> {
    if let Some(first) = written_before(writing, conversation, message)? {
        return Ok(first);
    }
    let id = insert(writing, conversation, message, at)?;
    for attachment in &message.attachments {
        insert_attachment(writing, id, attachment)?;
    }
    for upload in &message.uploads {
        uploads::insert(writing, id, upload)?;
    }
    if held_for(message).is_some() {
        writing.timers.set(true);
        return Ok(id);
    }
    say(writing, conversation, status, id, message, at)?;
    Ok(id)
}

/// Only what an agent says can be taken back.
fn held_for(message: &NewMessage) -> Option<Duration> {
    let by_agent = message.direction == Direction::Outgoing && message.author.kind == AuthorKind::Agent;
    message.posting.held.filter(|held| by_agent && !held.is_zero())
}

/// What follows from a message that is there for everyone.
pub fn say(
    writing: &Writing<'_>,
    conversation: Id,
    status: Status,
    id: Id,
    message: &NewMessage,
    at: UnixMs,
) -> Result<(), StoreError> {
    let class = message.email.as_ref().map(|email| email.class);
    let after = threading::status_after(status, message.direction, message.author.kind, class);
    let kind = message.author.kind;
    let unseen = u32::from(message.direction == Direction::Outgoing && kind == AuthorKind::Agent);
    let incoming = message.direction == Direction::Incoming;
    let by_contact = incoming && kind == AuthorKind::Contact;
    writing.execute(
        "UPDATE conversations SET status = ?1, active_at = ?2, last_message_at = max(coalesce(last_message_at, 0), ?3),
           unseen_by_contact = unseen_by_contact + ?4,
           agent_typing_until = CASE ?4 WHEN 0 THEN agent_typing_until END,
           contact_typing_until = CASE ?6 WHEN 0 THEN contact_typing_until END,
           received_id = CASE ?7 WHEN 0 THEN received_id ELSE ?8 END,
           snoozed_until = CASE ?1 WHEN 'snoozed' THEN snoozed_until END WHERE id = ?5",
        params![Stored(after), writing.now.0, at.0, unseen, conversation, by_contact, incoming, id],
    )?;
    tell(writing, conversation, id, message)?;
    if after != status {
        events::of_conversation(writing, conversation, serde_json::json!({"status": after}))?;
    }
    enqueue::message(writing, conversation, id, message)?;
    // Whoever answers by mail is not in the chat: what waits for them there goes after it.
    if by_contact { continuity::redecide_chat(writing, conversation) } else { Ok(()) }
}

fn tell(writing: &Writing<'_>, conversation: Id, id: Id, message: &NewMessage) -> Result<(), StoreError> {
    let detail = serde_json::json!({"direction": message.direction, "author": message.author.kind, "via": message.via});
    let kind = EventKind::MessageCreated;
    events::record(writing, &Happening { kind, conversation, message: Some(id), entry: None, detail })
}

/// The message of the same key, or of the same raw mail: a mail to a token and to an inbox is one message of the
/// conversation that both lead to.
fn written_before(writing: &Writing<'_>, conversation: Id, message: &NewMessage) -> Result<Option<Id>, StoreError> {
    let find = |sql: &str, key: &dyn rusqlite::ToSql| -> Result<Option<Id>, StoreError> {
        let mut find = writing.connection.prepare_cached(sql)?;
        Ok(find.query_row(params![conversation, key], |row| row.get(0)).optional()?)
    };
    if let Some(key) = &message.idempotency_key {
        return find("SELECT id FROM messages WHERE conversation_id = ? AND idempotency_key = ?", key);
    }
    match &message.email {
        Some(email) => find("SELECT id FROM messages WHERE conversation_id = ? AND raw_id = ?", &email.raw_id),
        None => Ok(None),
    }
}

fn insert(writing: &Writing<'_>, conversation: Id, message: &NewMessage, at: UnixMs) -> Result<Id, StoreError> {
    let id = writing.next_id()?;
    let held_for = held_for(message).map(|held| i64::try_from(held.as_millis()).unwrap_or(i64::MAX / 4));
    let held_until = held_for.map(|held| writing.now.0.saturating_add(held));
    writing.execute(
        "INSERT INTO messages (id, conversation_id, direction, author_kind, author_name, author_email, via, text, html,
           quoted, signature, created_at, email, raw_id, idempotency_key, require_tls, posting, held_until)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
            conversation,
            Stored(message.direction),
            Stored(message.author.kind),
            message.author.name,
            message.author.email,
            Stored(message.via),
            message.text,
            message.html,
            message.quoted,
            message.signature,
            at.0,
            message.email.as_ref().map(Json),
            message.email.as_ref().map(|email| email.raw_id),
            message.idempotency_key,
            message.posting.require_tls,
            (message.direction == Direction::Outgoing).then_some(Json(&message.posting)),
            held_until,
        ],
    )?;
    Ok(id)
}

pub fn insert_attachment(writing: &Writing<'_>, message: Id, attachment: &Attachment) -> Result<Id, StoreError> {
    let id = writing.next_id()?;
    writing.execute(
        "INSERT INTO attachments (id, message_id, name, media_type, size, inline, content_id, sha256, part)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
            message,
            attachment.name,
            attachment.media_type,
            attachment.size,
            attachment.inline,
            attachment.content_id,
            attachment.sha256,
            attachment.part,
        ],
    )?;
    Ok(id)
}

/// One message.
pub fn message(connection: &Connection, id: Id) -> Result<Message, StoreError> {
    let mut find = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE id = ?"))?;
    let message = find.query_row([id], read).optional()?.ok_or(StoreError::NotFound("message"))?;
    complete(connection, message)
}

/// The messages of a conversation that were stored last, in the order in which they were written.
pub fn latest(connection: &Connection, conversation: Id, limit: usize) -> Result<Vec<Message>, StoreError> {
    conversations::exists(connection, conversation)?;
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE conversation_id = ? ORDER BY id DESC LIMIT ?");
    let mut find = connection.prepare_cached(&sql)?;
    let mut messages: Vec<Message> =
        find.query_map(params![conversation, limit], read)?.collect::<Result<_, rusqlite::Error>>()?;
    messages.sort_by_key(|message| (message.created_at, message.id));
    messages.into_iter().map(|message| complete(connection, message)).collect()
}

/// A page of the messages that were stored before one, or last; oldest first, and the cursor leads further back.
pub fn page_before(
    connection: &Connection,
    conversation: Id,
    before: Option<Id>,
    limit: usize,
) -> Result<Page<Message>, StoreError> {
    conversations::exists(connection, conversation)?;
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE conversation_id = ? AND id < ? ORDER BY id DESC LIMIT ?");
    let mut find = connection.prepare_cached(&sql)?;
    let values = params![conversation, before.unwrap_or(Id(i64::MAX)), limit + 1];
    let mut messages: Vec<Message> = find.query_map(values, read)?.collect::<Result<_, rusqlite::Error>>()?;
    let more = messages.len() > limit;
    messages.truncate(limit);
    let next = messages.last().filter(|_| more).map(|message| message.id.to_string());
    messages.sort_by_key(|message| (message.created_at, message.id));
    let items = messages.into_iter().map(|message| complete(connection, message)).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

/// The message that an attachment belongs to.
pub fn of_attachment(connection: &Connection, attachment: Id) -> Result<Message, StoreError> {
    let mut find = connection.prepare_cached("SELECT message_id FROM attachments WHERE id = ?")?;
    let id = find.query_row([attachment], |row| row.get(0)).optional()?.ok_or(StoreError::NotFound("attachment"))?;
    message(connection, id)
}

/// The latest texts that we mailed or showed in a conversation, newest first.
pub fn sent_texts(connection: &Connection, conversation: Id, limit: usize) -> Result<Vec<String>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT text FROM messages WHERE conversation_id = ? AND direction = 'outgoing' AND held_until IS NULL
         ORDER BY id DESC LIMIT ?",
    )?;
    Ok(find.query_map(params![conversation, limit], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// With its attachments, and how it fares on its way out.
fn complete(connection: &Connection, message: Message) -> Result<Message, StoreError> {
    let mut message = with_attachments(connection, message)?;
    if message.direction == Direction::Outgoing {
        message.delivery = match queue::delivery(connection, message.id)? {
            None => unmailed::delivery(connection, &message)?,
            found => found,
        };
    }
    Ok(message)
}

fn with_attachments(connection: &Connection, mut message: Message) -> Result<Message, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT id, name, media_type, size, inline, content_id, sha256, part FROM attachments
         WHERE message_id = ? ORDER BY id",
    )?;
    let rows = find.query_map([message.id], |row| {
        Ok(Attachment {
            id: row.get(0)?,
            name: row.get(1)?,
            media_type: row.get(2)?,
            size: row.get(3)?,
            inline: row.get(4)?,
            content_id: row.get(5)?,
            sha256: row.get(6)?,
            part: row.get(7)?,
        })
    })?;
    message.attachments = rows.collect::<Result<_, _>>()?;
    Ok(message)
}

/// A row of these columns, in their order.
pub fn read(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get(0)?,
        conversation_id: row.get(1)?,
        direction: row.get::<_, Stored<_>>(2)?.0,
        author: Author { kind: row.get::<_, Stored<_>>(3)?.0, name: row.get(4)?, email: row.get(5)? },
        via: row.get::<_, Stored<_>>(6)?.0,
        text: row.get(7)?,
        html: row.get(8)?,
        quoted: row.get(9)?,
        signature: row.get(10)?,
        attachments: Vec::new(),
        created_at: UnixMs(row.get(11)?),
        seen_at: row.get::<_, Option<i64>>(12)?.map(UnixMs),
        email: row.get::<_, Option<Json<_>>>(13)?.map(|json| json.0),
        held_until: row.get::<_, Option<i64>>(14)?.map(UnixMs),
        delivery: None,
    })
}

const COLUMNS: &str = "id, conversation_id, direction, author_kind, author_name, author_email, via, text, html, quoted,
    signature, created_at, seen_at, email, held_until";
