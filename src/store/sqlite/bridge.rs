//! Mail that goes over a bridge: its row is made in the commit that accepts the mail, and says what became of it.

use super::super::StoreError;
use super::super::hooks::{BridgeEnd, BridgeEntry, BridgeName, BridgeState, LaneKept};
use super::super::unit::{BridgeLane, BridgeOrder};
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
            lane(ledger_id, order),
            raw_id,
            writing.now.0,
            writing.now.0,
            give_up_at(writing.now),
        ],
    )?;
    Ok(())
}

fn lane(ledger_id: Id, order: &BridgeOrder) -> String {
    match &order.lane {
        BridgeLane::Conversation(id) => format!("conversation {id}"),
        BridgeLane::Recipient => order.recipient.clone(),
        BridgeLane::Thread(Some(thread)) => format!("{} {thread}", order.recipient),
        BridgeLane::Thread(None) => format!("mail {ledger_id}"),
    }
}

/// What a bridge owes in lanes, in order, after one.
pub fn open_after(
    connection: &Connection,
    name: &BridgeName,
    after: Id,
    limit: usize,
) -> Result<Vec<BridgeEntry>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM bridge_queue INDEXED BY bridge_open
         WHERE account = ? AND inbox = ? AND {OPEN} AND lane <> '' AND ledger_id > ? ORDER BY ledger_id LIMIT ?"
    );
    let values = params![name.account, name.inbox.as_deref().unwrap_or_default(), after, limit];
    Ok(connection.prepare_cached(&sql)?.query_map(values, read)?.collect::<Result<_, _>>()?)
}

/// Of what it owes, what failed before.
pub fn deferred(connection: &Connection, name: &BridgeName, limit: usize) -> Result<Vec<BridgeEntry>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM bridge_queue INDEXED BY bridge_open
         WHERE account = ? AND inbox = ? AND {OPEN} AND lane <> '' AND state = 'deferred' ORDER BY ledger_id LIMIT ?"
    );
    let values = params![name.account, name.inbox.as_deref().unwrap_or_default(), limit];
    Ok(connection.prepare_cached(&sql)?.query_map(values, read)?.collect::<Result<_, _>>()?)
}

/// Of what it owes beside its lanes, the one that is due first.
pub fn first_aside(connection: &Connection, name: &BridgeName) -> Result<Option<BridgeEntry>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM bridge_queue INDEXED BY bridge_aside
         WHERE account = ? AND inbox = ? AND lane = '' AND {OPEN} ORDER BY due_at LIMIT 1"
    );
    let values = params![name.account, name.inbox.as_deref().unwrap_or_default()];
    Ok(connection.prepare_cached(&sql)?.query_row(values, read).optional()?)
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

/// Writes down how an attempt ended. What was delivered stays delivered, and what was cancelled meanwhile stays so unless the
/// other side has it.
pub fn ended(writing: &Writing<'_>, ledger_id: Id, end: &BridgeEnd) -> Result<(), StoreError> {
    writing.execute(
        "UPDATE bridge_queue SET state = ?1, due_at = ?2, last_reply = ?3, last_attempt_at = ?4, attempts = attempts + 1,
           lane = CASE WHEN ?5 THEN '' ELSE lane END
         WHERE ledger_id = ?6 AND state <> 'delivered' AND (state <> 'cancelled' OR ?1 = 'delivered')",
        params![
            Stored(end.state),
            end.due_at.map(|at| at.0),
            end.last_reply,
            writing.now.0,
            end.lane == LaneKept::Left,
            ledger_id
        ],
    )?;
    Ok(())
}

/// Due now, whatever was planned; what was given up or cancelled begins anew. One that waits behind others of its lane leaves it:
/// who asks for it wants it before them.
pub fn retry(writing: &Writing<'_>, ledger_id: Id) -> Result<BridgeEntry, StoreError> {
    let known = entry(writing.connection, ledger_id)?.ok_or(StoreError::NotFound("mail of a bridge"))?;
    let again = match known.state {
        BridgeState::Delivered => return Err(delivered(ledger_id)),
        BridgeState::Failed | BridgeState::Cancelled => "state = 'waiting', attempts = 0, last_reply = NULL",
        BridgeState::Waiting | BridgeState::Deferred => "state = state",
    };
    let first = match &known.lane {
        Some(lane) => next_in_lane(writing.connection, &known.name, lane, Id(0), ledger_id)?,
        None => None,
    };
    let lane = known.lane.filter(|_| first.is_none_or(|first| first == ledger_id)).unwrap_or_default();
    let sql = format!(
        "UPDATE bridge_queue SET {again}, due_at = ?, give_up_at = max(give_up_at, ?), lane = ? WHERE ledger_id = ?"
    );
    writing.execute(&sql, params![writing.now.0, give_up_at(writing.now), lane, ledger_id])?;
    entry(writing.connection, ledger_id)?.ok_or(StoreError::NotFound("mail of a bridge"))
}

/// It will not be sent; the mail itself is kept. What is under way at this moment may still arrive, and then counts as delivered.
pub fn cancel(writing: &Writing<'_>, ledger_id: Id) -> Result<BridgeEntry, StoreError> {
    let known = entry(writing.connection, ledger_id)?.ok_or(StoreError::NotFound("mail of a bridge"))?;
    if known.state == BridgeState::Delivered {
        return Err(delivered(ledger_id));
    }
    writing.execute("UPDATE bridge_queue SET state = 'cancelled', due_at = NULL WHERE ledger_id = ?", [ledger_id])?;
    Ok(BridgeEntry { state: BridgeState::Cancelled, due_at: None, ..known })
}

fn delivered(ledger_id: Id) -> StoreError {
    StoreError::Conflict(format!("mail {ledger_id} was delivered over the bridge"))
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
        lane: Some(row.get(4)?).filter(|lane: &String| !lane.is_empty()),
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
