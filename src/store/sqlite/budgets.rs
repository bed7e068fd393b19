//! Which mail has to wait because too many of its kind went within the hour, and until when.
//!
//! A loop needs mail that comes in, so only mails that it caused count for it, or as many as came: two machines that answer each
//! other stop until a person looks. Everything else goes by itself once there is room again: what people write, chats that
//! anybody may begin with any address typed into them, notifications of a busy chat.

use super::super::StoreError;
use super::super::outgoing::{EventKind, QueueEntry};
use super::enqueue::Mail;
use super::units::Writing;
use super::words::Stored;
use super::{continuity, events, queue};
use crate::clock::UnixMs;
use crate::conversation::delivery::{
    DeliveryState, MailKind, RecipientKind, too_many_answers_words, too_many_of_chats_words, too_many_words,
};
use crate::conversation::id::Id;
use crate::conversation::model::{Channel, Via};
use crate::mail::address::without_detail;
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// What becomes of a mail that is to go now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// With whatever comes until then.
    Together(UnixMs),
    Held(Held),
}

/// Why a mail has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub words: String,
    /// When there may be room for it; `None`: it looks like a loop, and a person has to look.
    pub free_at: Option<UnixMs>,
}

pub fn verdict(writing: &Writing<'_>, account: &str, mail: &Mail<'_>) -> Result<Verdict, StoreError> {
    // Notices have a budget of their own.
    if mail.kind == MailKind::Notice {
        return Ok(Verdict::Go);
    }
    if let Some(held) = looping(writing, account, mail)? {
        return Ok(Verdict::Held(held));
    }
    if let Some(held) = room(writing, account, mail)? {
        return Ok(Verdict::Held(held));
    }
    if mail.kind == MailKind::Notification && !came_by_mail(writing, mail)? {
        let most = writing.outgoing.budgets.notifications;
        if full_until(writing, account, mail, Among { by_mail: false, ..CONVERSATION }, most)?.is_some() {
            return Ok(Verdict::Together(UnixMs(writing.now.0 + milliseconds(TOGETHER))));
        }
    }
    Ok(Verdict::Go)
}

/// Whether it looks like two machines that answer each other: incoming mail caused as many mails like this one as may go in
/// an hour; or as many answers went, however written, to somebody who sent as many mails themselves, as two programs do
/// that answer over the API.
pub fn looping(writing: &Writing<'_>, account: &str, mail: &Mail<'_>) -> Result<Option<Held>, StoreError> {
    let most = writing.outgoing.budgets.looping;
    let by_mail = came_by_mail(writing, mail)?;
    if !by_mail && mail.kind != MailKind::Answer {
        return Ok(None);
    }
    let full = full_until(writing, account, mail, Among { by_mail, ..CONVERSATION }, most)?.is_some();
    let loops = full && (by_mail || sent_as_many(writing, mail, most)?);
    Ok(loops.then(|| Held { words: too_many_words(mail.kind, mail.recipient, most), free_at: None }))
}

/// Whether so many mails of the recipient came into the conversation within the hour.
fn sent_as_many(writing: &Writing<'_>, mail: &Mail<'_>, most: usize) -> Result<bool, StoreError> {
    let mut count = writing.connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM messages WHERE conversation_id = ? AND id >= ? AND direction = 'incoming'
           AND via = ? AND author_email = ? COLLATE NOCASE LIMIT ?)",
    )?;
    let since = Id::first_of(UnixMs(writing.now.0 - HOUR_MS));
    let key = params![mail.conversation, since, Stored(Via::Email), mail.recipient, most];
    let came: usize = count.query_row(key, |row| row.get(0))?;
    Ok(came >= most)
}

/// Whether something but a loop keeps it.
pub fn room(writing: &Writing<'_>, account: &str, mail: &Mail<'_>) -> Result<Option<Held>, StoreError> {
    let budgets = &writing.outgoing.budgets;
    let held = |words, free_at: Option<UnixMs>| free_at.map(|at| Held { words, free_at: Some(at) });
    match (mail.kind, mail.recipient_kind) {
        (MailKind::Answer, RecipientKind::Contact) if is_claim(writing, mail)? => {
            let most = budgets.claimed;
            let full = full_until(writing, account, mail, Among { recipient: false, ..CHATS }, most)?;
            Ok(held(too_many_of_chats_words(mail.kind, mail.recipient, most), full))
        }
        (MailKind::Answer, _) => {
            let full = full_until(writing, account, mail, CONVERSATION, budgets.answers)?;
            Ok(held(too_many_answers_words(mail.recipient, budgets.answers), full))
        }
        (MailKind::Notification, RecipientKind::Agent) if is_chat(writing, mail)? => {
            let full = full_until(writing, account, mail, CHATS, budgets.agent)?;
            Ok(held(too_many_of_chats_words(mail.kind, mail.recipient, budgets.agent), full))
        }
        _ => Ok(None),
    }
}

/// Mails like this one within the hour, counted up to `most`.
pub fn within_the_hour(writing: &Writing<'_>, mail: &Mail<'_>, most: usize) -> Result<usize, StoreError> {
    let mut count = writing.connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM queue WHERE conversation_id = ? AND id >= ? AND recipient = ? AND kind = ?
           LIMIT ?)",
    )?;
    let since = Id::first_of(UnixMs(writing.now.0 - HOUR_MS));
    let key = params![mail.conversation, since, mail.recipient, Stored(mail.kind), most];
    Ok(count.query_row(key, |row| row.get(0))?)
}

/// Releases what was held until there is room. What is still too much is looked at again.
pub fn free_due(writing: &Writing<'_>, limit: usize) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached(&due_sql())?;
    let rows = find.query_map(params![writing.now.0, limit], |row| row.get(0))?;
    let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
    found.into_iter().try_for_each(|id| free(writing, &queue::entry(writing.connection, id)?))
}

fn free(writing: &Writing<'_>, entry: &QueueEntry) -> Result<(), StoreError> {
    if entry.recipient_kind == RecipientKind::Contact && is_seen(writing.connection, entry.id)? {
        writing.execute("UPDATE queue SET held = 0, free_at = NULL WHERE id = ?", [entry.id])?;
        return continuity::end(writing, entry.id, DeliveryState::Seen, "seen in the chat");
    }
    if let Some(Held { free_at: Some(at), .. }) = room(writing, &entry.account, &of_entry(entry))? {
        // Many may be held for the same room.
        let at = at.0.max(writing.now.0 + milliseconds(LOOK_AGAIN));
        writing.execute("UPDATE queue SET free_at = ? WHERE id = ?", params![at, entry.id])?;
        return Ok(());
    }
    // Its age counts from here, as of a mail that the chat had first.
    writing.execute(
        "UPDATE queue SET held = 0, free_at = NULL, due_at = ?1, created_at = ?1, give_up_at = ?2, reason = NULL,
           told_at = NULL WHERE id = ?3",
        params![writing.now.0, writing.now.0 + milliseconds(writing.outgoing.give_up), entry.id],
    )?;
    writing.outgoing_mail.set(true);
    let detail = serde_json::json!({"state": entry.state, "held": false, "reason": "there is room for it again"});
    events::of_mail(writing, entry, EventKind::DeliveryChanged, &detail)
}

fn of_entry(entry: &QueueEntry) -> Mail<'_> {
    Mail {
        conversation: entry.conversation_id,
        kind: entry.kind,
        recipient: &entry.recipient,
        recipient_kind: entry.recipient_kind,
        agent: entry.agent_id,
        messages: &entry.messages,
        notice: entry.notice.as_deref(),
        delay: Duration::ZERO,
        require_tls: entry.require_tls,
    }
}

/// A clock that was put back left moments that are far ahead.
pub fn look_at_all(writing: &Writing<'_>) -> Result<(), StoreError> {
    let ahead =
        "UPDATE queue INDEXED BY queue_freed SET free_at = ?1 WHERE held = 1 AND free_at IS NOT NULL AND free_at > ?2";
    writing.execute(ahead, params![writing.now.0, writing.now.0 + HOUR_MS + milliseconds(LOOK_AGAIN)])?;
    Ok(())
}

fn is_seen(connection: &Connection, entry: Id) -> Result<bool, StoreError> {
    let mut unseen = connection.prepare_cached(
        "SELECT 1 FROM queue_messages x JOIN messages m ON m.id = x.message_id WHERE x.queue_id = ? AND m.seen_at IS NULL",
    )?;
    Ok(!unseen.exists([entry])?)
}

fn came_by_mail(writing: &Writing<'_>, mail: &Mail<'_>) -> Result<bool, StoreError> {
    let mut find = writing.connection.prepare_cached("SELECT 1 FROM messages WHERE id = ? AND via = ?")?;
    for message in mail.messages {
        if find.exists(params![message, Stored(Via::Email)])? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_claim(writing: &Writing<'_>, mail: &Mail<'_>) -> Result<bool, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT 1 FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE c.id = ? AND k.claimed_email = ?",
    )?;
    Ok(find.exists(params![mail.conversation, mail.recipient])?)
}

fn is_chat(writing: &Writing<'_>, mail: &Mail<'_>) -> Result<bool, StoreError> {
    let mut find = writing.connection.prepare_cached("SELECT 1 FROM conversations WHERE id = ? AND channel = ?")?;
    Ok(find.exists(params![mail.conversation, Stored(Channel::Widget)])?)
}

/// Which mails are counted with one: always of its account, kind and, but for its sub-address, recipient.
#[derive(Debug, Clone, Copy)]
struct Among {
    /// Of the whole address.
    recipient: bool,
    conversation: bool,
    by_mail: bool,
    of_chats: bool,
}

const CONVERSATION: Among = Among { recipient: true, conversation: true, by_mail: false, of_chats: false };
const CHATS: Among = Among { recipient: true, conversation: false, by_mail: false, of_chats: true };

/// When there is room for one more; `None`: now. What is held went nowhere and does not count.
fn full_until(
    writing: &Writing<'_>,
    account: &str,
    mail: &Mail<'_>,
    among: Among,
    most: usize,
) -> Result<Option<UnixMs>, StoreError> {
    let mut find = writing.connection.prepare_cached(FULL)?;
    let key = params![
        account,
        without_detail(mail.recipient),
        writing.now.0 - HOUR_MS,
        Stored(mail.kind),
        among.recipient.then_some(mail.recipient),
        among.conversation.then_some(mail.conversation),
        among.by_mail,
        among.of_chats,
        most.saturating_sub(1),
    ];
    let last: Option<i64> = find.query_row(key, |row| row.get(0)).optional()?;
    Ok(last.map(|at| UnixMs(at + HOUR_MS + 1)))
}

/// When the oldest of the latest `most` mails was queued.
const FULL: &str = "SELECT q.created_at FROM queue q INDEXED BY queue_recipient
    WHERE q.account = ?1 AND q.counted_as = ?2 AND q.created_at >= ?3 AND q.kind = ?4 AND q.held = 0
      AND q.state <> 'waiting' AND q.recipient = ifnull(?5, q.recipient)
      AND q.conversation_id = ifnull(?6, q.conversation_id)
      AND (NOT ?7 OR EXISTS (SELECT 1 FROM queue_messages x JOIN messages m ON m.id = x.message_id
        WHERE x.queue_id = q.id AND m.via = 'email'))
      AND (NOT ?8 OR EXISTS (SELECT 1 FROM conversations c WHERE c.id = q.conversation_id AND c.channel = 'widget'))
    ORDER BY q.created_at DESC LIMIT 1 OFFSET ?9";

/// What there may be room for.
pub fn due_sql() -> String {
    "SELECT id FROM queue INDEXED BY queue_freed WHERE held = 1 AND free_at IS NOT NULL AND free_at <= ?
     ORDER BY free_at LIMIT ?"
        .to_owned()
}

/// When to look.
pub fn next_sql() -> String {
    "SELECT free_at FROM queue INDEXED BY queue_freed WHERE held = 1 AND free_at IS NOT NULL ORDER BY free_at LIMIT 1"
        .to_owned()
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

const HOUR_MS: i64 = 3_600_000;
/// In which a busy chat is told of once.
const TOGETHER: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_secs(300);
