//! Acceptance: a raw mail and one ledger entry per recipient, in one commit; a mail that was accepted before for the
//! same recipient is noted, not taken twice (a peer that lost our 250 sends it again, RFC 1047; one mail may come by
//! several doors).

use super::super::StoreError;
use super::super::unit::{Acceptance, AcceptedEntry};
use super::units::Writing;
use super::words::{Json, Stored};
use super::{bridge, proof};
use crate::clock::UnixMs;
use crate::config::checked::BridgeMode;
use crate::conversation::id::Id;
use crate::conversation::model::Outcome;
use rusqlite::{OptionalExtension, params};
use std::sync::Arc;

/// Where the octets are when the unit runs.
#[derive(Debug)]
pub enum Octets {
    Memory(Arc<Vec<u8>>),
    /// In `mail/<id>.eml`, synced.
    File(Id),
}

/// Commits the mail; the answer has one entry per recipient, in order.
pub fn accept(
    writing: &Writing<'_>,
    mail: &Acceptance,
    octets: &Octets,
    size: u64,
) -> Result<Vec<AcceptedEntry>, StoreError> {
    let mut raw_id = None;
    let mut stored = || keep(writing, &mut raw_id, octets, size);
    enter(writing, mail, &mut Arrival { size, received_at: writing.now, id: None, stored: &mut stored })
}

/// A mail that comes in.
pub struct Arrival<'a> {
    pub size: u64,
    pub received_at: UnixMs,
    /// Of the first entry, where it has one already.
    pub id: Option<Id>,
    /// Puts the octets into the store, once however often it is asked.
    pub stored: &'a mut dyn FnMut() -> Result<Id, StoreError>,
}

/// One entry for each recipient.
pub fn enter(
    writing: &Writing<'_>,
    mail: &Acceptance,
    arrival: &mut Arrival<'_>,
) -> Result<Vec<AcceptedEntry>, StoreError> {
    let mut entries = Vec::with_capacity(mail.recipients.len());
    for (recipient, account) in &mail.recipients {
        let digest = digest(told_by(mail), recipient);
        let first = earlier(writing, mail, recipient, digest)?;
        let ledger_id = arrival.id.take().map_or_else(|| writing.next_id(), Ok)?;
        let bridged = mail.bridged.iter().find(|order| order.recipient == *recipient);
        let (raw, outcome, reason) = match first {
            Some((first, raw)) => (raw, Outcome::Duplicate, said_before(first, proof::raise(writing, first, mail)?)),
            None if bridged.is_some_and(|order| order.mode == BridgeMode::Only) => {
                ((arrival.stored)()?, Outcome::Filed, bridge::FILED_ELSEWHERE.to_owned())
            }
            None => ((arrival.stored)()?, Outcome::Accepted, String::new()),
        };
        let duplicate = outcome == Outcome::Duplicate;
        let (size, received_at) = (arrival.size, arrival.received_at);
        let (recipient_of, account_of) = (Some(recipient.as_str()), Some(account.as_str()));
        let entry = Entry { ledger_id, recipient: recipient_of, account: account_of, raw, outcome, reason };
        insert(writing, mail, (size, received_at), entry)?;
        if let Some((first, _)) = first {
            tell_where(writing, first, ledger_id)?;
        } else {
            let remember = "INSERT OR REPLACE INTO recent_mail (digest, ledger_id) VALUES (?, ?)";
            writing.execute(remember, params![digest, ledger_id])?;
            writing.accepted_mail.set(true);
            if let Some(order) = bridged {
                bridge::insert(writing, ledger_id, account, raw, order)?;
            }
        }
        entries.push(AcceptedEntry { ledger_id, recipient: recipient.clone(), duplicate });
    }
    Ok(entries)
}

fn said_before(first: Id, raised: bool) -> String {
    let news = if raised { "; this copy proves its author, so the message is authentic from now on" } else { "" };
    format!("the same mail for the same recipient was accepted as {first}{news}")
}

/// A copy shows where the mail is, as soon as it is there.
fn tell_where(writing: &Writing<'_>, first: Id, copy: Id) -> Result<(), StoreError> {
    let tell = "UPDATE ledger SET (conversation_id, stored_message_id) =
        (SELECT conversation_id, stored_message_id FROM ledger WHERE id = ?) WHERE id = ?";
    writing.execute(tell, params![first, copy])?;
    Ok(())
}

/// What an entry says that is not the mail's.
pub struct Entry<'a> {
    pub ledger_id: Id,
    pub recipient: Option<&'a str>,
    pub account: Option<&'a str>,
    pub raw: Id,
    pub outcome: Outcome,
    pub reason: String,
}

/// What a copy of the mail is known by.
fn told_by(mail: &Acceptance) -> &[u8; 32] {
    mail.identity.as_ref().unwrap_or(&mail.sha256)
}

/// The ledger entry of the first acceptance of this mail for this recipient, and its raw mail.
fn earlier(
    writing: &Writing<'_>,
    mail: &Acceptance,
    recipient: &str,
    digest: i64,
) -> Result<Option<(Id, Id)>, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT l.id, l.raw_id FROM recent_mail r JOIN ledger l ON l.id = r.ledger_id
         WHERE r.digest = ? AND ifnull(l.identity, l.sha256) = ? AND l.envelope_to = ? AND l.received_at >= ? AND l.raw_id IS NOT NULL",
    )?;
    let since = writing.now.0 - REMEMBERED_MS;
    let row = find.query_row(params![digest, told_by(mail), recipient, since], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(row.optional()?)
}

/// The raw mail, written once for all recipients.
fn keep(writing: &Writing<'_>, raw_id: &mut Option<Id>, octets: &Octets, size: u64) -> Result<Id, StoreError> {
    if let Some(id) = raw_id {
        return Ok(*id);
    }
    let id = keep_raw(writing, octets, size)?;
    if let Octets::Memory(octets) = octets {
        writing.fresh.keep(id, octets);
    }
    *raw_id = Some(id);
    Ok(id)
}

/// Writes the row of a raw mail.
pub fn keep_raw(writing: &Writing<'_>, octets: &Octets, size: u64) -> Result<Id, StoreError> {
    let (id, blob) = match octets {
        Octets::Memory(octets) => (writing.next_id()?, Some(octets.as_slice())),
        Octets::File(id) => (*id, None),
    };
    writing.execute("INSERT INTO raw_mail (id, size, octets) VALUES (?, ?, ?)", params![id, size, blob])?;
    Ok(id)
}

/// Writes the entry; of the mail only its octets are elsewhere.
pub fn insert(
    writing: &Writing<'_>,
    mail: &Acceptance,
    (size, received_at): (u64, UnixMs),
    entry: Entry<'_>,
) -> Result<(), StoreError> {
    writing.execute(
        "INSERT INTO ledger (id, received_at, ingress, session, remote_ip, helo, tls, envelope_from, envelope_to,
           account, message_id, size, sha256, outcome, reason, reply, auth, raw_id, require_tls, identity)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            entry.ledger_id,
            received_at.0,
            Stored(mail.ingress),
            mail.session,
            mail.remote_ip.map(|ip| ip.to_string()),
            mail.helo,
            mail.tls,
            mail.envelope_from,
            entry.recipient,
            entry.account,
            mail.message_id,
            size,
            mail.sha256,
            Stored(entry.outcome),
            entry.reason,
            mail.reply,
            Json(&mail.auth),
            entry.raw,
            mail.require_tls,
            mail.identity,
        ],
    )?;
    Ok(())
}

/// 64 bits of SHA-256 over what the mail is known by and the recipient: a key only; the ledger decides equality.
fn digest(told_by: &[u8], recipient: &str) -> i64 {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(told_by);
    context.update(recipient.as_bytes());
    let digest = context.finish();
    digest.as_ref().iter().take(8).fold(0, |sum, octet| (sum << 8) | i64::from(*octet))
}

/// Forgets what duplicates are told by once it is too old to count, a few entries with every commit.
#[derive(Debug, Default)]
pub struct Pruning {
    /// Ledger entries up to here are forgotten; read from the database once.
    reached: Option<Id>,
}

impl Pruning {
    pub fn step(&mut self, writing: &Writing<'_>, units: usize) -> Result<(), StoreError> {
        let reached = match self.reached {
            Some(id) => id,
            None => load_reached(writing)?,
        };
        self.reached = Some(reached);
        let expired = expired_after(writing, reached, units * 2 + 1)?;
        let Some((last, _)) = expired.last() else { return Ok(()) };
        for (id, digest) in &expired {
            writing.execute("DELETE FROM recent_mail WHERE digest = ? AND ledger_id = ?", params![digest, id])?;
        }
        let note = "INSERT OR REPLACE INTO progress (name, value) VALUES ('recent_mail', ?)";
        writing.execute(note, [*last])?;
        self.reached = Some(*last);
        Ok(())
    }
}

fn load_reached(writing: &Writing<'_>) -> Result<Id, StoreError> {
    let load = "SELECT value FROM progress WHERE name = 'recent_mail'";
    Ok(writing.connection.query_row(load, [], |row| row.get(0)).optional()?.unwrap_or(Id(0)))
}

fn expired_after(writing: &Writing<'_>, after: Id, limit: usize) -> Result<Vec<(Id, i64)>, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT id, received_at, ifnull(identity, sha256), envelope_to FROM ledger WHERE id > ? ORDER BY id LIMIT ?",
    )?;
    let mut rows = find.query(params![after, limit])?;
    let mut expired = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= writing.now.0 - REMEMBERED_MS {
            break;
        }
        let told_by: Option<Vec<u8>> = row.get(2)?;
        let recipient: Option<String> = row.get(3)?;
        let key = digest(&told_by.unwrap_or_default(), &recipient.unwrap_or_default());
        expired.push((row.get(0)?, key));
    }
    Ok(expired)
}

/// Seven days: longer than any common retry schedule (RFC 5321 §4.5.4.1 asks for 4 to 5 days).
const REMEMBERED_MS: i64 = 7 * 24 * 3600 * 1000;
