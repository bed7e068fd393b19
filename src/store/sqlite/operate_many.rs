//! One order over all mails that fit a filter, in steps: which mails it concerns, and one part of a step. A mail that cannot
//! be changed stays as it is and is counted; it does not keep the others from it.

use super::super::StoreError;
use super::super::outgoing::{Ordered, QueueOrder, QueueQuery};
use super::operate::{self, Haste};
use super::queue;
use super::units::Writing;
use crate::conversation::id::Id;
use rusqlite::{Connection, params_from_iter};

/// The next mails of a step, newest first: what is queued while an order runs is none of it.
pub fn concerned(connection: &Connection, order: &QueueOrder, query: &QueueQuery) -> Result<Vec<Id>, StoreError> {
    let (conditions, values) = queue::conditions(query);
    let concerned = concerns(order, query);
    let limit = query.limit.clamp(1, STEP_MAX);
    let sql = format!("SELECT id FROM queue WHERE {conditions} AND {concerned} ORDER BY id DESC LIMIT {limit}");
    let mut find = connection.prepare_cached(&sql)?;
    Ok(find.query_map(params_from_iter(values), |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// How many mails an order concerns.
pub fn count(connection: &Connection, order: &QueueOrder, query: &QueueQuery) -> Result<u64, StoreError> {
    let (conditions, values) = queue::conditions(query);
    let sql = format!("SELECT count(*) FROM queue WHERE {conditions} AND {}", concerns(order, query));
    Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?)
}

/// Does it to each of these.
pub fn part(writing: &Writing<'_>, ids: &[Id], order: &QueueOrder) -> Result<Ordered, StoreError> {
    let mut done = Ordered { next: ids.last().copied(), ..Ordered::default() };
    for id in ids {
        done.matched += 1;
        match one(writing, *id, order) {
            Ok(()) => done.changed += 1,
            Err(StoreError::Conflict(words)) => {
                done.left += 1;
                done.left_reason.get_or_insert(words);
            }
            Err(StoreError::NotFound(_)) => done.left += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn one(writing: &Writing<'_>, id: Id, order: &QueueOrder) -> Result<(), StoreError> {
    let changed = match order {
        QueueOrder::Hold => operate::hold(writing, id, true),
        QueueOrder::Release => operate::hold(writing, id, false),
        QueueOrder::Retry => operate::retry(writing, id, Haste::InTurn),
        QueueOrder::Cancel => operate::cancel(writing, id),
        QueueOrder::Fail { reason } => operate::fail(writing, id, reason),
    };
    changed.map(drop)
}

/// What has ended is tried again only by who names its state, or "retry all" would send what failed a year ago; and what
/// is held stays so until it is released.
fn concerns(order: &QueueOrder, query: &QueueQuery) -> &'static str {
    match order {
        QueueOrder::Hold => "state IN ('waiting', 'queued', 'deferred') AND held = 0",
        QueueOrder::Release => "state IN ('waiting', 'queued', 'deferred') AND held = 1",
        QueueOrder::Retry if query.state.is_some() => {
            "state <> 'delivered' AND (held = 0 OR state NOT IN ('waiting', 'queued', 'deferred'))"
        }
        QueueOrder::Retry => "state IN ('queued', 'deferred') AND held = 0",
        QueueOrder::Cancel | QueueOrder::Fail { .. } => "state IN ('waiting', 'queued', 'deferred')",
    }
}

/// Mails of one step.
const STEP_MAX: usize = 1000;
