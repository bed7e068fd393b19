//! What becomes of an attempt to deliver: the octets that go out, the answer, and what a crash left of it.

use super::super::StoreError;
use super::super::outgoing::{AttemptEnd, AttemptOutcome, EventKind, QueueEntry};
use super::accept::{self, Octets};
use super::notices::Trouble;
use super::units::Writing;
use super::words::{Json, Stored};
use super::{events, notices, queue, suppressions};
use crate::clock::UnixMs;
use crate::conversation::delivery::{DeliveryState, MailKind, Phase, RecipientKind, SuppressionReason};
use crate::conversation::id::Id;
use crate::conversation::model::Email;
use crate::retry;
use rusqlite::params;
use std::time::Duration;

/// The octets of a mail, where the commit finds them.
#[derive(Debug)]
pub struct Composed {
    pub octets: Octets,
    pub size: u64,
    pub email: Email,
}

/// Notes that the peer may have the mail from now on. Whoever cancelled or held it meanwhile was in time.
pub fn data_sent(writing: &Writing<'_>, id: Id, composed: Option<&Composed>) -> Result<(), StoreError> {
    let entry = queue::entry(writing.connection, id)?;
    if entry.phase.is_none() || !entry.state.is_open() || entry.held {
        let word = if entry.held { "held" } else { super::words::Word::word(entry.state) };
        return Err(StoreError::Conflict(format!(
            "mail {id} is not to be sent: it is {word} since it was taken in hand"
        )));
    }
    if let Some(composed) = composed.filter(|_| entry.raw_id.is_none()) {
        keep(writing, &entry, composed)?;
    }
    writing.execute("UPDATE queue SET phase = 'data_sent' WHERE id = ?", [id])?;
    Ok(())
}

/// The first octets are those of every later attempt: a peer that has them already tells them by their Message-ID.
fn keep(writing: &Writing<'_>, entry: &QueueEntry, composed: &Composed) -> Result<(), StoreError> {
    let raw_id = accept::keep_raw(writing, &composed.octets, composed.size)?;
    writing.execute(
        "UPDATE queue SET raw_id = ?, subject = ?, thread = ? WHERE id = ?",
        params![raw_id, composed.email.subject, Json(&composed.email.references), entry.id],
    )?;
    if entry.kind == MailKind::Answer {
        // How a message came by mail stays; of how it went, the contact's mail says most. The index on a message's own raw mail is for mail that came in: several messages share this one.
        let email = Email { raw_id, ..composed.email.clone() };
        writing.execute(
            "UPDATE messages SET email = ?1
             WHERE (email IS NULL OR ?3 AND json_extract(email, '$.ingress') IS NULL
               OR json_extract(email, '$.message_id') = ?4)
               AND id IN (SELECT message_id FROM queue_messages WHERE queue_id = ?2)",
            params![Json(&email), entry.id, entry.recipient_kind == RecipientKind::Contact, entry.message_id],
        )?;
    }
    Ok(())
}

/// Ends the attempt in hand; without one nothing changes, so that it may be said twice.
pub fn ended(writing: &Writing<'_>, id: Id, end: &AttemptEnd) -> Result<(), StoreError> {
    let entry = queue::entry(writing.connection, id)?;
    if entry.phase.is_none() {
        return Ok(());
    }
    writing.outgoing_mail.set(true);
    if !entry.state.is_open() {
        // Cancelled, or bounced, while it was in hand: that stands.
        writing.execute("UPDATE queue SET phase = NULL WHERE id = ?", [id])?;
        return Ok(());
    }
    match &end.outcome {
        AttemptOutcome::PutBack { due_at } => {
            let back = "UPDATE queue SET phase = NULL, due_at = ?, attempts = max(attempts - 1, 0),
                reason = ifnull(reason, ?) WHERE id = ?";
            writing.execute(back, params![due_at.0, end.reason, id])?;
            Ok(())
        }
        AttemptOutcome::Delivered => {
            suppressions::delivered(writing, &entry)?;
            change(writing, &entry, end, After { state: DeliveryState::Delivered, due_at: None, uncertain: false })
        }
        AttemptOutcome::Deferred { due_at, uncertain } => {
            let after = After { state: DeliveryState::Deferred, due_at: Some(*due_at), uncertain: *uncertain };
            change(writing, &entry, end, after)
        }
        AttemptOutcome::Failed { suppress } => {
            if let Some(reason) = suppress {
                note_bad_address(writing, &entry, *reason, &end.reason)?;
            }
            change(writing, &entry, end, After { state: DeliveryState::Failed, due_at: None, uncertain: false })
        }
    }
}

/// Suppresses the recipient, and marks a contact whose address does not exist.
pub fn note_bad_address(
    writing: &Writing<'_>,
    entry: &QueueEntry,
    reason: SuppressionReason,
    words: &str,
) -> Result<(), StoreError> {
    suppressions::failed(writing, entry, reason, words)?;
    if reason == SuppressionReason::BadAddress { suppressions::mark_contact(writing, entry, words) } else { Ok(()) }
}

struct After {
    state: DeliveryState,
    due_at: Option<UnixMs>,
    uncertain: bool,
}

fn change(writing: &Writing<'_>, entry: &QueueEntry, end: &AttemptEnd, after: After) -> Result<(), StoreError> {
    let uncertain = entry.uncertain || after.uncertain;
    writing.execute(
        "UPDATE queue SET state = ?, phase = NULL, urgent = 0, due_at = ?, uncertain = ?, remote = ?, remote_reply = ?, tls = ?,
           reason = ?, transcript = ?, bounced_at = NULL, bounce_diagnostic = NULL WHERE id = ?",
        params![
            Stored(after.state),
            after.due_at.map(|at| at.0),
            uncertain,
            end.remote,
            end.remote_reply,
            end.tls,
            end.reason,
            end.transcript,
            entry.id,
        ],
    )?;
    if after.state == entry.state && uncertain == entry.uncertain {
        return Ok(());
    }
    let detail = serde_json::json!({"state": after.state, "uncertain": uncertain, "reason": end.reason});
    events::of_mail(writing, entry, EventKind::DeliveryChanged, &detail)?;
    if after.state == DeliveryState::Failed {
        let words = notices::with_reply(&end.reason, end.remote_reply.as_deref());
        notices::of_trouble(writing, entry, Trouble::Failed, &words)?;
    }
    Ok(())
}

/// What an earlier run had in hand: not sent, and due at once; or sent without an answer, and uncertain.
pub fn recover(writing: &Writing<'_>) -> Result<(usize, usize), StoreError> {
    let (mut unsent, mut uncertain) = (0, 0);
    for entry in queue::in_hand(writing)? {
        match entry.phase.filter(|_| entry.state.is_open()) {
            None => {
                writing.execute("UPDATE queue SET phase = NULL WHERE id = ?", [entry.id])?;
            }
            Some(Phase::Connecting) => {
                unsent += 1;
                unsent_again(writing, &entry, unsent)?;
            }
            Some(Phase::DataSent) => {
                let end = AttemptEnd {
                    outcome: AttemptOutcome::Delivered,
                    remote: entry.remote.clone(),
                    remote_reply: entry.remote_reply.clone(),
                    tls: entry.tls.clone(),
                    reason: UNCERTAIN_WORDS.to_owned(),
                    transcript: entry.transcript.clone().unwrap_or_default(),
                };
                let due_at = UnixMs(writing.now.0 + i64::try_from(retry::UNCERTAIN.as_millis()).unwrap_or_default());
                let after = After { state: DeliveryState::Deferred, due_at: Some(due_at), uncertain: true };
                change(writing, &entry, &end, after)?;
                uncertain += 1;
            }
        }
    }
    writing.outgoing_mail.set(true);
    Ok((unsent, uncertain))
}

/// The attempt stays counted: it may be this mail that ends the process. From its third on it waits like any mail that did
/// not get through, a little apart from the others, so that it is in hand alone, and ends with its time.
fn unsent_again(writing: &Writing<'_>, entry: &QueueEntry, place: usize) -> Result<(), StoreError> {
    if entry.attempts > BROKEN_OFF_MAX && writing.now >= entry.give_up_at {
        let end = AttemptEnd {
            outcome: AttemptOutcome::Failed { suppress: None },
            remote: entry.remote.clone(),
            remote_reply: entry.remote_reply.clone(),
            tls: entry.tls.clone(),
            reason: "replyd ended while it was being sent, several times; see the log".to_owned(),
            transcript: entry.transcript.clone().unwrap_or_default(),
        };
        return change(writing, entry, &end, After { state: DeliveryState::Failed, due_at: None, uncertain: false });
    }
    let wait = match entry.attempts.checked_sub(BROKEN_OFF_MAX) {
        None | Some(0) => Duration::ZERO,
        Some(attempt) => {
            let apart = APART.saturating_mul(u32::try_from(place).unwrap_or(u32::MAX));
            retry::wait(retry::DELIVERY, attempt).saturating_add(apart)
        }
    };
    let due_at = writing.now.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
    writing.execute("UPDATE queue SET phase = NULL, due_at = ? WHERE id = ?", params![due_at, entry.id])?;
    Ok(())
}

/// Attempts that a crash may break off before the mail has to wait.
const BROKEN_OFF_MAX: u32 = 2;
const APART: Duration = Duration::from_secs(2);
const UNCERTAIN_WORDS: &str = "replyd ended after the mail was sent and before its answer was read: it may have arrived, \
    and is sent again with the same Message-ID";
