//! Conversations as they are read, and what an agent changes of them.

use super::super::StoreError;
use super::units::Writing;
use super::words::{Stored, Word};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::{Bounced, Contact, Conversation, Participant, Status};
use crate::conversation::reply_token::ReplyToken;
use rusqlite::{Connection, OptionalExtension, Row, params};

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

/// The conversation with who else takes part in it.
pub fn with_participants(connection: &Connection, mut conversation: Conversation) -> Result<Conversation, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT name, email, since FROM participants WHERE conversation_id = ? ORDER BY since, email",
    )?;
    let rows = find.query_map([conversation.id], |row| {
        Ok(Participant { name: row.get(0)?, email: row.get(1)?, since: UnixMs(row.get(2)?) })
    })?;
    conversation.participants = rows.collect::<Result<_, _>>()?;
    Ok(conversation)
}

/// A row of [`COLUMNS`].
pub fn read(row: &Row<'_>) -> rusqlite::Result<Conversation> {
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
        reply_token_is_revoked: row.get(26)?,
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

pub const COLUMNS: &str = "c.id, c.account, c.inbox, c.channel, c.status, c.subject, c.assignee, k.id, k.name, k.email,
    k.identifier, c.reply_token, c.created_at, c.last_message_at, c.unseen_by_contact, c.contact_id, c.active_at,
    ifnull(t.revoked_at, t.expires_at), c.snoozed_until, k.bounced_at, k.bounce_reason,
    k.claimed_email, c.presence, c.presence_since, c.mail_off, c.page, t.revoked_at IS NOT NULL";
pub const TABLES: &str = "conversations c JOIN contacts k ON k.id = c.contact_id
    LEFT JOIN reply_tokens t ON t.token = c.reply_token";
