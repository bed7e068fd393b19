//! The ledger: reading entries, and the steps an accepted entry takes when filing fails or is tried again.

use super::super::ledger::{LedgerEntry, LedgerQuery};
use super::super::{Page, StoreError};
use super::units::Writing;
use super::words::{Json, Stored, Word, names};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::Outcome;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

/// One entry.
pub fn entry(connection: &Connection, id: Id) -> Result<LedgerEntry, StoreError> {
    let mut find = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM ledger WHERE id = ?"))?;
    find.query_row([id], read).optional()?.ok_or(StoreError::NotFound("ledger entry"))
}

/// Accepted entries that wait for filing, oldest first.
pub fn unfiled(connection: &Connection, after: Option<Id>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
    let mut find = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM ledger WHERE outcome = 'accepted' AND id > ? ORDER BY id LIMIT ?"
    ))?;
    let rows = find.query_map(params![after.unwrap_or(Id(i64::MIN)), limit], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A page of entries, newest first.
pub fn page(connection: &Connection, query: &LedgerQuery) -> Result<Page<LedgerEntry>, StoreError> {
    let limit = query.limit.clamp(1, PAGE_MAX);
    let mut conditions = vec!["id < ?"];
    let mut values = vec![Value::Integer(query.before.map_or(i64::MAX, |id| id.0))];
    if let Some(account) = &query.account {
        conditions.push("account = ?");
        values.push(Value::Text(account.clone()));
    }
    // Ids begin with the time of their issue, so that a time is a place in the order of the list.
    if let Some(from) = query.from {
        conditions.push("id >= ?");
        values.push(Value::Integer(Id::first_of(from).0));
    }
    if let Some(until) = query.until {
        conditions.push("id < ?");
        values.push(Value::Integer(Id::first_of(until).0));
    }
    if let Some(inboxes) = &query.inboxes {
        conditions.push(OF_INBOXES);
        values.extend([names(&inboxes.names), names(&inboxes.addresses)]);
    }
    if let Some(outcome) = query.outcome {
        conditions.push("outcome = ?");
        values.push(Value::Text(outcome.word().to_owned()));
    }
    if let Some(text) = &query.query {
        conditions.push("(instr(lower(envelope_from), ?) OR instr(lower(envelope_to), ?) OR message_id = ?)");
        let lower = Value::Text(text.to_lowercase());
        values.extend([lower.clone(), lower, Value::Text(text.trim_matches(['<', '>']).to_owned())]);
    }
    let conditions = conditions.join(" AND ");
    let sql = format!("SELECT {COLUMNS} FROM ledger WHERE {conditions} ORDER BY id DESC LIMIT {}", limit + 1);
    let mut find = connection.prepare_cached(&sql)?;
    let mut items: Vec<LedgerEntry> = find.query_map(params_from_iter(values), read)?.collect::<Result<_, _>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|entry| entry.id.to_string());
    Ok(Page { items, next })
}

/// Ends an accepted entry as failed.
pub fn fail(writing: &Writing<'_>, id: Id, reason: &str) -> Result<(), StoreError> {
    let end = "UPDATE ledger SET outcome = 'failed', reason = ? WHERE id = ? AND outcome = 'accepted'";
    writing.execute(end, params![reason, id])?;
    Ok(())
}

/// Counts a try before it begins, so that a crash in it is remembered.
pub fn record_attempt(writing: &Writing<'_>, id: Id) -> Result<u32, StoreError> {
    let mut count = writing
        .connection
        .prepare_cached("UPDATE ledger SET attempts = attempts + 1 WHERE id = ? RETURNING attempts")?;
    count.query_row([id], |row| row.get(0)).optional()?.ok_or(StoreError::NotFound("ledger entry"))
}

/// Puts a failed entry back to accepted; any other entry is answered as it stands.
pub fn replay(writing: &Writing<'_>, id: Id) -> Result<LedgerEntry, StoreError> {
    let again = "UPDATE ledger SET outcome = 'accepted', reason = '', attempts = 0
        WHERE id = ? AND outcome = 'failed' AND raw_id IS NOT NULL";
    if writing.execute(again, [id])? > 0 {
        writing.accepted_mail.set(true);
    }
    entry(writing.connection, id)
}

/// The raw mail: its octets, or `None` if they are in `mail/<id>.eml`.
pub fn raw_octets(connection: &Connection, raw_id: Id) -> Result<Option<Vec<u8>>, StoreError> {
    let mut find = connection.prepare_cached("SELECT octets FROM raw_mail WHERE id = ?")?;
    find.query_row([raw_id], |row| row.get(0)).optional()?.ok_or(StoreError::NotFound("raw mail"))
}

fn read(row: &Row<'_>) -> rusqlite::Result<LedgerEntry> {
    let remote_ip: Option<String> = row.get(4)?;
    let sha256: Option<Vec<u8>> = row.get(12)?;
    Ok(LedgerEntry {
        id: row.get(0)?,
        received_at: UnixMs(row.get(1)?),
        ingress: row.get::<_, Stored<_>>(2)?.0,
        session: row.get(3)?,
        remote_ip: remote_ip.and_then(|ip| ip.parse().ok()),
        helo: row.get(5)?,
        tls: row.get(6)?,
        envelope_from: row.get(7)?,
        envelope_to: row.get(8)?,
        account: row.get(9)?,
        message_id: row.get(10)?,
        size: row.get(11)?,
        sha256: sha256.map(|digest| data_encoding::HEXLOWER.encode(&digest)),
        outcome: row.get::<_, Stored<Outcome>>(13)?.0,
        reason: row.get(14)?,
        reply: row.get(15)?,
        auth: row.get::<_, Option<Json<_>>>(16)?.map(|json| json.0),
        raw_id: row.get(17)?,
        conversation_id: row.get(18)?,
        message_id_stored: row.get(19)?,
        attempts: row.get(20)?,
        require_tls: row.get(21)?,
        kept_until: row.get::<_, Option<i64>>(22)?.map(UnixMs),
    })
}

const OF_INBOXES: &str = "CASE WHEN conversation_id IS NOT NULL
    THEN EXISTS (SELECT 1 FROM conversations c WHERE c.id = ledger.conversation_id
      AND c.inbox IN (SELECT value FROM json_each(?)))
    ELSE lower(envelope_to) IN (SELECT value FROM json_each(?)) END";
const COLUMNS: &str = "id, received_at, ingress, session, remote_ip, helo, tls, envelope_from, envelope_to, account,
    message_id, size, sha256, outcome, reason, reply, auth, raw_id, conversation_id, stored_message_id, attempts,
    require_tls, CASE outcome WHEN 'rejected'
      THEN (SELECT kept_until FROM kept_mail WHERE kept_mail.raw_id = ledger.raw_id) END";
/// Items of one page.
const PAGE_MAX: usize = 500;
