//! Everything that a mail is composed of, in one read: its messages, what was said before, the mails that it continues.

use super::super::StoreError;
use super::super::outgoing::{OtherRecipient, QueueEntry, THREAD_MAX, ThreadMail, ToCompose};
use super::begin::email_key;
use super::filing::PARTICIPANTS_MAX;
use super::words::{Json, Stored};
use super::{agents, conversations, history, messages, queue};
use crate::clock::UnixMs;
use crate::conversation::delivery::{MailKind, RecipientKind};
use crate::conversation::id::Id;
use crate::conversation::model::{Conversation, Email};
use rusqlite::{Connection, OptionalExtension, params};

/// Reads it all.
pub fn read(connection: &Connection, id: Id, now: UnixMs) -> Result<ToCompose, StoreError> {
    let entry = queue::entry(connection, id)?;
    let conversation = conversations::conversation(connection, entry.conversation_id)?;
    let mut own = Vec::with_capacity(entry.messages.len());
    for message in &entry.messages {
        own.push(messages::message(connection, *message)?);
    }
    own.sort_by_key(|message| (message.created_at, message.id));
    let first = entry.messages.iter().min().copied();
    let history = history::before(connection, entry.conversation_id, first)?;
    let thread = thread(connection, &entry)?;
    let agent = entry.agent_id.map(|agent| agents::by_id(connection, agent)).transpose()?;
    let assignee = assignee(connection, &conversation)?;
    let others = others(connection, &entry)?;
    let first_subject = first_subject(connection, entry.conversation_id)?;
    Ok(ToCompose { now, entry, conversation, messages: own, history, thread, first_subject, agent, assignee, others })
}

/// Answers alone are sent to several who may know of each other.
fn others(connection: &Connection, entry: &QueueEntry) -> Result<Vec<OtherRecipient>, StoreError> {
    if entry.kind != MailKind::Answer {
        return Ok(Vec::new());
    }
    let mut find = connection.prepare_cached(
        "SELECT DISTINCT q.recipient, q.recipient_kind FROM queue_messages own
         JOIN queue_messages m ON m.message_id = own.message_id JOIN queue q ON q.id = m.queue_id
         WHERE own.queue_id = ? AND q.kind = 'answer' AND q.recipient <> ?
         ORDER BY q.recipient_kind <> 'contact', q.recipient LIMIT ?",
    )?;
    let rows = find.query_map(params![entry.id, entry.recipient, PARTICIPANTS_MAX], |row| {
        Ok(OtherRecipient { address: row.get(0)?, kind: row.get::<_, Stored<_>>(1)?.0 })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn assignee(
    connection: &Connection,
    conversation: &Conversation,
) -> Result<Option<crate::conversation::agent::Agent>, StoreError> {
    match &conversation.assignee {
        Some(assignee) => agents::by_email(connection, &conversation.account, &email_key(assignee)),
        None => Ok(None),
    }
}

/// Mails between us and the recipient, oldest first. An agent's own mails are answers to the contact: what an agent's
/// client threads by is what we told them.
fn thread(connection: &Connection, entry: &QueueEntry) -> Result<Vec<ThreadMail>, StoreError> {
    let mut mails = sent(connection, entry)?;
    if entry.recipient_kind != RecipientKind::Agent {
        mails.extend(received(connection, entry)?);
    }
    mails.sort_by_key(|(at, _)| *at);
    let surplus = mails.len().saturating_sub(THREAD_MAX);
    Ok(mails.into_iter().skip(surplus).map(|(_, mail)| mail).collect())
}

/// A participant's mail names nothing: anyone who has the address may have written it.
fn first_subject(connection: &Connection, conversation: Id) -> Result<Option<String>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT subject FROM (
           SELECT at, subject FROM (SELECT ifnull(last_attempt_at, created_at) AS at, subject FROM queue
             WHERE conversation_id = ?1 AND kind = 'answer' AND recipient_kind = 'contact' AND raw_id IS NOT NULL
             ORDER BY id LIMIT 1)
           UNION ALL
           SELECT at, subject FROM (SELECT created_at AS at, json_extract(email, '$.subject') AS subject FROM messages
             WHERE conversation_id = ?1 AND direction = 'incoming' AND author_kind = 'contact' AND email IS NOT NULL
             ORDER BY id LIMIT 1))
         ORDER BY at LIMIT 1",
    )?;
    Ok(find.query_row([conversation], |row| row.get(0)).optional()?.flatten())
}

/// What went out to the recipient before this one, or may have; a mail that failed was never seen.
fn sent(connection: &Connection, entry: &QueueEntry) -> Result<Vec<(i64, ThreadMail)>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT ifnull(last_attempt_at, created_at), message_id, thread, subject FROM queue
         WHERE conversation_id = ? AND id <> ? AND recipient = ? AND raw_id IS NOT NULL AND state <> 'failed'
         ORDER BY id DESC LIMIT ?",
    )?;
    let rows = find.query_map(params![entry.conversation_id, entry.id, entry.recipient, THREAD_MAX], |row| {
        let references = row.get::<_, Option<Json<Vec<String>>>>(2)?.map(|json| json.0).unwrap_or_default();
        Ok((row.get(0)?, ThreadMail { message_id: row.get(1)?, references, subject: row.get(3)?, incoming: false }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What came from the recipient by mail.
fn received(connection: &Connection, entry: &QueueEntry) -> Result<Vec<(i64, ThreadMail)>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT created_at, author_email, email FROM messages
         WHERE conversation_id = ? AND direction = 'incoming' AND email IS NOT NULL ORDER BY id DESC LIMIT ?",
    )?;
    let rows = find.query_map(params![entry.conversation_id, THREAD_MAX], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, Json<Email>>(2)?.0))
    })?;
    let recipient = email_key(&entry.recipient);
    let mut received = Vec::new();
    for row in rows {
        let (at, author, email) = row?;
        let theirs = author.is_some_and(|author| email_key(&author) == recipient);
        if let Some(message_id) = email.message_id.filter(|_| theirs) {
            let Email { references, subject, .. } = email;
            received.push((at, ThreadMail { message_id, references, subject, incoming: true }));
        }
    }
    Ok(received)
}
