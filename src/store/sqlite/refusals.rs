//! Ledger entries of mail that was not accepted: never waited for, written with the next commit, bounded in number.
//! A peer decides how many there are, so the queue, the rows and their age all have limits.

use super::super::StoreError;
use super::super::ledger::Refusal;
use super::units::Writing;
use super::words::{Json, Stored};
use crate::conversation::model::{Ingress, Outcome};
use rusqlite::params;
use std::sync::{Mutex, PoisonError};

/// The queue between sessions and the writer.
#[derive(Debug, Default)]
pub struct Refusals {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Refusal>,
    /// Of `waiting`, those in the transaction under way.
    in_writing: usize,
    /// Not kept one by one because the queue was full.
    uncounted: u64,
    /// Of `uncounted`, those in the transaction under way.
    uncounted_in_writing: u64,
}

impl Refusals {
    /// Whether the writer should be told, because nothing waited before.
    pub fn push(&self, refusal: Refusal) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.len() >= QUEUE_MAX {
            queue.uncounted += 1;
            return false;
        }
        queue.waiting.push(refusal);
        queue.waiting.len() == 1
    }

    pub fn waiting(&self) -> usize {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).waiting.len()
    }

    /// The commit that held what `write` took is on disk.
    pub fn written(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = std::mem::take(&mut queue.in_writing);
        queue.waiting.drain(..count);
        queue.uncounted -= std::mem::take(&mut queue.uncounted_in_writing);
    }

    fn take(&self) -> (Vec<Refusal>, u64) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: Vec<Refusal> = queue.waiting.iter().take(BATCH_MAX).cloned().collect();
        queue.in_writing = taken.len();
        queue.uncounted_in_writing = if taken.is_empty() { 0 } else { queue.uncounted };
        (taken, queue.uncounted_in_writing)
    }
}

/// How many refused entries there are; counted once, then kept in step.
#[derive(Debug, Default)]
pub struct Rows {
    known: Option<u64>,
}

/// Writes what waits, and deletes as many old entries.
pub fn write(writing: &Writing<'_>, refusals: &Refusals, rows: &mut Rows) -> Result<(), StoreError> {
    let (taken, uncounted) = refusals.take();
    if taken.is_empty() {
        return Ok(());
    }
    let mut known = match rows.known {
        Some(known) => known,
        None => count(writing)?,
    };
    for refusal in &taken {
        insert(writing, refusal)?;
    }
    known += taken.len() as u64;
    if uncounted > 0 {
        insert(writing, &summary(uncounted))?;
        known += 1;
    }
    rows.known = Some(known.saturating_sub(prune(writing, known, taken.len())?));
    Ok(())
}

fn count(writing: &Writing<'_>) -> Result<u64, StoreError> {
    let count = "SELECT count(*) FROM ledger WHERE outcome IN ('rejected', 'deferred') AND raw_id IS NULL";
    Ok(writing.connection.query_row(count, [], |row| row.get(0))?)
}

fn insert(writing: &Writing<'_>, refusal: &Refusal) -> Result<(), StoreError> {
    let sha256 = refusal.sha256.as_ref().and_then(|hex| data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok());
    writing.execute(
        "INSERT INTO ledger (id, received_at, ingress, session, remote_ip, helo, tls, envelope_from, envelope_to,
           account, message_id, size, sha256, outcome, reason, reply, auth)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            writing.next_id()?,
            writing.now.0,
            Stored(refusal.ingress),
            refusal.session,
            refusal.remote_ip.map(|ip| ip.to_string()),
            refusal.helo,
            refusal.tls,
            refusal.envelope_from,
            refusal.envelope_to,
            refusal.account,
            refusal.message_id,
            // A peer may declare any size (RFC 1870 allows 20 digits); a column holds 63 bits of it.
            refusal.size.map(|octets| i64::try_from(octets).unwrap_or(i64::MAX)),
            sha256,
            Stored(refusal.outcome),
            refusal.reason,
            refusal.reply,
            refusal.auth.as_ref().map(Json),
        ],
    )?;
    Ok(())
}

/// Deletes a few entries that are too old or too many; a flood is worn down as it comes in, never in one long commit.
fn prune(writing: &Writing<'_>, known: u64, written: usize) -> Result<u64, StoreError> {
    let step = written as u64 * 2 + 16;
    let too_many = known.saturating_sub(ROWS_MAX).min(step);
    let delete = "DELETE FROM ledger WHERE id IN (SELECT id FROM ledger
        WHERE outcome IN ('rejected', 'deferred') AND raw_id IS NULL AND received_at < ? ORDER BY id LIMIT ?)";
    let by_number = if too_many > 0 { writing.execute(delete, params![i64::MAX, too_many])? } else { 0 };
    // Ids grow with time, so only the oldest are looked at: the scan ends at the first that is young enough.
    let oldest = "SELECT received_at FROM ledger WHERE outcome IN ('rejected', 'deferred')
        AND raw_id IS NULL ORDER BY id LIMIT 1";
    let oldest: i64 = writing.connection.prepare_cached(oldest)?.query_row([], |row| row.get(0))?;
    let too_old = writing.now.0 - AGE_MS_MAX;
    let by_age = if oldest < too_old { writing.execute(delete, params![too_old, step])? } else { 0 };
    Ok((by_number + by_age) as u64)
}

fn summary(uncounted: u64) -> Refusal {
    Refusal {
        ingress: Ingress::Smtp,
        session: String::new(),
        remote_ip: None,
        helo: None,
        tls: None,
        envelope_from: None,
        envelope_to: None,
        account: None,
        message_id: None,
        size: None,
        sha256: None,
        outcome: Outcome::Deferred,
        reason: format!("{uncounted} more refusals came faster than they could be written one by one"),
        reply: String::new(),
        auth: None,
    }
}

/// Refusals in memory; beyond them only their number is kept.
const QUEUE_MAX: usize = 4096;
/// Refusals in one commit, beside the units that somebody waits for.
pub const BATCH_MAX: usize = 512;
const ROWS_MAX: u64 = 200_000;
const AGE_MS_MAX: i64 = 30 * 24 * 3600 * 1000;
