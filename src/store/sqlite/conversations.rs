//! Conversations as they are read and listed, and what an agent changes of them.

use super::super::desk::AssigneeWish;
use super::super::query::{ConversationCursor, ConversationQuery};
use super::super::{Page, StoreError};
use super::begin::email_key;
use super::search;
use super::units::Writing;
use super::words::{Stored, Word, names};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::{Bounced, Contact, Conversation, Participant, Status};
use crate::conversation::reply_token::ReplyToken;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

/// Whether there is such a conversation.
pub fn exists(connection: &Connection, id: Id) -> Result<(), StoreError> {
    status(connection, id).map(|_| ())
}

/// A conversation's status.
pub fn status(connection: &Connection, id: Id) -> Result<Status, StoreError> {
    let mut find = connection.prepare_cached("SELECT status FROM conversations WHERE id = ?")?;
    let found: Option<Stored<Status>> = find.query_row([id], |row| row.get(0)).optional()?;
    found.map(|status| status.0).ok_or(StoreError::NotFound("conversation"))
}

/// One conversation with its contact and participants.
pub fn conversation(connection: &Connection, id: Id) -> Result<Conversation, StoreError> {
    let mut find = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM {TABLES} WHERE c.id = ?"))?;
    let found = find.query_row([id], read).optional()?.ok_or(StoreError::NotFound("conversation"))?;
    with_participants(connection, found)
}

/// The inboxes of conversations.
pub fn inboxes_of(connection: &Connection, ids: &[Id]) -> Result<Vec<(Id, String)>, StoreError> {
    let mut find = connection.prepare_cached("SELECT inbox FROM conversations WHERE id = ?")?;
    let inbox = |id: &Id| Ok(find.query_row([*id], |row| row.get(0)).optional()?.map(|inbox| (*id, inbox)));
    ids.iter().map(inbox).filter_map(Result::transpose).collect()
}

/// A page, newest activity first.
pub fn page(connection: &Connection, query: &ConversationQuery) -> Result<Page<Conversation>, StoreError> {
    if let Some(words) = query.query.as_deref().filter(|words| !words.trim().is_empty()) {
        return search::page(connection, query, words);
    }
    let limit = query.limit.clamp(1, PAGE_MAX);
    let (mut conditions, mut values) = conditions(query);
    if let Some(ConversationCursor { active_at, id }) = query.cursor {
        conditions.push_str(" AND (c.active_at, c.id) < (?, ?)");
        values.extend([Value::Integer(active_at), Value::Integer(id.0)]);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE {conditions} ORDER BY c.active_at DESC, c.id DESC LIMIT {}",
        limit + 1
    );
    let mut find = connection.prepare_cached(&sql)?;
    let rows = find.query_map(params_from_iter(values), |row| Ok((read(row)?, row.get::<_, i64>(16)?)))?;
    let mut found: Vec<(Conversation, i64)> = rows.collect::<Result<_, _>>()?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|(last, active_at)| ConversationCursor { active_at: *active_at, id: last.id }.to_string());
    let items = found.into_iter().map(|(item, _)| with_participants(connection, item)).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

/// A conversation that was found by its words, if the other conditions hold for it.
pub fn matching(
    connection: &Connection,
    query: &ConversationQuery,
    id: Id,
) -> Result<Option<Conversation>, StoreError> {
    let (conditions, mut values) = conditions(query);
    values.push(Value::Integer(id.0));
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE {conditions} AND c.id = ?");
    let found = connection.prepare_cached(&sql)?.query_row(params_from_iter(values), read).optional()?;
    found.map(|found| with_participants(connection, found)).transpose()
}

/// What an agent may change; `None` leaves it.
pub fn update(
    writing: &Writing<'_>,
    id: Id,
    status: Option<Status>,
    assignee: Option<&str>,
    subject: Option<&str>,
) -> Result<(), StoreError> {
    exists(writing.connection, id)?;
    writing.execute(
        "UPDATE conversations SET status = ifnull(?1, status), assignee = ifnull(?2, assignee),
           subject = ifnull(?3, subject), snoozed_until = CASE WHEN ?1 IS NULL THEN snoozed_until END WHERE id = ?4",
        params![status.map(Stored), assignee, subject, id],
    )?;
    let told = [("status", status.map(|status| status.word())), ("assignee", assignee), ("subject", subject)];
    let detail: serde_json::Map<_, _> =
        told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
    if detail.is_empty() { Ok(()) } else { super::events::of_conversation(writing, id, detail.into()) }
}

fn conditions(query: &ConversationQuery) -> (String, Vec<Value>) {
    let mut conditions = vec!["1"];
    let mut values = Vec::new();
    let text = |text: &String| Value::Text(text.clone());
    if let Some(account) = &query.account {
        conditions.push("c.account = ?");
        values.push(text(account));
    }
    if let Some(inbox) = &query.inbox {
        conditions.push("c.inbox = ?");
        values.push(text(inbox));
    }
    if let Some(inboxes) = &query.inboxes {
        conditions.push("c.inbox IN (SELECT value FROM json_each(?))");
        values.push(names(inboxes));
    }
    if let Some(status) = query.status {
        conditions.push("c.status = ?");
        values.push(Value::Text(status.word().to_owned()));
    }
    match &query.assignee {
        Some(AssigneeWish::Nobody) => conditions.push("c.assignee IS NULL"),
        Some(AssigneeWish::Agent(email)) => {
            conditions.push("c.assignee = ?");
            values.push(text(email));
        }
        None => {}
    }
    if let Some(agent) = query.unread_by {
        conditions.push(UNREAD);
        values.extend(std::iter::repeat_n(Value::Integer(agent.0), 3));
    }
    if let Some(contact) = &query.contact {
        conditions.push("c.contact_id IN (SELECT id FROM contacts WHERE email = ? OR identifier = ?)");
        values.extend([Value::Text(email_key(contact)), text(contact)]);
    }
    (conditions.join(" AND "), values)
}

fn with_participants(connection: &Connection, mut conversation: Conversation) -> Result<Conversation, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT name, email, since FROM participants WHERE conversation_id = ? ORDER BY since, email",
    )?;
    let rows = find.query_map([conversation.id], |row| {
        Ok(Participant { name: row.get(0)?, email: row.get(1)?, since: UnixMs(row.get(2)?) })
    })?;
    conversation.participants = rows.collect::<Result<_, _>>()?;
    Ok(conversation)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    Ok(Conversation {
        id: row.get(0)?,
        account: row.get(1)?,
        inbox: row.get(2)?,
        channel: row.get::<_, Stored<_>>(3)?.0,
        status: row.get::<_, Stored<_>>(4)?.0,
        subject: row.get(5)?,
        assignee: row.get(6)?,
        contact: Contact {
            id: row.get(7)?,
            name: row.get(8)?,
            email: row.get(9)?,
            identifier: row.get(10)?,
            bounced: bounced(row)?,
            claimed_email: row.get(21)?,
        },
        snoozed_until: row.get::<_, Option<i64>>(18)?.map(UnixMs),
        participants: Vec::new(),
        reply_token: ReplyToken(row.get(11)?),
        reply_token_until: row.get::<_, Option<i64>>(17)?.map(UnixMs),
        created_at: UnixMs(row.get(12)?),
        last_message_at: row.get::<_, Option<i64>>(13)?.map(UnixMs),
        unseen_by_contact: row.get(14)?,
        presence: row.get::<_, Stored<_>>(22)?.0,
        presence_since: row.get::<_, Option<i64>>(23)?.map(UnixMs),
        mail_off: row.get(24)?,
        page: row.get(25)?,
    })
}

fn bounced(row: &Row<'_>) -> rusqlite::Result<Option<Bounced>> {
    let (since, reason): (Option<i64>, Option<String>) = (row.get(19)?, row.get(20)?);
    Ok(since.map(|since| Bounced { since: UnixMs(since), reason: reason.unwrap_or_default() }))
}

/// As [`super::glances::UNREAD`]. Of the latest conversations only: with everything read, the rest would be looked at in vain.
const UNREAD: &str = "c.active_at >= ifnull((SELECT l.active_at FROM conversations l
      WHERE l.account = (SELECT a.account FROM agents a WHERE a.id = ?) ORDER BY l.active_at DESC LIMIT 1 OFFSET 10000), 0)
    AND (SELECT max(m.id) FROM messages m WHERE m.conversation_id = c.id AND m.direction = 'incoming')
    > ifnull((SELECT r.up_to FROM agent_reads r WHERE r.agent_id = ? AND r.conversation_id = c.id), ?)";
const COLUMNS: &str = "c.id, c.account, c.inbox, c.channel, c.status, c.subject, c.assignee, k.id, k.name, k.email,
    k.identifier, c.reply_token, c.created_at, c.last_message_at, c.unseen_by_contact, c.contact_id, c.active_at,
    ifnull(t.revoked_at, t.expires_at), c.snoozed_until, k.bounced_at, k.bounce_reason,
    k.claimed_email, c.presence, c.presence_since, c.mail_off, c.page";
const TABLES: &str = "conversations c JOIN contacts k ON k.id = c.contact_id
    LEFT JOIN reply_tokens t ON t.token = c.reply_token";
/// Items of one page.
pub const PAGE_MAX: usize = 500;
