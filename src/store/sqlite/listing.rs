//! Lists of conversations, newest activity first. Each filter is decided in an index that holds all they ask for, so that one
//! which leaves nearly nothing reads no conversation in vain.

use super::super::desk::AssigneeWish;
use super::super::query::{ConversationCursor, ConversationQuery};
use super::super::{Page, StoreError};
use super::begin::email_key;
use super::conversations::{COLUMNS, TABLES, read, with_participants};
use super::search;
use super::words::{Word, names};
use crate::conversation::id::Id;
use crate::conversation::model::{Conversation, Status};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

/// A page; with words to search for, latest match first.
pub fn page(connection: &Connection, query: &ConversationQuery) -> Result<Page<Conversation>, StoreError> {
    if let Some(words) = query.query.as_deref().filter(|words| !words.trim().is_empty()) {
        return search::page(connection, query, words);
    }
    let limit = query.limit.clamp(1, PAGE_MAX);
    let mut found = match &query.account {
        Some(_) => listed(connection, query, limit + 1)?,
        None => of_all_accounts(connection, query, limit + 1)?,
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(at, last)| cursor(*at, last.id).to_string());
    let items = found.into_iter().map(|(_, item)| with_participants(connection, item)).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

/// A conversation that was found by its words, if the other conditions hold for it.
pub fn matching(
    connection: &Connection,
    query: &ConversationQuery,
    id: Id,
) -> Result<Option<Conversation>, StoreError> {
    let Conditions { mut sql, mut values } = Conditions::of(query);
    sql.push_str(" AND c.id = ?");
    values.push(Value::Integer(id.0));
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE {sql}");
    let found = connection.prepare_cached(&sql)?.query_row(params_from_iter(values), read).optional()?;
    found.map(|found| with_participants(connection, found)).transpose()
}

/// Accounts that have conversations, each found by one step in the index.
pub fn accounts(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut next = connection.prepare_cached("SELECT min(account) FROM conversations WHERE account > ?")?;
    let mut found: Vec<String> = Vec::new();
    while found.len() < ACCOUNTS_MAX {
        let after = found.last().map_or("", String::as_str);
        let account: Option<Option<String>> = next.query_row([after], |row| row.get(0)).optional()?;
        let Some(account) = account.flatten() else { break };
        found.push(account);
    }
    Ok(found)
}

/// The order of activity is one of each account: the owner's list is the beginnings of all of them.
fn of_all_accounts(
    connection: &Connection,
    query: &ConversationQuery,
    limit: usize,
) -> Result<Vec<(i64, Conversation)>, StoreError> {
    let mut found = Vec::new();
    for account in accounts(connection)? {
        let of_one = ConversationQuery { account: Some(account), ..query.clone() };
        found.extend(listed(connection, &of_one, limit)?);
    }
    found.sort_by_key(|(active_at, item)| std::cmp::Reverse((*active_at, item.id)));
    found.truncate(limit);
    Ok(found)
}

fn listed(
    connection: &Connection,
    query: &ConversationQuery,
    limit: usize,
) -> Result<Vec<(i64, Conversation)>, StoreError> {
    let (sql, values) = statement(query, limit);
    let mut find = connection.prepare_cached(&sql)?;
    let rows = find.query_map(params_from_iter(values), |row| Ok((row.get(16)?, read(row)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn statement(query: &ConversationQuery, limit: usize) -> (String, Vec<Value>) {
    let Conditions { mut sql, mut values } = Conditions::of(query);
    if let Some(ConversationCursor { active_at, id }) = query.cursor {
        sql.push_str(" AND (c.active_at, c.id) < (?, ?)");
        values.extend([Value::Integer(active_at), Value::Integer(id.0)]);
    }
    values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    let order = "ORDER BY c.active_at DESC, c.id DESC LIMIT ?";
    (format!("SELECT {COLUMNS} FROM {TABLES} WHERE {sql} {order}"), values)
}

fn cursor(active_at: i64, id: Id) -> ConversationCursor {
    ConversationCursor { active_at, id }
}

struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn of(query: &ConversationQuery) -> Conditions {
        let mut all = Conditions { sql: "1".to_owned(), values: Vec::new() };
        let text = |text: &String| Value::Text(text.clone());
        if let Some(account) = &query.account {
            // One person's conversations are few: they are found by the person, not among the account's.
            let by = if query.contact.is_some() { "+c.account = ?" } else { "c.account = ?" };
            all.add(by, [text(account)]);
        }
        if let Some(inbox) = &query.inbox {
            all.add("c.inbox = ?", [text(inbox)]);
        }
        if let Some(inboxes) = &query.inboxes {
            all.add("c.inbox IN (SELECT value FROM json_each(?))", [names(inboxes)]);
        }
        if let Some(status) = query.status {
            // As the partial index of those that are not done says it: SQLite does not conclude.
            let by =
                if status == Status::Resolved { "c.status = ?" } else { "c.status <> 'resolved' AND c.status = ?" };
            all.add(by, [Value::Text(status.word().to_owned())]);
        }
        match &query.assignee {
            Some(AssigneeWish::Nobody) => all.add("c.assignee IS NULL", []),
            Some(AssigneeWish::Agent(email)) => all.add("c.assignee = ?", [text(email)]),
            None => {}
        }
        if let Some(agent) = query.unread_by {
            all.add(UNREAD, std::iter::repeat_n(Value::Integer(agent.0), 3));
        }
        if let Some(contact) = &query.contact {
            let (email, identifier) = (Value::Text(email_key(contact)), text(contact));
            match &query.account {
                Some(account) => all.add(CONTACT_OF_ACCOUNT, [text(account), email, text(account), identifier]),
                None => all.add(CONTACT, [email, identifier]),
            }
        }
        all
    }

    fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }
}

/// As [`super::glances::UNREAD`]. Of the latest conversations only: with everything read, the rest would be looked at in vain.
const UNREAD: &str = "c.active_at >= ifnull((SELECT l.active_at FROM conversations l
      WHERE l.account = (SELECT a.account FROM agents a WHERE a.id = ?) ORDER BY l.active_at DESC LIMIT 1 OFFSET 10000), 0)
    AND c.received_id > ifnull((SELECT r.up_to FROM agent_reads r WHERE r.agent_id = ? AND r.conversation_id = c.id), ?)";
const CONTACT: &str = "c.contact_id IN (SELECT id FROM contacts WHERE email = ? OR identifier = ?)";
const CONTACT_OF_ACCOUNT: &str = "c.contact_id IN (SELECT id FROM contacts WHERE account = ? AND email = ?
    UNION ALL SELECT id FROM contacts WHERE account = ? AND identifier = ?)";
/// Items of one page.
pub const PAGE_MAX: usize = 500;
/// Of the owner's lists and searches over all accounts.
const ACCOUNTS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// The steps by which SQLite finds the conversations.
    fn plan(query: ConversationQuery) -> String {
        let mut connection = Connection::open_in_memory().expect("SQLite opens a database in memory");
        schema::migrate(&mut connection).expect("a new database");
        let (sql, values) = statement(&query, 51);
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
        let steps = explain.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).expect("a plan");
        let steps: Vec<String> = steps.collect::<Result<_, _>>().expect("steps");
        assert!(query.contact.is_some() || !steps.iter().any(|step| step.contains("ORDER BY")), "{steps:?}");
        assert!(!steps.iter().any(|step| step.starts_with("SCAN") && !step.contains("json_each")), "{steps:?}");
        steps.join("\n")
    }

    #[test]
    fn every_filter_is_answered_by_an_index() {
        let acme = || ConversationQuery { account: Some("acme".into()), ..ConversationQuery::default() };
        let cursor = Some(ConversationCursor { active_at: 5, id: Id(7) });
        let agent = AssigneeWish::Agent("sara@acme.example".into());
        let (listed, open) =
            ("c USING INDEX conversations_listed (account=?", "c USING INDEX conversations_open (account=?");
        for (query, expected) in [
            (acme(), listed),
            (ConversationQuery { cursor, ..acme() }, listed),
            (ConversationQuery { inbox: Some("sales".into()), ..acme() }, listed),
            (ConversationQuery { inboxes: Some(vec!["sales".into()]), ..acme() }, listed),
            (ConversationQuery { assignee: Some(agent.clone()), ..acme() }, listed),
            (ConversationQuery { assignee: Some(AssigneeWish::Nobody), ..acme() }, listed),
            (ConversationQuery { unread_by: Some(Id(7)), ..acme() }, listed),
            (ConversationQuery { status: Some(Status::Resolved), ..acme() }, listed),
            (ConversationQuery { status: Some(Status::Open), ..acme() }, open),
            (ConversationQuery { status: Some(Status::Snoozed), assignee: Some(agent), cursor, ..acme() }, open),
            (
                ConversationQuery { contact: Some("jane@customer.example".into()), ..acme() },
                "c USING INDEX conversations_contact",
            ),
        ] {
            let found = plan(query.clone());
            assert!(found.contains(expected), "{query:?}: {found}");
        }
    }
}
