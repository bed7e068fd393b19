//! Writes the full-text index behind the messages: whoever accepts or sends a mail does not wait for it, many documents
//! share one segment of the index, and an upgrade indexes what was there before in the same small steps.
//!
//! Ids grow in the order of commits, so one id says how far it is: `progress` holds it, written in the same commit as the
//! documents. What changes afterwards is named in `search_stale` by triggers, whoever changes it.

use super::super::StoreError;
use crate::conversation::id::Id;
use crate::conversation::terms;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashSet};
use std::hash::BuildHasher;
use std::time::Duration;

/// What the writer remembers of its index.
#[derive(Debug)]
pub struct Indexer {
    /// What is listed already, as hashes: most words of a message are, and looking each up would cost more than the rest.
    listed: HashSet<u64>,
    hasher: RandomState,
    documents: u64,
    /// Units committed since all was indexed; at the start it is not known.
    owed: usize,
    /// The last step found as much as one may take.
    full: bool,
    /// A step failed: the next commit shows whether the disk takes anything.
    paused: bool,
}

/// What is written under an id.
struct Document {
    id: Id,
    account: String,
    texts: Vec<String>,
}

impl Default for Indexer {
    fn default() -> Indexer {
        let (listed, hasher) = (HashSet::new(), RandomState::new());
        Indexer { listed, hasher, documents: 0, owed: 1, full: false, paused: false }
    }
}

impl Indexer {
    /// Counts what was committed.
    pub fn owes(&mut self, units: usize) {
        self.owed += units;
        self.paused = false;
    }

    /// How long nothing else is to be done before a step is made; `None`: none is due.
    pub fn waits(&self) -> Option<Duration> {
        let wait = if self.full { Duration::ZERO } else { REST };
        (self.owed > 0 && !self.paused).then_some(wait)
    }

    /// Whether it must not fall behind further, however busy the writer is.
    pub fn presses(&self) -> bool {
        self.owed >= OWED_MAX && !self.paused
    }

    /// Up to so many steps, each a commit of its own: no mail waits in it, and none is lost with it.
    pub fn run(&mut self, connection: &Connection, steps: usize) -> Result<(), StoreError> {
        for _ in 0..steps {
            if self.paused || !is_behind(connection)? {
                (self.owed, self.full) = (0, false);
                break;
            }
            if let Err(error) = self.step(connection) {
                self.listed.clear();
                self.paused = true;
                if !connection.is_autocommit() {
                    connection.execute_batch("ROLLBACK")?;
                }
                return Err(error);
            }
            self.owed = self.owed.saturating_sub(STEP).max(1);
        }
        Ok(())
    }

    fn step(&mut self, connection: &Connection) -> Result<(), StoreError> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let renewed = self.renew(connection)?;
        let added = self.add(connection)?;
        self.full = renewed.max(added) >= STEP;
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    /// What changed or went after it was indexed.
    fn renew(&mut self, connection: &Connection) -> Result<usize, StoreError> {
        let stale = ids(connection, "SELECT id FROM search_stale ORDER BY id LIMIT ?1", Id(0))?;
        for id in &stale {
            connection.prepare_cached("DELETE FROM search WHERE rowid = ?")?.execute([id])?;
            connection.prepare_cached("DELETE FROM search_stale WHERE id = ?")?.execute([id])?;
            let document = match message(connection, *id)? {
                None => head(connection, *id)?,
                found => found,
            };
            document.map_or(Ok(()), |document| self.write(connection, &document))?;
        }
        Ok(stale.len())
    }

    /// What came after the last step.
    fn add(&mut self, connection: &Connection) -> Result<usize, StoreError> {
        let from = reached(connection)?;
        let messages = ids(connection, "SELECT id FROM messages WHERE id > ?2 ORDER BY id LIMIT ?1", from)?;
        let heads = ids(connection, "SELECT id FROM conversations WHERE id > ?2 ORDER BY id LIMIT ?1", from)?;
        // Beyond the end of a full list there may be ids that the other list passes.
        let end = |ids: &[Id]| ids.last().copied().filter(|_| ids.len() >= STEP).unwrap_or(Id(i64::MAX));
        let to = end(&messages).min(end(&heads));
        let within = |ids: Vec<Id>| ids.into_iter().filter(move |id| *id <= to);
        let found = messages.len().max(heads.len());
        let mut last = None;
        for (of, find) in [
            (within(messages), message as fn(&Connection, Id) -> Result<Option<Document>, StoreError>),
            (within(heads), head),
        ] {
            for id in of {
                find(connection, id)?.map_or(Ok(()), |document| self.write(connection, &document))?;
                last = last.max(Some(id));
            }
        }
        if let Some(last) = last {
            let note = "INSERT INTO progress (name, value) VALUES ('search', ?) ON CONFLICT DO UPDATE SET value = excluded.value";
            connection.prepare_cached(note)?.execute([last])?;
        }
        Ok(found)
    }

    fn write(&mut self, connection: &Connection, document: &Document) -> Result<(), StoreError> {
        let found = terms::of_document(document.texts.iter().map(String::as_str));
        let key = account_key(&document.account);
        let mut words = String::with_capacity(found.len() * 12);
        for term in &found {
            words.extend([key.as_str(), term, " "]);
        }
        connection
            .prepare_cached("INSERT INTO search (rowid, terms) VALUES (?, ?)")?
            .execute(params![document.id, words])?;
        self.list(connection, &key, &found)
    }

    /// Every word is listed once; how often each is used is estimated from some documents.
    fn list(&mut self, connection: &Connection, key: &str, found: &BTreeSet<String>) -> Result<(), StoreError> {
        self.documents += 1;
        let counted = self.documents.is_multiple_of(COUNTED_EACH);
        if self.listed.len() > LISTED_MAX {
            self.listed.clear();
        }
        for term in found.iter().filter(|term| terms::is_listed(term)) {
            let known = !self.listed.insert(self.hasher.hash_one((key, term)));
            if known && !counted {
                continue;
            }
            let term = format!("{key}{term}");
            let weight = if counted { COUNTED_EACH } else { 1 };
            let list = "INSERT INTO search_terms (term, documents) VALUES (?1, ?2)
                ON CONFLICT DO UPDATE SET documents = documents + ?2";
            connection.prepare_cached(list)?.execute(params![term, weight])?;
        }
        Ok(())
    }
}

/// The id up to which everything is indexed.
pub fn reached(connection: &Connection) -> Result<Id, StoreError> {
    let mut find = connection.prepare_cached("SELECT value FROM progress WHERE name = 'search'")?;
    Ok(find.query_row([], |row| row.get(0)).optional()?.unwrap_or(Id(i64::MIN)))
}

/// Whether anything is not in the index yet.
pub fn is_behind(connection: &Connection) -> Result<bool, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE id > ?1) OR EXISTS (SELECT 1 FROM conversations WHERE id > ?1)
           OR EXISTS (SELECT 1 FROM search_stale)",
    )?;
    Ok(find.query_row([reached(connection)?], |row| row.get(0))?)
}

/// What every term of an account begins with, so that another account's documents cost a search nothing. Results are
/// checked by the account itself as well.
pub fn account_key(account: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, account.as_bytes());
    data_encoding::BASE32_NOPAD.encode(digest.as_ref()).chars().take(KEY_LETTERS).collect()
}

fn ids(connection: &Connection, sql: &str, after: Id) -> Result<Vec<Id>, StoreError> {
    let mut find = connection.prepare_cached(sql)?;
    let count = find.parameter_count();
    let rows =
        find.query_map(rusqlite::params_from_iter([STEP_ROWS, after.0].into_iter().take(count)), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn message(connection: &Connection, id: Id) -> Result<Option<Document>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT c.account, substr(m.text, 1, ?2), m.author_name, m.author_email, json_extract(m.email, '$.subject'),
           (SELECT group_concat(a.name, ' ') FROM attachments a WHERE a.message_id = m.id)
         FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.id = ?1",
    )?;
    Ok(find.query_row(params![id, LETTERS_READ_MAX], |row| document(id, row, 6)).optional()?)
}

fn head(connection: &Connection, id: Id) -> Result<Option<Document>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT c.account, c.subject, k.name, k.email, k.claimed_email, k.identifier,
           (SELECT group_concat(ifnull(p.name, '') || ' ' || p.email, ' ') FROM participants p WHERE p.conversation_id = c.id)
         FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE c.id = ?",
    )?;
    Ok(find.query_row([id], |row| document(id, row, 7)).optional()?)
}

fn document(id: Id, row: &Row<'_>, columns: usize) -> rusqlite::Result<Document> {
    let texts: Vec<Option<String>> = (1..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?;
    Ok(Document { id, account: row.get(0)?, texts: texts.into_iter().flatten().collect() })
}

/// Documents of one step: some ten milliseconds for which a mail that comes right then may wait.
const STEP: usize = 256;
const STEP_ROWS: i64 = STEP as i64;
/// Units after which a busy writer makes a step after each of its batches.
const OWED_MAX: usize = 32 * 1024;
/// Bursts have commits close to each other: the index waits for their end.
const REST: Duration = Duration::from_millis(50);
/// Letters of a message that are read.
const LETTERS_READ_MAX: usize = 64 * 1024;
/// Some megabytes.
const LISTED_MAX: usize = 200_000;
const COUNTED_EACH: u64 = 64;
const KEY_LETTERS: usize = 5;
