//! Agents' passwords and sessions. Both are kept as hashes: a copy of the store lets nobody in.

use super::super::StoreError;
use super::super::desk::AgentSession;
use super::agents;
use super::units::Writing;
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, params};

/// The agents of an address (canonical key), each with the kept form of their password: one address may answer for several
/// accounts.
pub fn agents_of_address(connection: &Connection, email: &str) -> Result<Vec<(Agent, Option<String>)>, StoreError> {
    let mut find = connection
        .prepare_cached("SELECT id, password FROM agents WHERE email = ? AND removed_at IS NULL ORDER BY id LIMIT ?")?;
    let rows = find.query_map(params![email, ACCOUNTS_OF_ADDRESS_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(Id, Option<String>)> = rows.collect::<Result<_, _>>()?;
    found.into_iter().map(|(id, password)| Ok((agents::by_id(connection, id)?, password))).collect()
}

/// Keeps a new password, and ends every session that began with an older one.
pub fn set_password(writing: &Writing<'_>, agent: Id, password: &str) -> Result<(), StoreError> {
    let set = "UPDATE agents SET password = ? WHERE id = ? AND removed_at IS NULL";
    if writing.execute(set, params![password, agent])? == 0 {
        return Err(StoreError::NotFound("agent"));
    }
    end_all(writing, agent)
}

/// Keeps a password that its agent chose: whatever let them in elsewhere does so no more.
pub fn change_password(writing: &Writing<'_>, agent: Id, password: &str, here: &[u8; 32]) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached("SELECT count(*) FROM agent_sessions WHERE sha256 = ?")?;
    if find.query_row([here], |row| row.get::<_, u32>(0))? == 0 {
        return Err(StoreError::Conflict("this session has ended meanwhile; sign in again".to_owned()));
    }
    writing.execute("UPDATE agents SET password = ? WHERE id = ?", params![password, agent])?;
    writing.execute("DELETE FROM agent_sessions WHERE agent_id = ? AND sha256 <> ?", params![agent, here])?;
    end_links(writing, agent)
}

/// Begins a session in place of the one that the same browser had.
pub fn begin(
    writing: &Writing<'_>,
    agent: Id,
    sha256: &[u8; 32],
    expires_at: UnixMs,
    before: Option<&[u8; 32]>,
) -> Result<(), StoreError> {
    writing.execute("DELETE FROM agent_sessions WHERE expires_at <= ?", [writing.now.0])?;
    if let Some(before) = before {
        end(writing, before)?;
    }
    // A browser that forgets its cookie signs in again and again: the sessions used least make place.
    writing.execute(
        "DELETE FROM agent_sessions WHERE sha256 IN (SELECT sha256 FROM agent_sessions WHERE agent_id = ?
           ORDER BY used_at DESC LIMIT -1 OFFSET ?)",
        params![agent, SESSIONS_OF_AGENT_MAX - 1],
    )?;
    // Who was removed meanwhile has none.
    let begun = writing.execute(
        "INSERT INTO agent_sessions (sha256, agent_id, created_at, used_at, expires_at)
         SELECT ?1, id, ?2, ?2, ?3 FROM agents WHERE id = ?4 AND removed_at IS NULL",
        params![sha256, writing.now.0, expires_at.0, agent],
    )?;
    if begun == 0 { Err(StoreError::NotFound("agent")) } else { Ok(()) }
}

/// A session that has not ended, and whose agent is still one.
pub fn find(connection: &Connection, sha256: &[u8; 32], now: UnixMs) -> Result<Option<AgentSession>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT agent_id, created_at, used_at FROM agent_sessions WHERE sha256 = ? AND expires_at > ?",
    )?;
    let found: Option<(Id, i64, i64)> =
        find.query_row(params![sha256, now.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((agent, created_at, used_at)) = found else { return Ok(None) };
    let agent = agents::live(connection, agent)?;
    Ok(agent.map(|agent| AgentSession { agent, created_at: UnixMs(created_at), used_at: UnixMs(used_at) }))
}

/// Notes that a session is used.
pub fn used(writing: &Writing<'_>, sha256: &[u8; 32], expires_at: UnixMs) -> Result<(), StoreError> {
    let slide = "UPDATE agent_sessions SET used_at = ?, expires_at = ? WHERE sha256 = ? AND expires_at > ?";
    writing.execute(slide, params![writing.now.0, expires_at.0, sha256, writing.now.0])?;
    Ok(())
}

pub fn end(writing: &Writing<'_>, sha256: &[u8; 32]) -> Result<(), StoreError> {
    writing.execute("DELETE FROM agent_sessions WHERE sha256 = ?", [sha256])?;
    Ok(())
}

/// Nothing that let this agent in does so any more.
pub fn end_all(writing: &Writing<'_>, agent: Id) -> Result<(), StoreError> {
    writing.execute("DELETE FROM agent_sessions WHERE agent_id = ?", [agent])?;
    end_links(writing, agent)
}

fn end_links(writing: &Writing<'_>, agent: Id) -> Result<(), StoreError> {
    writing.execute("DELETE FROM sign_in_links WHERE agent_id = ?", [agent])?;
    writing.execute("UPDATE sign_in_letters SET due_at = NULL WHERE agent_id = ?", [agent])?;
    Ok(())
}

const ACCOUNTS_OF_ADDRESS_MAX: usize = 4;
const SESSIONS_OF_AGENT_MAX: i64 = 20;
