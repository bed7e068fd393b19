//! Which due mail is taken in hand next.
//!
//! Mail is taken as it became due, few of one domain. Where a window of the due order is filled by domains that take no
//! more, the domains themselves are walked, one index step each, going on where the last walk ended: however much waits
//! for one domain, every other one gets its turn, and no claim costs more than its window and its steps.

use super::super::StoreError;
use super::super::outgoing::{Claim, EventKind, QueueEntry};
use super::notices::Trouble;
use super::units::Writing;
use super::{events, notices, queue, suppressions};
use crate::clock::UnixMs;
use crate::conversation::delivery::Phase;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Takes due mail in hand; `last_domain` is where the last walk over the domains ended.
pub fn due(writing: &Writing<'_>, claim: &Claim, last_domain: &Mutex<String>) -> Result<Vec<QueueEntry>, StoreError> {
    let mut choice = Choice::new(claim);
    choice.take_urgent(writing.connection, writing.now)?;
    let filled = choice.take_window(writing.connection, writing.now)?;
    if filled && choice.has_room() {
        let mut last = last_domain.lock().unwrap_or_else(PoisonError::into_inner);
        choice.take_of_domains(writing.connection, writing.now, &mut last)?;
    }
    let mut taken = Vec::with_capacity(choice.taken.len());
    for id in choice.taken {
        taken.extend(take(writing, id)?);
    }
    Ok(taken)
}

/// When the next mail is due.
pub fn next_due(connection: &Connection) -> Result<Option<UnixMs>, StoreError> {
    let sql = format!("SELECT due_at FROM queue INDEXED BY queue_due WHERE {OPEN} ORDER BY due_at LIMIT 1");
    let due: Option<Option<i64>> = connection.prepare_cached(&sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(due.flatten().map(UnixMs))
}

/// Counts the attempt before anything is dialled, so that a crash in it is remembered. A recipient who was suppressed since
/// the mail was queued gets none.
fn take(writing: &Writing<'_>, id: Id) -> Result<Option<QueueEntry>, StoreError> {
    let mut entry = queue::entry(writing.connection, id)?;
    if let Some(words) = suppressions::standing(writing.connection, &entry.account, &entry.recipient, writing.now)? {
        let end = "UPDATE queue SET state = 'failed', due_at = NULL, reason = ? WHERE id = ?";
        writing.execute(end, params![words, id])?;
        let detail = serde_json::json!({"state": "failed", "reason": words});
        events::of_mail(writing, &entry, EventKind::DeliveryChanged, &detail)?;
        notices::of_trouble(writing, &entry, Trouble::Failed, &words)?;
        return Ok(None);
    }
    entry.phase = Some(Phase::Connecting);
    entry.attempts += 1;
    entry.last_attempt_at = Some(writing.now);
    writing.execute(
        "UPDATE queue SET phase = 'connecting', attempts = ?, last_attempt_at = ? WHERE id = ?",
        params![entry.attempts, writing.now.0, id],
    )?;
    Ok(Some(entry))
}

/// What is chosen so far.
struct Choice<'a> {
    claim: &'a Claim,
    taken: Vec<Id>,
    of_domain: HashMap<String, usize>,
}

impl<'a> Choice<'a> {
    fn new(claim: &'a Claim) -> Choice<'a> {
        let of_domain = claim.busy.iter().map(|domain| (domain.clone(), claim.per_domain)).collect();
        Choice { claim, taken: Vec::new(), of_domain }
    }

    fn has_room(&self) -> bool {
        self.taken.len() < self.claim.limit
    }

    /// How many more of a domain may be taken.
    fn room_of(&self, domain: &str) -> usize {
        let taken = self.of_domain.get(domain).copied().unwrap_or_default();
        self.claim.per_domain.saturating_sub(taken).min(self.claim.limit.saturating_sub(self.taken.len()))
    }

    fn add(&mut self, id: Id, domain: String) {
        self.taken.push(id);
        *self.of_domain.entry(domain).or_default() += 1;
    }

    /// What a person wants tried now goes before all, and although its domain takes no more.
    fn take_urgent(&mut self, connection: &Connection, now: UnixMs) -> Result<(), StoreError> {
        let mut find = connection.prepare_cached(&urgent_sql())?;
        let rows = find.query_map(params![now.0, self.claim.limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for row in rows {
            let (id, domain) = row?;
            self.add(id, domain);
        }
        Ok(())
    }

    /// What became due first; answers whether more is due than was looked at.
    fn take_window(&mut self, connection: &Connection, now: UnixMs) -> Result<bool, StoreError> {
        let window = self.claim.limit.saturating_mul(WINDOW_SHARE).min(WINDOW_MAX);
        let mut find = connection.prepare_cached(&window_sql())?;
        let mut rows = find.query(params![now.0, window])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            let (id, domain): (Id, String) = (row.get(0)?, row.get(1)?);
            if self.has_room() && self.room_of(&domain) > 0 && !self.taken.contains(&id) {
                self.add(id, domain);
            }
        }
        Ok(seen == window)
    }

    /// Domain after domain, from the one after `last` and around.
    fn take_of_domains(&mut self, connection: &Connection, now: UnixMs, last: &mut String) -> Result<(), StoreError> {
        let mut next_domain = connection.prepare_cached(&next_domain_sql())?;
        let mut find = connection.prepare_cached(&of_domain_sql())?;
        let begun_after = last.clone();
        let mut around = false;
        for _ in 0..STEPS_MAX {
            let next: Option<String> = next_domain.query_row([&*last], |row| row.get(0)).optional()?;
            match next {
                Some(domain) if around && domain > begun_after => return Ok(()),
                Some(domain) => *last = domain,
                None if around => return Ok(()),
                None => {
                    (around, *last) = (true, String::new());
                    continue;
                }
            }
            let room = self.room_of(last);
            // Those of the window are not in hand yet: they are found again and skipped.
            let rows = find.query_map(params![&*last, now.0, room + self.taken.len()], |row| row.get(0))?;
            let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
            for id in found.into_iter().filter(|id| !self.taken.contains(id)).take(room).collect::<Vec<_>>() {
                self.add(id, last.clone());
            }
            if !self.has_room() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// What waits for the chat is none of it. What the partial indexes hold: to be used they must be named in these words.
const OPEN: &str = "state IN ('queued', 'deferred') AND phase IS NULL AND held = 0";

fn window_sql() -> String {
    format!("SELECT id, domain FROM queue INDEXED BY queue_due WHERE {OPEN} AND due_at <= ? ORDER BY due_at LIMIT ?")
}

fn urgent_sql() -> String {
    format!(
        "SELECT id, domain FROM queue INDEXED BY queue_urgent WHERE urgent = 1 AND {OPEN} AND due_at <= ?
         ORDER BY due_at LIMIT ?"
    )
}

fn next_domain_sql() -> String {
    format!("SELECT domain FROM queue INDEXED BY queue_site WHERE {OPEN} AND domain > ? ORDER BY domain LIMIT 1")
}

fn of_domain_sql() -> String {
    format!(
        "SELECT id FROM queue INDEXED BY queue_site WHERE {OPEN} AND domain = ? AND due_at <= ? ORDER BY due_at LIMIT ?"
    )
}

/// Due mails looked at for each one that is asked for.
const WINDOW_SHARE: usize = 8;
const WINDOW_MAX: usize = 1024;
/// Domains looked at by one claim; the next claim goes on after them.
const STEPS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    /// Nothing is sorted, and nothing is scanned beyond what the limit says.
    #[test]
    fn every_statement_is_answered_by_its_index() {
        let mut connection = Connection::open_in_memory().expect("SQLite opens a database in memory");
        schema::migrate(&mut connection).expect("the tables");
        let next_due = format!("SELECT due_at FROM queue INDEXED BY queue_due WHERE {OPEN} ORDER BY due_at LIMIT 1");
        for (sql, expected) in [
            (urgent_sql(), "SEARCH queue USING INDEX queue_urgent (due_at<?)"),
            (window_sql(), "SEARCH queue USING INDEX queue_due (due_at<?)"),
            (next_domain_sql(), "SEARCH queue USING INDEX queue_site (domain>?)"),
            (of_domain_sql(), "SEARCH queue USING INDEX queue_site (domain=? AND due_at<?)"),
            (next_due, "SCAN queue USING INDEX queue_due"),
        ] {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
            let rows = explain.raw_query();
            let plan: Vec<String> = rows.mapped(|row| row.get(3)).collect::<Result<_, _>>().expect("a plan");
            assert_eq!(plan, [expected], "{sql}");
        }
    }
}
