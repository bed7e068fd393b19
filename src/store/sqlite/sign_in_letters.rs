//! Letters with sign-in links, and the links. A letter's row holds no link: each attempt to send it makes one, and keeps its hash
//! before anything is sent. So a letter that a crash cut short is sent again with another link, and both are good.

use super::super::StoreError;
use super::super::desk::{LetterEnd, SignInLetter};
use super::units::Writing;
use super::{agent_sessions, agents};
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, params};

/// Notes that an agent wants a link; more than a few within a link's life are not sent.
pub fn ask(writing: &Writing<'_>, agent: Id, expires_at: UnixMs) -> Result<(), StoreError> {
    writing.execute("DELETE FROM sign_in_letters WHERE expires_at <= ?", [writing.now.0])?;
    writing.execute("DELETE FROM sign_in_links WHERE expires_at <= ?", [writing.now.0])?;
    let mut count = writing.connection.prepare_cached("SELECT count(*) FROM sign_in_letters WHERE agent_id = ?")?;
    if count.query_row([agent], |row| row.get::<_, u32>(0))? >= LETTERS_OF_AGENT_MAX {
        return Ok(());
    }
    let ask = "INSERT INTO sign_in_letters (id, agent_id, created_at, expires_at, due_at) VALUES (?, ?, ?, ?, ?)";
    writing.execute(ask, params![writing.next_id()?, agent, writing.now.0, expires_at.0, writing.now.0])?;
    Ok(())
}

/// Letters to be sent, the first due first, whatever is due later.
pub fn open(connection: &Connection, limit: usize) -> Result<Vec<SignInLetter>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT id, agent_id, expires_at, due_at, attempts FROM sign_in_letters WHERE due_at IS NOT NULL ORDER BY due_at LIMIT ?",
    )?;
    let rows = find.query_map([limit], |row| {
        Ok((row.get(0)?, row.get(1)?, UnixMs(row.get(2)?), UnixMs(row.get(3)?), row.get(4)?))
    })?;
    let found: Vec<(Id, Id, UnixMs, UnixMs, u32)> = rows.collect::<Result<_, _>>()?;
    let letter = |(id, agent, expires_at, due_at, attempts)| {
        let agent = agents::by_id(connection, agent)?;
        Ok(SignInLetter { id, agent, expires_at, due_at, attempts })
    };
    found.into_iter().map(letter).collect()
}

/// Before an attempt: keeps the hash of its link, and plans the next attempt in case this one is cut short. `NotFound`: the
/// letter is over, or its agent was removed.
pub fn attempt(writing: &Writing<'_>, letter: Id, sha256: &[u8; 32], next: UnixMs) -> Result<(), StoreError> {
    let count = "UPDATE sign_in_letters SET attempts = attempts + 1, due_at = ?1 WHERE id = ?2 AND due_at IS NOT NULL
        AND expires_at > ?3 AND agent_id IN (SELECT id FROM agents WHERE removed_at IS NULL)";
    if writing.execute(count, params![next.0, letter, writing.now.0])? == 0 {
        return Err(StoreError::NotFound("letter"));
    }
    let keep = "INSERT INTO sign_in_links (sha256, agent_id, created_at, expires_at)
        SELECT ?, agent_id, ?, expires_at FROM sign_in_letters WHERE id = ?";
    writing.execute(keep, params![sha256, writing.now.0, letter])?;
    Ok(())
}

/// After an attempt. A letter that is over stays until it expires: it counts against the next one.
pub fn ended(writing: &Writing<'_>, letter: Id, end: &LetterEnd) -> Result<(), StoreError> {
    let due_at = match end {
        LetterEnd::Over => None,
        LetterEnd::Later(due_at) => Some(due_at.0),
    };
    let end = "UPDATE sign_in_letters SET due_at = CASE WHEN ?1 < expires_at THEN ?1 END WHERE id = ?2 AND due_at IS NOT NULL";
    writing.execute(end, params![due_at, letter])?;
    Ok(())
}

/// Keeps the hash of a link that the operator hands over.
pub fn add_link(writing: &Writing<'_>, agent: Id, sha256: &[u8; 32], expires_at: UnixMs) -> Result<(), StoreError> {
    let keep = "INSERT INTO sign_in_links (sha256, agent_id, created_at, expires_at)
        SELECT ?, id, ?, ? FROM agents WHERE id = ? AND removed_at IS NULL";
    let kept = writing.execute(keep, params![sha256, writing.now.0, expires_at.0, agent])?;
    if kept == 0 { Err(StoreError::NotFound("agent")) } else { Ok(()) }
}

/// Whether a link would let somebody in.
pub fn is_good(connection: &Connection, sha256: &[u8; 32], now: UnixMs) -> Result<bool, StoreError> {
    Ok(agent_of(connection, sha256, now)?.is_some())
}

/// Uses a link, once, for a session. With it every other link and letter of the agent is over: whoever found an older mail
/// comes too late. `None`: the link is used, expired, or none.
pub fn enter(
    writing: &Writing<'_>,
    link: &[u8; 32],
    session: &[u8; 32],
    expires_at: UnixMs,
    before: Option<&[u8; 32]>,
) -> Result<Option<Agent>, StoreError> {
    let Some(agent) = agent_of(writing.connection, link, writing.now)? else { return Ok(None) };
    writing.execute("DELETE FROM sign_in_links WHERE agent_id = ?", [agent.id])?;
    writing.execute("UPDATE sign_in_letters SET due_at = NULL WHERE agent_id = ?", [agent.id])?;
    agent_sessions::begin(writing, agent.id, session, expires_at, before)?;
    Ok(Some(agent))
}

fn agent_of(connection: &Connection, sha256: &[u8; 32], now: UnixMs) -> Result<Option<Agent>, StoreError> {
    let mut find =
        connection.prepare_cached("SELECT agent_id FROM sign_in_links WHERE sha256 = ? AND expires_at > ?")?;
    let agent: Option<Id> = find.query_row(params![sha256, now.0], |row| row.get(0)).optional()?;
    agent.map_or(Ok(None), |agent| agents::live(connection, agent))
}

const LETTERS_OF_AGENT_MAX: u32 = 3;
