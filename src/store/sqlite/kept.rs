//! Mail that its bringer was told is taken, and that nobody here takes: a provider would bring it for hours and then drop it,
//! an MTA's pipe has no better answer. So its octets are kept for a while, in the room there is for such mail; what was only
//! mistaken (an address with a slip, a domain not yet in the config) is taken from there later, as if it came then.

use super::super::StoreError;
use super::super::ledger::LedgerEntry;
use super::super::unit::{Acceptance, Keeping};
use super::accept::{self, Arrival, Entry, Octets};
use super::ledger;
use super::units::Writing;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::Outcome;
use crate::limits::{KEPT_MAIL_LIFE, KeptRoom};
use rusqlite::{Connection, OptionalExtension, params};

/// What is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptSum {
    pub mails: u64,
    pub octets: u64,
}

/// Raw mails whose rows are gone: their files may go, once the commit is on disk.
pub type Dropped = Vec<Id>;

/// Keeps the mail, with an entry for each recipient; what must make room goes.
pub fn keep(writing: &Writing<'_>, keeping: &Keeping, octets: &Octets, size: u64) -> Result<Dropped, StoreError> {
    let first = keeping.turned_away.first();
    let account = first.and_then(|first| first.account.as_deref()).unwrap_or_default();
    let mut dropped = expire(writing, EXPIRED_AT_ONCE)?;
    dropped.extend(make_room(writing, &keeping.room, account, size)?);
    let raw = accept::keep_raw(writing, octets, size)?;
    let life = i64::try_from(KEPT_MAIL_LIFE.as_millis()).unwrap_or(i64::MAX);
    writing.execute(
        "INSERT INTO kept_mail (raw_id, account, size, kept_until) VALUES (?, ?, ?, ?)",
        params![raw, account, size, writing.now.0 + life],
    )?;
    writing.execute(
        "INSERT INTO kept_sums (account, mails, octets) VALUES (?1, 1, ?2)
         ON CONFLICT DO UPDATE SET mails = mails + 1, octets = octets + ?2",
        params![account, size],
    )?;
    for turned in &keeping.turned_away {
        let entry = Entry {
            ledger_id: writing.next_id()?,
            recipient: turned.recipient.as_deref(),
            account: turned.account.as_deref(),
            raw,
            outcome: Outcome::Rejected,
            reason: format!("{}{KEPT}", turned.reason),
        };
        accept::insert(writing, &keeping.mail, (size, writing.now), entry)?;
    }
    Ok(dropped)
}

/// Oldest first, of the account that needs room; and of the one that has most, where all together have too much.
fn make_room(writing: &Writing<'_>, room: &KeptRoom, account: &str, size: u64) -> Result<Dropped, StoreError> {
    let mut dropped = Vec::new();
    loop {
        let (own, all) = (of_account(writing.connection, account)?, sum(writing.connection)?);
        let own_fits = own.mails < room.mails_of_account && own.octets.saturating_add(size) <= room.octets_of_account;
        let from = if !own_fits && own.mails > 0 {
            account.to_owned()
        } else if all.octets.saturating_add(size) > room.octets && all.mails > 0 {
            let most = "SELECT account FROM kept_sums WHERE mails > 0 ORDER BY octets DESC, account LIMIT 1";
            writing.connection.prepare_cached(most)?.query_row([], |row| row.get(0))?
        } else {
            break;
        };
        let oldest = "SELECT raw_id FROM kept_mail WHERE account = ? ORDER BY raw_id LIMIT 1";
        let oldest: Option<Id> =
            writing.connection.prepare_cached(oldest)?.query_row([&from], |row| row.get(0)).optional()?;
        let Some(oldest) = oldest else { break };
        drop_mail(writing, oldest)?;
        dropped.push(oldest);
    }
    if !dropped.is_empty() {
        tracing::warn!(
            account,
            dropped = dropped.len(),
            "kept mails had to make room for newer ones: see replyd inbound list --outcome rejected, and docs/DOORS.md"
        );
    }
    Ok(dropped)
}

/// Drops what has been kept for long enough, oldest first.
pub fn expire(writing: &Writing<'_>, at_once_max: usize) -> Result<Dropped, StoreError> {
    // Ids grow with time: the first that is young enough ends it.
    let mut find =
        writing.connection.prepare_cached("SELECT raw_id, kept_until FROM kept_mail ORDER BY raw_id LIMIT ?")?;
    let rows = find.query_map([at_once_max], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    let oldest: Vec<(Id, i64)> = rows.collect::<Result<_, _>>()?;
    let expired: Vec<Id> =
        oldest.into_iter().take_while(|(_, until)| *until <= writing.now.0).map(|(id, _)| id).collect();
    expired.iter().try_for_each(|id| drop_mail(writing, *id))?;
    Ok(expired)
}

fn drop_mail(writing: &Writing<'_>, raw: Id) -> Result<(), StoreError> {
    release(writing, raw)?;
    let note =
        "UPDATE ledger SET raw_id = NULL, reason = replace(reason, ?, ?) WHERE outcome = 'rejected' AND raw_id = ?";
    writing.execute(note, params![KEPT, GONE, raw])?;
    writing.execute("DELETE FROM raw_mail WHERE id = ?", [raw])?;
    Ok(())
}

/// It is no longer kept for a while only.
fn release(writing: &Writing<'_>, raw: Id) -> Result<(), StoreError> {
    let mut delete =
        writing.connection.prepare_cached("DELETE FROM kept_mail WHERE raw_id = ? RETURNING account, size")?;
    let released: Option<(String, i64)> = delete.query_row([raw], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((account, size)) = released {
        let less = "UPDATE kept_sums SET mails = mails - 1, octets = octets - ? WHERE account = ?";
        writing.execute(less, params![size, account])?;
    }
    Ok(())
}

/// Accepts a kept mail for these recipients, under the id of its entry; any other entry is answered as it stands.
pub fn take(writing: &Writing<'_>, id: Id, mail: &Acceptance) -> Result<LedgerEntry, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT raw_id, received_at, size FROM ledger WHERE id = ? AND outcome = 'rejected' AND raw_id IS NOT NULL",
    )?;
    let kept = find.query_row([id], |row| Ok((row.get(0)?, UnixMs(row.get(1)?), row.get(2)?))).optional()?;
    if let Some((raw, received_at, size)) = kept {
        writing.execute("DELETE FROM ledger WHERE id = ?", [id])?;
        let mut stored = || Ok(raw);
        let mut arrival = Arrival { size, received_at, id: Some(id), stored: &mut stored };
        let entries = accept::enter(writing, mail, &mut arrival)?;
        // What nobody took anew goes when its time is over.
        if entries.iter().any(|entry| !entry.duplicate) {
            release(writing, raw)?;
        }
    }
    ledger::entry(writing.connection, id)
}

/// What all accounts have.
pub fn sum(connection: &Connection) -> Result<KeptSum, StoreError> {
    let sum = "SELECT ifnull(sum(mails), 0), ifnull(sum(octets), 0) FROM kept_sums";
    Ok(connection.prepare_cached(sum)?.query_row([], |row| Ok(KeptSum { mails: row.get(0)?, octets: row.get(1)? }))?)
}

fn of_account(connection: &Connection, account: &str) -> Result<KeptSum, StoreError> {
    let mut find = connection.prepare_cached("SELECT mails, octets FROM kept_sums WHERE account = ?")?;
    let found = find.query_row([account], |row| Ok(KeptSum { mails: row.get(0)?, octets: row.get(1)? }));
    Ok(found.optional()?.unwrap_or_default())
}

/// What the entry says of the mail, behind the reason.
const KEPT: &str = "; kept and not filed: mend the config and replay it";
const GONE: &str = "; no longer kept";
/// With each mail that is kept.
const EXPIRED_AT_ONCE: usize = 4;
