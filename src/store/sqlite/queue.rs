//! The queue as it is read: one entry, a page of entries, and how a message fares on its way out.

use super::super::outgoing::{QueueEntry, QueueQuery};
use super::super::{Page, StoreError};
use super::units::Writing;
use super::words::{Stored, Word, names};
use crate::clock::UnixMs;
use crate::conversation::delivery::{self, Delivery, Phase};
use crate::conversation::id::Id;
use crate::conversation::reply_token::ReplyToken;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

/// One entry with its messages.
pub fn entry(connection: &Connection, id: Id) -> Result<QueueEntry, StoreError> {
    let mut find = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM queue WHERE id = ?"))?;
    let found = find.query_row([id], read).optional()?.ok_or(StoreError::NotFound("queue entry"))?;
    with_messages(connection, found)
}

/// A page, newest first.
pub fn page(connection: &Connection, query: &QueueQuery) -> Result<Page<QueueEntry>, StoreError> {
    let limit = query.limit.clamp(1, PAGE_MAX);
    let (conditions, values) = conditions(query);
    let sql = format!("SELECT {COLUMNS} FROM queue WHERE {conditions} ORDER BY id DESC LIMIT {}", limit + 1);
    let mut find = connection.prepare_cached(&sql)?;
    let mut found: Vec<QueueEntry> =
        find.query_map(params_from_iter(values), read)?.collect::<Result<_, rusqlite::Error>>()?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|entry| entry.id.to_string());
    let items = found.into_iter().map(|entry| with_messages(connection, entry)).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

/// How an agent's message fares: that of the contact's mail, unless another recipient's needs a person more.
pub fn delivery(connection: &Connection, message: Id) -> Result<Option<Delivery>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT q.state, CASE q.held WHEN 0 THEN q.due_at END, q.attempts, q.remote, q.remote_reply, q.tls,
           q.last_attempt_at, q.reason, q.uncertain, q.bounced_at, q.bounce_diagnostic, q.message_id, q.held
         FROM queue_messages m JOIN queue q ON q.id = m.queue_id
         WHERE m.message_id = ? AND q.kind = 'answer' ORDER BY q.recipient_kind <> 'contact', q.id",
    )?;
    let rows = find.query_map([message], |row| {
        Ok(Delivery {
            state: row.get::<_, Stored<_>>(0)?.0,
            due_at: time(row, 1)?,
            attempts: row.get(2)?,
            remote: row.get(3)?,
            remote_reply: row.get(4)?,
            tls: row.get(5)?,
            last_attempt_at: time(row, 6)?,
            reason: row.get(7)?,
            uncertain: row.get(8)?,
            bounced_at: time(row, 9)?,
            bounce_diagnostic: row.get(10)?,
            message_id: row.get(11)?,
            held: row.get(12)?,
        })
    })?;
    Ok(delivery::summary(rows.collect::<Result<_, _>>()?))
}

/// Entries in hand, of this run or an earlier one.
pub fn in_hand(writing: &Writing<'_>) -> Result<Vec<QueueEntry>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM queue INDEXED BY queue_in_hand WHERE phase IS NOT NULL ORDER BY id");
    let mut find = writing.connection.prepare_cached(&sql)?;
    let found: Vec<QueueEntry> = find.query_map([], read)?.collect::<Result<_, rusqlite::Error>>()?;
    found.into_iter().map(|entry| with_messages(writing.connection, entry)).collect()
}

/// What the filters say, in SQL.
pub fn conditions(query: &QueueQuery) -> (String, Vec<Value>) {
    let mut conditions = vec!["id < ?"];
    let mut values = vec![Value::Integer(query.before.map_or(i64::MAX, |id| id.0))];
    if let Some(account) = &query.account {
        conditions.push("account = ?");
        values.push(Value::Text(account.clone()));
    }
    if let Some(inboxes) = &query.inboxes {
        conditions.push(OF_INBOXES);
        values.push(names(inboxes));
    }
    if let Some(state) = query.state {
        conditions.push("state = ?");
        values.push(Value::Text(state.word().to_owned()));
    }
    if let Some(conversation) = query.conversation {
        conditions.push("conversation_id = ?");
        values.push(Value::Integer(conversation.0));
    }
    if let Some(recipient) = &query.recipient {
        conditions.push("instr(lower(recipient), ?)");
        values.push(Value::Text(recipient.to_lowercase()));
    }
    if let Some(domain) = &query.domain {
        conditions.push("domain = ?");
        values.push(Value::Text(domain.to_lowercase()));
    }
    if let Some(host) = &query.host {
        conditions.push("instr(lower(remote), ?)");
        values.push(Value::Text(host.to_lowercase()));
    }
    if let Some(created_by) = query.created_by {
        conditions.push("created_at <= ?");
        values.push(Value::Integer(created_by.0));
    }
    (conditions.join(" AND "), values)
}

fn with_messages(connection: &Connection, mut entry: QueueEntry) -> Result<QueueEntry, StoreError> {
    let mut find =
        connection.prepare_cached("SELECT message_id FROM queue_messages WHERE queue_id = ? ORDER BY message_id")?;
    entry.messages = find.query_map([entry.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(entry)
}

fn read(row: &Row<'_>) -> rusqlite::Result<QueueEntry> {
    Ok(QueueEntry {
        id: row.get(0)?,
        account: row.get(1)?,
        conversation_id: row.get(2)?,
        kind: row.get::<_, Stored<_>>(3)?.0,
        recipient: row.get(4)?,
        recipient_kind: row.get::<_, Stored<_>>(5)?.0,
        agent_id: row.get(6)?,
        domain: row.get(7)?,
        messages: Vec::new(),
        notice: row.get(8)?,
        reply_token: ReplyToken(row.get(9)?),
        message_id: row.get(10)?,
        require_tls: row.get(11)?,
        state: row.get::<_, Stored<_>>(12)?.0,
        phase: row.get::<_, Option<Stored<Phase>>>(13)?.map(|phase| phase.0),
        held: row.get(14)?,
        uncertain: row.get(15)?,
        created_at: UnixMs(row.get(16)?),
        due_at: time(row, 17)?,
        give_up_at: UnixMs(row.get(18)?),
        attempts: row.get(19)?,
        last_attempt_at: time(row, 20)?,
        remote: row.get(21)?,
        remote_reply: row.get(22)?,
        tls: row.get(23)?,
        reason: row.get(24)?,
        transcript: row.get(25)?,
        raw_id: row.get(26)?,
        urgent: row.get(27)?,
        bounced_at: time(row, 28)?,
        bounce_diagnostic: row.get(29)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixMs>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs))
}

const OF_INBOXES: &str = "EXISTS (SELECT 1 FROM conversations c WHERE c.id = queue.conversation_id
    AND c.inbox IN (SELECT value FROM json_each(?)))";
const COLUMNS: &str = "id, account, conversation_id, kind, recipient, recipient_kind, agent_id, domain, notice,
    reply_token, message_id, require_tls, state, phase, held, uncertain, created_at, due_at, give_up_at, attempts,
    last_attempt_at, remote, remote_reply, tls, reason, transcript, raw_id, urgent, bounced_at, bounce_diagnostic";
/// Items of one page.
const PAGE_MAX: usize = 500;
