//! Addresses that get no more mail from an account: how one comes to that, for how long, and the way back; and the mark on
//! a contact whose mail comes back.

use super::super::StoreError;
use super::super::outgoing::{QueueEntry, SuppressionRow};
use super::begin::email_key;
use super::claims;
use super::units::Writing;
use super::words::Stored;
use crate::clock::UnixMs;
use crate::conversation::continuity::MailWish;
use crate::conversation::delivery::{RecipientKind, SuppressionReason, suppressed_words};
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Why an address gets no mail now, in words; `None` if it does.
pub fn standing(
    connection: &Connection,
    account: &str,
    email: &str,
    now: UnixMs,
) -> Result<Option<String>, StoreError> {
    let row = of_addresses(connection, account, &[email.to_owned()], now)?.pop();
    Ok(row.map(|row| suppressed_words(&row.email, row.reason, row.detail.as_deref())))
}

/// Notes that mail to the entry's recipient failed for good. A full mailbox is emptied one day: only the third failure
/// within a week counts.
pub fn failed(
    writing: &Writing<'_>,
    entry: &QueueEntry,
    reason: SuppressionReason,
    detail: &str,
) -> Result<(), StoreError> {
    if reason == SuppressionReason::MailboxFull && strike(writing, entry)? < STRIKES_MAX {
        return Ok(());
    }
    suppress(writing, entry, reason, Some(detail))
}

/// No more mail of the entry's account to its recipient.
pub fn suppress(
    writing: &Writing<'_>,
    entry: &QueueEntry,
    reason: SuppressionReason,
    detail: Option<&str>,
) -> Result<(), StoreError> {
    let expires_at = life(reason).map(|life| writing.now.0 + life);
    // A person's wish is not made shorter by a machine's answer.
    writing.execute(
        "INSERT INTO suppressions (account, email, reason, detail, since, expires_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (account, email) DO UPDATE SET reason = excluded.reason, detail = excluded.detail,
           since = excluded.since, expires_at = excluded.expires_at
         WHERE expires_at IS NOT NULL",
        params![entry.account, email_key(&entry.recipient), Stored(reason), detail, writing.now.0, expires_at],
    )?;
    Ok(())
}

/// Marks the contact whose mail came back.
pub fn mark_contact(writing: &Writing<'_>, entry: &QueueEntry, reason: &str) -> Result<(), StoreError> {
    if entry.recipient_kind != RecipientKind::Contact {
        return Ok(());
    }
    for address in WRITTEN_TO {
        let mark = format!("UPDATE contacts SET bounced_at = ifnull(bounced_at, ?), bounce_reason = ? WHERE {address}");
        writing.execute(&mark, params![writing.now.0, reason, entry.account, email_key(&entry.recipient)])?;
    }
    Ok(())
}

/// The mark is about the address that mail goes to: what was claimed, else what is known.
const WRITTEN_TO: [&str; 2] = [
    "account = ? AND email = ? AND claimed_email IS NULL",
    "account = ? AND claimed_email = ? AND claimed_email IS NOT NULL",
];

/// A mail arrived: nothing that was held against the address counts any more.
pub fn delivered(writing: &Writing<'_>, entry: &QueueEntry) -> Result<(), StoreError> {
    let email = email_key(&entry.recipient);
    writing.execute("DELETE FROM strikes WHERE account = ? AND email = ?", params![entry.account, email])?;
    unmark(writing, &entry.account, &email)
}

/// Suppressed addresses, the latest first; expired ones are not shown.
pub fn list(connection: &Connection, account: Option<&str>, now: UnixMs) -> Result<Vec<SuppressionRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM suppressions WHERE (?1 IS NULL OR account = ?1)
         AND (expires_at IS NULL OR expires_at > ?2) ORDER BY since DESC, email LIMIT {LISTED_MAX}"
    );
    let mut find = connection.prepare_cached(&sql)?;
    Ok(find.query_map(params![account, now.0], read)?.collect::<Result<_, _>>()?)
}

/// Those of an account's addresses that get no mail now.
pub fn of_addresses(
    connection: &Connection,
    account: &str,
    addresses: &[String],
    now: UnixMs,
) -> Result<Vec<SuppressionRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM suppressions WHERE account = ? AND email = ? AND (expires_at IS NULL OR expires_at > ?)"
    );
    let mut find = connection.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for address in addresses {
        found.extend(find.query_row(params![account, email_key(address), now.0], read).optional()?);
    }
    Ok(found)
}

/// Mail to the address is sent again.
pub fn clear(writing: &Writing<'_>, account: &str, email: &str) -> Result<(), StoreError> {
    let email = email_key(email);
    let cleared =
        writing.execute("DELETE FROM suppressions WHERE account = ? AND email = ?", params![account, email])?;
    writing.execute("DELETE FROM strikes WHERE account = ? AND email = ?", params![account, email])?;
    unmark(writing, account, &email)?;
    if cleared == 0 { Err(StoreError::NotFound("suppressed address")) } else { Ok(()) }
}

/// One-click unsubscribe (RFC 8058 §3.1): done at once, and doing it again changes nothing. The contact of a chat is done
/// with the mails of this chat, and turns them on again there; whoever has no chat to say so in gets no mail of the account.
pub fn unsubscribe(writing: &Writing<'_>, entry: Id) -> Result<(), StoreError> {
    let entry = super::queue::entry(writing.connection, entry)?;
    let is_chat = "SELECT 1 FROM conversations WHERE id = ? AND channel <> 'email'";
    let is_chat = writing.connection.prepare_cached(is_chat)?.exists([entry.conversation_id])?;
    if entry.recipient_kind == RecipientKind::Contact && is_chat {
        return claims::wish(writing, entry.conversation_id, MailWish::Off);
    }
    suppress(writing, &entry, SuppressionReason::Unsubscribed, None)
}

fn unmark(writing: &Writing<'_>, account: &str, email: &str) -> Result<(), StoreError> {
    for address in WRITTEN_TO {
        let unmark = format!(
            "UPDATE contacts SET bounced_at = NULL, bounce_reason = NULL WHERE {address} AND bounced_at IS NOT NULL"
        );
        writing.execute(&unmark, params![account, email])?;
    }
    Ok(())
}

/// Counts a full mailbox; answers how often it was within the time that counts.
fn strike(writing: &Writing<'_>, entry: &QueueEntry) -> Result<usize, StoreError> {
    let (account, email, since) = (&entry.account, email_key(&entry.recipient), writing.now.0 - STRIKES_MS);
    writing
        .execute("DELETE FROM strikes WHERE account = ? AND email = ? AND at <= ?", params![account, email, since])?;
    let add = "INSERT OR IGNORE INTO strikes (account, email, at) VALUES (?, ?, ?)";
    writing.execute(add, params![account, email, writing.now.0])?;
    let mut count =
        writing.connection.prepare_cached("SELECT count(*) FROM strikes WHERE account = ? AND email = ?")?;
    Ok(count.query_row(params![account, email], |row| row.get(0))?)
}

/// `None`: until somebody clears it.
fn life(reason: SuppressionReason) -> Option<i64> {
    match reason {
        // Addresses are made anew, and domains come back.
        SuppressionReason::BadAddress => Some(90 * DAY_MS),
        SuppressionReason::MailboxFull => Some(7 * DAY_MS),
        SuppressionReason::Complaint | SuppressionReason::Unsubscribed => None,
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<SuppressionRow> {
    Ok(SuppressionRow {
        account: row.get(0)?,
        email: row.get(1)?,
        reason: row.get::<_, Stored<_>>(2)?.0,
        detail: row.get(3)?,
        since: UnixMs(row.get(4)?),
        expires_at: row.get::<_, Option<i64>>(5)?.map(UnixMs),
    })
}

const COLUMNS: &str = "account, email, reason, detail, since, expires_at";
const DAY_MS: i64 = 86_400_000;
const STRIKES_MAX: usize = 3;
const STRIKES_MS: i64 = 7 * DAY_MS;
const LISTED_MAX: usize = 10_000;
