//! Mail that goes over a bridge: its row is made in the commit that accepts the mail, and says what became of it.

use super::super::StoreError;
use super::super::hooks::{BridgeEnd, BridgeEntry, BridgeName, BridgeState};
use super::super::unit::BridgeOrder;
use super::units::Writing;
use super::words::Stored;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::retry;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The ledger's reason for mail that only the other system files.
pub const FILED_ELSEWHERE: &str = "goes over the bridge alone: nothing of it is filed here";

/// Makes the row of an accepted mail.
pub fn insert(
    writing: &Writing<'_>,
    ledger_id: Id,
    account: &str,
    raw_id: Id,
    order: &BridgeOrder,
) -> Result<(), StoreError> {
    writing.execute(
        "INSERT INTO bridge_queue (ledger_id, account, inbox, recipient, lane, raw_id, state, created_at, due_at, give_up_at)
         VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?)",
        params![
            ledger_id,
            account,
            order.inbox.as_deref().unwrap_or_default(),
            order.spelled,
            order.recipient,
            raw_id,
            writing.now.0,
            writing.now.0,
            give_up_at(writing.now),
        ],
    )?;
    Ok(())
}

/// What a bridge owes, in order, after one.
pub fn open_after(
    connection: &Connection,
    name: &BridgeName,
    after: Id,
    limit: usize,
) -> Result<Vec<BridgeEntry>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM bridge_queue INDEXED BY bridge_open
         WHERE account = ? AND inbox = ? AND {OPEN} AND ledger_id > ? ORDER BY ledger_id LIMIT ?"
    );
    let values = params![name.account, name.inbox.as_deref().unwrap_or_default(), after, limit];
    Ok(connection.prepare_cached(&sql)?.query_map(values, read)?.collect::<Result<_, _>>()?)
}

/// Of what it owes, what failed before.
pub fn deferred(connection: &Connection, name: &BridgeName, limit: usize) -> Result<Vec<BridgeEntry>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM bridge_queue INDEXED BY bridge_open
         WHERE account = ? AND inbox = ? AND {OPEN} AND state = 'deferred' ORDER BY ledger_id LIMIT ?"
    );
    let values = params![name.account, name.inbox.as_deref().unwrap_or_default(), limit];
    Ok(connection.prepare_cached(&sql)?.query_map(values, read)?.collect::<Result<_, _>>()?)
}

/// The first mail of a lane after one, up to another, that is still owed.
pub fn next_in_lane(
    connection: &Connection,
    name: &BridgeName,
    lane: &str,
    after: Id,
    to: Id,
) -> Result<Option<Id>, StoreError> {
    let sql = format!(
        "SELECT ledger_id FROM bridge_queue INDEXED BY bridge_lane
         WHERE account = ? AND inbox = ? AND lane = ? AND {OPEN} AND ledger_id > ? AND ledger_id <= ?
         ORDER BY ledger_id LIMIT 1"
    );
    let values = params![name.account, name.inbox.as_deref().unwrap_or_default(), lane, after, to];
    Ok(connection.prepare_cached(&sql)?.query_row(values, |row| row.get(0)).optional()?)
}

/// The row of a ledger entry; `None` for mail that goes over no bridge.
pub fn entry(connection: &Connection, ledger_id: Id) -> Result<Option<BridgeEntry>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM bridge_queue WHERE ledger_id = ?");
    Ok(connection.prepare_cached(&sql)?.query_row([ledger_id], read).optional()?)
}

/// Writes down how an attempt ended. What was delivered stays delivered.
pub fn ended(writing: &Writing<'_>, ledger_id: Id, end: &BridgeEnd) -> Result<(), StoreError> {
    writing.execute(
        "UPDATE bridge_queue SET state = ?, due_at = ?, last_reply = ?, last_attempt_at = ?, attempts = attempts + 1
         WHERE ledger_id = ? AND state <> 'delivered'",
        params![Stored(end.state), end.due_at.map(|at| at.0), end.last_reply, writing.now.0, ledger_id],
    )?;
    Ok(())
}

/// Due now, whatever was planned; what was given up begins anew.
pub fn retry(writing: &Writing<'_>, ledger_id: Id) -> Result<BridgeEntry, StoreError> {
    let known = entry(writing.connection, ledger_id)?.ok_or(StoreError::NotFound("mail of a bridge"))?;
    let again = match known.state {
        BridgeState::Delivered => {
            return Err(StoreError::Conflict(format!("mail {ledger_id} was delivered over the bridge")));
        }
        BridgeState::Failed => {
            "UPDATE bridge_queue SET state = 'waiting', attempts = 0, due_at = ?, give_up_at = ? WHERE ledger_id = ?"
        }
        BridgeState::Waiting | BridgeState::Deferred => {
            "UPDATE bridge_queue SET due_at = ?, give_up_at = max(give_up_at, ?) WHERE ledger_id = ?"
        }
    };
    writing.execute(again, params![writing.now.0, give_up_at(writing.now), ledger_id])?;
    entry(writing.connection, ledger_id)?.ok_or(StoreError::NotFound("mail of a bridge"))
}

fn give_up_at(now: UnixMs) -> i64 {
    now.0 + i64::try_from(retry::BRIDGE_GIVE_UP.as_millis()).unwrap_or(i64::MAX / 4)
}

fn read(row: &Row<'_>) -> rusqlite::Result<BridgeEntry> {
    let time =
        |column: usize| -> rusqlite::Result<Option<UnixMs>> { Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs)) };
    let inbox: String = row.get(2)?;
    Ok(BridgeEntry {
        ledger_id: row.get(0)?,
        name: BridgeName { account: row.get(1)?, inbox: Some(inbox).filter(|inbox| !inbox.is_empty()) },
        recipient: row.get(3)?,
        lane: row.get(4)?,
        raw_id: row.get(5)?,
        state: row.get::<_, Stored<_>>(6)?.0,
        created_at: UnixMs(row.get(7)?),
        due_at: time(8)?,
        give_up_at: UnixMs(row.get(9)?),
        attempts: row.get(10)?,
        last_attempt_at: time(11)?,
        last_reply: row.get(12)?,
    })
}

/// What the partial indexes hold: to be used they must be named in these words.
const OPEN: &str = "state IN ('waiting', 'deferred')";
const COLUMNS: &str =
    "ledger_id, account, inbox, recipient, lane, raw_id, state, created_at, due_at, give_up_at, attempts,
    last_attempt_at, last_reply";
