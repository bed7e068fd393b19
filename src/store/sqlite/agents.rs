//! Agents of accounts: who they are, what they want by mail, and whom a contact's message concerns.

use super::super::{NewAgent, StoreError};
use super::begin::email_key;
use super::units::Writing;
use super::words::Json;
use super::{agent_sessions, operate, reply_tokens};
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Adds an agent, or changes the one of the same account and address.
pub fn add(writing: &Writing<'_>, new: &NewAgent) -> Result<Agent, StoreError> {
    let email = email_key(&new.email);
    let id =
        by_email(writing.connection, &new.account, &email)?.map_or_else(|| writing.next_id(), |known| Ok(known.id))?;
    writing.execute(
        "INSERT INTO agents (id, account, email, name, inboxes, by_mail, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, inboxes = excluded.inboxes, by_mail = excluded.by_mail",
        params![id, new.account, email, new.name, new.inboxes.as_ref().map(Json), new.by_mail, writing.now.0],
    )?;
    by_id(writing.connection, id)
}

/// Agents in the order in which they came.
pub fn list(connection: &Connection, account: Option<&str>) -> Result<Vec<Agent>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM agents WHERE removed_at IS NULL AND (?1 IS NULL OR account = ?1) ORDER BY account, id"
    );
    let mut find = connection.prepare_cached(&sql)?;
    Ok(find.query_map([account], read)?.collect::<Result<_, _>>()?)
}

/// Removes an agent: their tokens and sessions end and mail to them is not sent; what they wrote stays.
pub fn remove(writing: &Writing<'_>, id: Id) -> Result<(), StoreError> {
    let remove = "UPDATE agents SET removed_at = ? WHERE id = ? AND removed_at IS NULL";
    if writing.execute(remove, params![writing.now.0, id])? == 0 {
        return Err(StoreError::NotFound("agent"));
    }
    agent_sessions::end_all(writing, id)?;
    reply_tokens::revoke_of_agent(writing, id)?;
    operate::cancel_of_agent(writing, id)
}

/// One agent, removed or not: an old mail still names them.
pub fn by_id(connection: &Connection, id: Id) -> Result<Agent, StoreError> {
    let mut find = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM agents WHERE id = ?"))?;
    find.query_row([id], read).optional()?.ok_or(StoreError::NotFound("agent"))
}

/// One agent who was not removed.
pub fn live(connection: &Connection, id: Id) -> Result<Option<Agent>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM agents WHERE id = ? AND removed_at IS NULL");
    Ok(connection.prepare_cached(&sql)?.query_row([id], read).optional()?)
}

/// The agent of an address (canonical key).
pub fn by_email(connection: &Connection, account: &str, email: &str) -> Result<Option<Agent>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM agents WHERE account = ? AND email = ? AND removed_at IS NULL");
    Ok(connection.prepare_cached(&sql)?.query_row([account, email], read).optional()?)
}

/// Whom a message of a contact concerns: the agent it is assigned to alone; without one each agent of the inbox. Of those,
/// who wants mail. An assignee who is no agent of the account is somebody of another system, who sees nothing of ours.
pub fn concerned(
    connection: &Connection,
    account: &str,
    inbox: &str,
    assignee: Option<&str>,
) -> Result<Vec<Agent>, StoreError> {
    let assigned = match assignee {
        Some(assignee) => by_email(connection, account, &email_key(assignee))?,
        None => None,
    };
    let of_inbox = |agent: &Agent| agent.inboxes.as_ref().is_none_or(|inboxes| inboxes.iter().any(|own| own == inbox));
    let mut concerned = match assigned {
        Some(agent) => vec![agent],
        None => list(connection, Some(account))?.into_iter().filter(of_inbox).collect(),
    };
    concerned.retain(|agent| agent.by_mail);
    Ok(concerned)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Agent> {
    Ok(Agent {
        id: row.get(0)?,
        account: row.get(1)?,
        email: row.get(2)?,
        name: row.get(3)?,
        inboxes: row.get::<_, Option<Json<_>>>(4)?.map(|json| json.0),
        by_mail: row.get(5)?,
        created_at: UnixMs(row.get(6)?),
    })
}

const COLUMNS: &str = "id, account, email, name, inboxes, by_mail, created_at";
