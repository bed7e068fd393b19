//! What an operator or an agent does to queued mail: try it now, hold it, end it.

use super::super::StoreError;
use super::super::outgoing::{EventKind, QueueEntry};
use super::notices::Trouble;
use super::units::Writing;
use super::words::{Stored, Word};
use super::{events, notices, queue, suppressions};
use crate::conversation::delivery::{DeliveryState, Phase};
use crate::conversation::id::Id;
use rusqlite::params;

/// How soon a mail that is tried again gets its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// Before all others, and although its site rests.
    Urgent,
    /// As what became due now: of many mails none goes before those of others.
    InTurn,
}

/// Due now, whatever was planned, and released if it was held; what ended without arriving begins anew.
pub fn retry(writing: &Writing<'_>, id: Id, haste: Haste) -> Result<QueueEntry, StoreError> {
    let entry = queue::entry(writing.connection, id)?;
    if entry.state == DeliveryState::Delivered {
        return Err(StoreError::Conflict(format!(
            "mail {id} was delivered; an answer is sent again by writing it again"
        )));
    }
    if let Some(words) = suppressions::standing(writing.connection, &entry.account, &entry.recipient, writing.now)? {
        return Err(StoreError::Conflict(words));
    }
    sign_anew(writing, &entry)?;
    if entry.state.is_open() {
        let now = "UPDATE queue SET due_at = ?, held = 0, looping = 0, free_at = NULL, urgent = max(urgent, ?),
            state = CASE state WHEN 'waiting' THEN 'queued' ELSE state END WHERE id = ?";
        writing.execute(now, params![writing.now.0, haste == Haste::Urgent, id])?;
    } else {
        reopen(writing, &entry, haste)?;
    }
    writing.outgoing_mail.set(true);
    queue::entry(writing.connection, id)
}

fn reopen(writing: &Writing<'_>, entry: &QueueEntry, haste: Haste) -> Result<(), StoreError> {
    if entry.domain.is_empty() {
        return Err(StoreError::Conflict(entry.reason.clone().unwrap_or_default()));
    }
    let give_up = i64::try_from(writing.outgoing.give_up.as_millis()).unwrap_or(i64::MAX / 4);
    writing.execute(
        "UPDATE queue SET state = 'queued', held = 0, looping = 0, free_at = NULL, urgent = ?, due_at = ?, give_up_at = ?, attempts = 0 WHERE id = ?",
        params![haste == Haste::Urgent, writing.now.0, writing.now.0 + give_up, entry.id],
    )?;
    told(writing, entry, DeliveryState::Queued, "it is tried again by hand")
}

/// Octets that were kept long ago bear signatures that end soon, if they have not. Where no host can have them the mail is
/// composed again, with the same Message-ID.
fn sign_anew(writing: &Writing<'_>, entry: &QueueEntry) -> Result<(), StoreError> {
    let kept = entry.raw_id.filter(|_| !entry.uncertain && entry.phase.is_none());
    if kept.is_some_and(|raw| writing.now.0 - raw.issued_at().0 > KEPT_MS) {
        writing.execute("UPDATE queue SET raw_id = NULL, subject = NULL, thread = NULL WHERE id = ?", [entry.id])?;
    }
    Ok(())
}

/// No attempt any more. One that is connecting is stopped before its content is complete; one that is complete may be
/// with its recipient.
pub fn cancel(writing: &Writing<'_>, id: Id) -> Result<QueueEntry, StoreError> {
    let entry = not_at_the_peer(writing, id)?;
    end(writing, &entry, DeliveryState::Cancelled, "cancelled by hand")?;
    queue::entry(writing.connection, id)
}

/// Final, as if it had come back: the operator's words are its reason, and whoever wrote it is told.
pub fn fail(writing: &Writing<'_>, id: Id, reason: &str) -> Result<QueueEntry, StoreError> {
    let entry = not_at_the_peer(writing, id)?;
    let reason = format!("failed by hand: {reason}");
    end(writing, &entry, DeliveryState::Failed, &reason)?;
    notices::of_trouble(writing, &entry, Trouble::Failed, &reason)?;
    queue::entry(writing.connection, id)
}

/// An open mail whose recipient's host cannot have it yet.
fn not_at_the_peer(writing: &Writing<'_>, id: Id) -> Result<QueueEntry, StoreError> {
    let entry = open(writing, id)?;
    if entry.phase == Some(Phase::DataSent) {
        return Err(StoreError::Conflict(format!(
            "mail {id} is at the recipient's host and may be delivered already; look again in a moment"
        )));
    }
    Ok(entry)
}

fn open(writing: &Writing<'_>, id: Id) -> Result<QueueEntry, StoreError> {
    let entry = queue::entry(writing.connection, id)?;
    if entry.state.is_open() {
        return Ok(entry);
    }
    Err(StoreError::Conflict(format!("mail {id} has ended: it is {}", entry.state.word())))
}

/// Holds a mail, or releases it; what is at the peer is not called back, only a further attempt is held.
pub fn hold(writing: &Writing<'_>, id: Id, held: bool) -> Result<QueueEntry, StoreError> {
    open(writing, id)?;
    let of_loop = if held { Vec::new() } else { of_the_same_loop(writing, id)? };
    for id in of_loop.into_iter().chain([id]) {
        let entry = queue::entry(writing.connection, id)?;
        let set = "UPDATE queue SET held = ?, looping = 0, free_at = NULL WHERE id = ?";
        writing.execute(set, params![held, id])?;
        if !held {
            sign_anew(writing, &entry)?;
        }
        if held != entry.held {
            let detail = serde_json::json!({"state": entry.state, "held": held});
            events::of_mail(writing, &entry, EventKind::DeliveryChanged, &detail)?;
        }
    }
    writing.outgoing_mail.set(true);
    writing.timers.set(true);
    queue::entry(writing.connection, id)
}

/// What is held beside a mail that looked like a loop: whoever releases the one means all of it.
fn of_the_same_loop(writing: &Writing<'_>, id: Id) -> Result<Vec<Id>, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT o.id FROM queue q JOIN queue o ON o.conversation_id = q.conversation_id AND o.recipient = q.recipient
           AND o.kind = q.kind AND o.held = 1 AND o.looping = 1 AND o.id <> q.id
         WHERE q.id = ? AND q.looping = 1 AND o.state IN ('waiting', 'queued', 'deferred') ORDER BY o.id",
    )?;
    Ok(find.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Ends mail to an agent who was removed.
pub fn cancel_of_agent(writing: &Writing<'_>, agent: Id) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT id FROM queue WHERE agent_id = ? AND agent_id IS NOT NULL AND state IN ('waiting', 'queued', 'deferred')",
    )?;
    let open: Vec<Id> = find.query_map([agent], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in open {
        let entry = queue::entry(writing.connection, id)?;
        end(writing, &entry, DeliveryState::Cancelled, "the agent was removed")?;
    }
    Ok(())
}

/// The phase stays: whoever has the mail in hand finds that it has ended, and puts it down.
fn end(writing: &Writing<'_>, entry: &QueueEntry, state: DeliveryState, reason: &str) -> Result<(), StoreError> {
    let end = "UPDATE queue SET state = ?, due_at = NULL, reason = ? WHERE id = ?";
    writing.execute(end, params![Stored(state), reason, entry.id])?;
    told(writing, entry, state, reason)
}

fn told(writing: &Writing<'_>, entry: &QueueEntry, state: DeliveryState, reason: &str) -> Result<(), StoreError> {
    let detail = serde_json::json!({"state": state, "reason": reason});
    events::of_mail(writing, entry, EventKind::DeliveryChanged, &detail)
}

/// Five days: what begins its tries then is tried for as long, and a signature is good for 15.
const KEPT_MS: i64 = 5 * 24 * 3600 * 1000;
