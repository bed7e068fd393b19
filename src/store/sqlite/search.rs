//! Full-text search: conversations by words in their messages, subjects and people, latest match first.
//!
//! The index is read from its newest document backwards and only as far as a page needs, so a word that stands everywhere
//! costs no more than a rare one. All words must stand in one message, or all in the subject and the people of a conversation.

use super::super::query::{ConversationCursor, ConversationQuery};
use super::super::{Page, StoreError};
use super::listing;
use super::search_index::account_key;
use crate::conversation::id::Id;
use crate::conversation::model::Conversation;
use crate::conversation::terms;
use crate::mail::msg_id::MsgId;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashSet;

/// A page of what is found. Its cursor says up to which document the index was read.
pub fn page(connection: &Connection, query: &ConversationQuery, words: &str) -> Result<Page<Conversation>, StoreError> {
    let accounts = match &query.account {
        Some(account) => vec![account.clone()],
        None => listing::accounts(connection)?,
    };
    let by_message_id = by_message_id(connection, &accounts, words)?;
    if !by_message_id.is_empty() {
        let found = by_message_id.into_iter().map(|id| listing::matching(connection, query, id));
        let items = found.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        return Ok(Page { items, next: None });
    }
    match expression(connection, &accounts, words)? {
        Some(expression) => Search { connection, query, expression, from: query.cursor }.page(),
        None => Ok(Page { items: Vec::new(), next: None }),
    }
}

struct Search<'a> {
    connection: &'a Connection,
    query: &'a ConversationQuery,
    expression: String,
    from: Option<ConversationCursor>,
}

impl Search<'_> {
    fn page(&self) -> Result<Page<Conversation>, StoreError> {
        let limit = self.query.limit.clamp(1, listing::PAGE_MAX);
        let below = self.from.map_or(i64::MAX, |cursor| cursor.active_at);
        let mut find = self.connection.prepare_cached(
            "SELECT s.rowid, m.conversation_id FROM search s LEFT JOIN messages m ON m.id = s.rowid
             WHERE s.search MATCH ? AND s.rowid < ? ORDER BY s.rowid DESC",
        )?;
        let mut rows = find.query(params![self.expression, below])?;
        let (mut seen, mut items, mut looked_at) = (HashSet::new(), Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let document: Id = row.get(0)?;
            let conversation = row.get::<_, Option<Id>>(1)?.unwrap_or(document);
            looked_at += 1;
            if seen.insert(conversation)
                && !self.was_shown(conversation)?
                && let Some(found) = listing::matching(self.connection, self.query, conversation)?
            {
                items.push(found);
            }
            if items.len() >= limit || looked_at >= DOCUMENTS_MAX {
                let next = ConversationCursor { active_at: document.0, id: conversation };
                return Ok(Page { items, next: Some(next.to_string()) });
            }
        }
        Ok(Page { items, next: None })
    }

    /// Whether an earlier page had this conversation, because a later document of it matches too.
    fn was_shown(&self, conversation: Id) -> Result<bool, StoreError> {
        let Some(cursor) = self.from else { return Ok(false) };
        let mut later = self.connection.prepare_cached(
            "SELECT id FROM messages WHERE conversation_id = ?1 AND id >= ?2
             UNION ALL SELECT ?1 WHERE ?1 >= ?2 LIMIT ?3",
        )?;
        let documents: Vec<Id> = later
            .query_map(params![conversation, cursor.active_at, LATER_MAX], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut matches = self.connection.prepare_cached("SELECT 1 FROM search WHERE search MATCH ? AND rowid = ?")?;
        for document in documents {
            if matches.exists(params![self.expression, document])? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The latest message of a conversation that has all these words.
pub fn in_conversation(connection: &Connection, conversation: Id, words: &str) -> Result<Option<Id>, StoreError> {
    let account = "SELECT account FROM conversations WHERE id = ?";
    let account = connection.prepare_cached(account)?.query_row([conversation], |row| row.get(0)).optional()?;
    let account: String = account.ok_or(StoreError::NotFound("conversation"))?;
    let Some(expression) = expression(connection, &[account], words)? else { return Ok(None) };
    let mut latest =
        connection.prepare_cached("SELECT id FROM messages WHERE conversation_id = ? ORDER BY id DESC LIMIT ?")?;
    // By each message and not by the index's documents: a word that stands everywhere has millions of them elsewhere.
    let mut matches = connection.prepare_cached("SELECT 1 FROM search WHERE search MATCH ? AND rowid = ?")?;
    let mut rows = latest.query(params![conversation, SOUGHT_MAX])?;
    while let Some(row) = rows.next()? {
        let message: Id = row.get(0)?;
        if matches.exists(params![expression, message])? {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

/// Conversations of a mail that is asked for by its Message-ID.
fn by_message_id(connection: &Connection, accounts: &[String], words: &str) -> Result<Vec<Id>, StoreError> {
    let Some(id) = MsgId::parse(words).filter(|id| id.as_str().contains('@')) else { return Ok(Vec::new()) };
    let mut find = connection.prepare_cached(
        "SELECT DISTINCT conversation_id FROM message_ids WHERE account = ? AND message_id = ? LIMIT 100",
    )?;
    let mut found = Vec::new();
    for account in accounts {
        let rows = find.query_map(params![account, id.as_str()], |row| row.get(0))?;
        found.extend(rows.collect::<Result<Vec<Id>, _>>()?);
    }
    Ok(found)
}

/// In the language of the index; `None` when nothing is asked. A term holds letters and digits alone (`terms.rs`), so none
/// can end its quotes.
fn expression(connection: &Connection, accounts: &[String], words: &str) -> Result<Option<String>, StoreError> {
    let asked = terms::of_query(words);
    if asked.is_empty() {
        return Ok(None);
    }
    let mut of_accounts = Vec::new();
    for account in accounts {
        let key = account_key(account);
        let mut all: Vec<String> = asked.whole.iter().map(|term| format!("\"{key}{term}\"")).collect();
        for begun in &asked.begun {
            all.push(format!("({})", beginning_with(connection, &format!("{key}{begun}"))?.join(" OR ")));
        }
        of_accounts.push(format!("({})", all.join(" AND ")));
    }
    Ok((!of_accounts.is_empty()).then(|| of_accounts.join(" OR ")))
}

/// The most used words that begin so, and the word itself. Asking the index for a beginning would make it gather every
/// document of all such words first.
fn beginning_with(connection: &Connection, begun: &str) -> Result<Vec<String>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT term FROM search_terms WHERE term > ?1 AND term < ?1 || char(0x10ffff) ORDER BY documents DESC LIMIT ?2",
    )?;
    let rows = find.query_map(params![begun, WORDS_BEGUN_MAX], |row| row.get::<_, String>(0))?;
    let others: Vec<String> = rows.collect::<Result<_, _>>()?;
    Ok(std::iter::once(begun.to_owned()).chain(others).map(|term| format!("\"{term}\"")).collect())
}

/// Documents that one page looks at: a filter that leaves nearly none of them ends the page early, and its cursor goes on.
const DOCUMENTS_MAX: usize = 5000;
/// Later documents of one conversation that are looked at; beyond them it may be shown on two pages.
const LATER_MAX: usize = 100;
const WORDS_BEGUN_MAX: usize = 32;
/// Messages of one conversation that are looked at for words.
const SOUGHT_MAX: usize = 2000;
