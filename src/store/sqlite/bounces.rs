//! What a bounce says of a mail of ours, as facts: on the mail, on the address, on the contact, and as an event.

use super::super::StoreError;
use super::super::outgoing::{BounceFact, BounceFactKind, EventKind, QueueEntry};
use super::notices::Trouble;
use super::units::Writing;
use super::{attempts, events, notices, queue, suppressions};
use crate::conversation::delivery::{DeliveryState, SuppressionReason};
use crate::conversation::keys::BOUNCE_LIFE;
use rusqlite::params;

/// Takes a bounce in. One of another account's mail, or of one too old to be spoken of, changes nothing.
pub fn take(writing: &Writing<'_>, account: &str, fact: &BounceFact) -> Result<(), StoreError> {
    let entry = match queue::entry(writing.connection, fact.entry) {
        Err(StoreError::NotFound(_)) => return Ok(()),
        found => found?,
    };
    let life = i64::try_from(BOUNCE_LIFE.as_millis()).unwrap_or(i64::MAX);
    if entry.account != account || writing.now.0 - entry.created_at.0 > life {
        return Ok(());
    }
    match fact.kind {
        BounceFactKind::Failed => failed(writing, &entry, fact),
        BounceFactKind::Complaint => complained(writing, &entry, fact),
        BounceFactKind::Delayed => note(writing, &entry, &format!("delayed at a host after ours: {}", fact.words)),
        BounceFactKind::Delivered => {
            note(writing, &entry, &format!("confirmed by the recipient's host: {}", fact.words))
        }
    }
}

/// What was delivered to the next host and came back has failed, whatever that host had said.
fn failed(writing: &Writing<'_>, entry: &QueueEntry, fact: &BounceFact) -> Result<(), StoreError> {
    let reason = format!("came back: {}", fact.words);
    if entry.state == DeliveryState::Failed && entry.reason.as_ref() == Some(&reason) {
        return Ok(());
    }
    writing.execute(
        "UPDATE queue SET state = 'failed', due_at = NULL, reason = ?, bounced_at = ifnull(bounced_at, ?),
           bounce_diagnostic = ? WHERE id = ?",
        params![reason, writing.now.0, fact.words, entry.id],
    )?;
    // Only a code of the address itself, about this very recipient, says anything of the contact.
    if let Some(suppress) = fact.suppress {
        attempts::note_bad_address(writing, entry, suppress, &fact.words)?;
    }
    if entry.state != DeliveryState::Failed {
        let detail = serde_json::json!({"state": "failed", "reason": reason});
        events::of_mail(writing, entry, EventKind::DeliveryChanged, &detail)?;
        notices::of_trouble(writing, entry, Trouble::Failed, &reason)?;
    }
    events::of_mail(writing, entry, EventKind::Bounce, &serde_json::json!({"kind": "failed", "words": fact.words}))
}

fn complained(writing: &Writing<'_>, entry: &QueueEntry, fact: &BounceFact) -> Result<(), StoreError> {
    suppressions::suppress(writing, entry, SuppressionReason::Complaint, Some(&fact.words))?;
    note(writing, entry, &format!("reported as unwanted: {}", fact.words))?;
    events::of_mail(writing, entry, EventKind::Bounce, &serde_json::json!({"kind": "complaint", "words": fact.words}))
}

/// A mail that has failed keeps the reason why.
fn note(writing: &Writing<'_>, entry: &QueueEntry, reason: &str) -> Result<(), StoreError> {
    let note = "UPDATE queue SET reason = ? WHERE id = ? AND state <> 'failed'";
    writing.execute(note, params![reason, entry.id])?;
    Ok(())
}
