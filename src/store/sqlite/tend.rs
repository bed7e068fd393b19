//! What time alone brings: mail that does not get through is told of once, snoozed conversations wake, old events go.

use super::super::StoreError;
use super::super::outgoing::EventKind;
use super::notices::Trouble;
use super::units::Writing;
use super::{events, notices, queue, subscriptions};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::retry;
use rusqlite::{Connection, OptionalExtension, params};

/// Does what is due; answers when to come again, at once if there is more than one commit should take.
pub fn tend(writing: &Writing<'_>, events_kept_from: Id) -> Result<Option<UnixMs>, StoreError> {
    let told = tell_trouble(writing)?;
    let woken = wake(writing)?;
    let owed_from = subscriptions::owed_from(writing.connection)?;
    let kept_from = owed_from.map_or(events_kept_from, |owed| owed.min(events_kept_from));
    let pruned = events::prune(writing, kept_from, AT_ONCE_MAX)?;
    if told.max(woken).max(pruned) >= AT_ONCE_MAX {
        return Ok(Some(writing.now));
    }
    next(writing.connection)
}

/// Mail that only waits for the chat is in no trouble: it is not `queued` yet.
fn tell_trouble(writing: &Writing<'_>) -> Result<usize, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT id FROM queue WHERE state IN ('queued', 'deferred') AND told_at IS NULL AND created_at <= ?
         ORDER BY created_at LIMIT ?",
    )?;
    let rows = find.query_map(params![writing.now.0 - trouble_ms(), AT_ONCE_MAX], |row| row.get(0))?;
    let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
    for id in &found {
        let entry = queue::entry(writing.connection, *id)?;
        writing.execute("UPDATE queue SET told_at = ? WHERE id = ?", params![writing.now.0, id])?;
        let reason = entry.reason.as_deref().unwrap_or("no attempt could be made yet");
        let detail = serde_json::json!({"state": entry.state, "trouble": reason});
        events::of_mail(writing, &entry, EventKind::DeliveryChanged, &detail)?;
        let words = notices::with_reply(reason, entry.remote_reply.as_deref());
        notices::of_trouble(writing, &entry, Trouble::Late, &words)?;
    }
    Ok(found.len())
}

fn wake(writing: &Writing<'_>) -> Result<usize, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT id FROM conversations WHERE snoozed_until IS NOT NULL AND snoozed_until <= ? ORDER BY snoozed_until LIMIT ?",
    )?;
    let rows = find.query_map(params![writing.now.0, AT_ONCE_MAX], |row| row.get(0))?;
    let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
    for id in &found {
        let wake = "UPDATE conversations SET snoozed_until = NULL,
            status = CASE status WHEN 'snoozed' THEN 'open' ELSE status END, active_at = ? WHERE id = ?";
        writing.execute(wake, params![writing.now.0, id])?;
        events::of_conversation(writing, *id, serde_json::json!({"status": "open", "by": "snooze"}))?;
    }
    Ok(found.len())
}

fn next(connection: &Connection) -> Result<Option<UnixMs>, StoreError> {
    let first = |sql: &str| -> Result<Option<i64>, StoreError> {
        Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
    };
    let untold = first(
        "SELECT created_at FROM queue WHERE state IN ('queued', 'deferred') AND told_at IS NULL
         ORDER BY created_at LIMIT 1",
    )?;
    let snoozed = first(
        "SELECT snoozed_until FROM conversations WHERE snoozed_until IS NOT NULL ORDER BY snoozed_until LIMIT 1",
    )?;
    Ok(untold.map(|at| at + trouble_ms()).into_iter().chain(snoozed).min().map(UnixMs))
}

fn trouble_ms() -> i64 {
    i64::try_from(retry::TROUBLE.as_millis()).unwrap_or(i64::MAX)
}

/// Of each kind, in one commit.
const AT_ONCE_MAX: usize = 500;
