//! Reply tokens: one look-up by primary key whether the token is known or not.

use super::super::StoreError;
use super::super::unit::TokenState;
use super::ids;
use super::units::Writing;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::reply_token::ReplyToken;
use rusqlite::{Connection, OptionalExtension, params};

/// What RCPT has to know.
pub fn state(connection: &Connection, token: ReplyToken, now: UnixMs) -> Result<TokenState, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT t.account, t.conversation_id, t.revoked_at, t.expires_at, a.email FROM reply_tokens t
         LEFT JOIN agents a ON a.id = t.agent_id WHERE t.token = ?",
    )?;
    let row = find.query_row([token.0], |row| {
        let (revoked_at, expires_at): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
        let account = row.get(0)?;
        Ok(match (revoked_at, expires_at) {
            (Some(_), _) => TokenState::Revoked { account },
            (None, Some(end)) if end <= now.0 => TokenState::Expired { account },
            (None, _) => TokenState::Live { account, conversation_id: row.get(1)?, agent: row.get(4)? },
        })
    });
    Ok(row.optional()?.unwrap_or(TokenState::Unknown))
}

/// Makes the contact's token of a new conversation.
pub fn issue(writing: &Writing<'_>, account: &str, conversation: Id) -> Result<ReplyToken, StoreError> {
    let token = ids::reply_token()?;
    writing.execute(
        "INSERT INTO reply_tokens (token, account, conversation_id, created_at) VALUES (?, ?, ?, ?)",
        params![token.0, account, conversation, writing.now.0],
    )?;
    Ok(token)
}

/// The contact's token.
pub fn of_contact(connection: &Connection, conversation: Id) -> Result<ReplyToken, StoreError> {
    let mut find = connection.prepare_cached("SELECT reply_token FROM conversations WHERE id = ?")?;
    Ok(ReplyToken(find.query_row([conversation], |row| row.get(0))?))
}

/// Who answers to a token beside the contact.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    Participant(&'a str),
    Agent(Id),
}

/// The holder's token in a conversation: the one they have, or a new one that ends when the contact's does. In a
/// conversation whose tokens were revoked it is a dead one: mail that goes out all the same must name some.
pub fn of_holder(writing: &Writing<'_>, conversation: Id, holder: Holder<'_>) -> Result<ReplyToken, StoreError> {
    let (participant, agent) = match holder {
        Holder::Participant(email) => (Some(email), None),
        Holder::Agent(id) => (None, Some(id)),
    };
    let mut find = writing.connection.prepare_cached(
        "SELECT token FROM reply_tokens WHERE conversation_id = ? AND participant IS ? AND agent_id IS ?
         AND revoked_at IS NULL LIMIT 1",
    )?;
    let found = find.query_row(params![conversation, participant, agent], |row| row.get(0)).optional()?;
    if let Some(token) = found {
        return Ok(ReplyToken(token));
    }
    let token = ids::reply_token()?;
    writing.execute(
        "INSERT INTO reply_tokens (token, account, conversation_id, participant, agent_id, created_at, revoked_at,
           expires_at)
         SELECT ?, c.account, c.id, ?, ?, ?, t.revoked_at, t.expires_at FROM conversations c
         JOIN reply_tokens t ON t.token = c.reply_token WHERE c.id = ?",
        params![token.0, participant, agent, writing.now.0, conversation],
    )?;
    Ok(token)
}

/// Ends the life of an agent's tokens, in every conversation.
pub fn revoke_of_agent(writing: &Writing<'_>, agent: Id) -> Result<(), StoreError> {
    let end = "UPDATE reply_tokens SET revoked_at = ? WHERE agent_id = ? AND revoked_at IS NULL";
    writing.execute(end, params![writing.now.0, agent])?;
    Ok(())
}

/// Ends the life of a conversation's tokens.
pub fn revoke(writing: &Writing<'_>, conversation: Id) -> Result<(), StoreError> {
    super::conversations::exists(writing.connection, conversation)?;
    let end = "UPDATE reply_tokens SET revoked_at = ? WHERE conversation_id = ? AND revoked_at IS NULL";
    writing.execute(end, params![writing.now.0, conversation])?;
    Ok(())
}

/// Sets or lifts the end of a conversation's tokens; revoked ones stay revoked.
pub fn expire(writing: &Writing<'_>, conversation: Id, at: Option<UnixMs>) -> Result<(), StoreError> {
    super::conversations::exists(writing.connection, conversation)?;
    let end = "UPDATE reply_tokens SET expires_at = ? WHERE conversation_id = ? AND revoked_at IS NULL";
    writing.execute(end, params![at.map(|at| at.0), conversation])?;
    Ok(())
}
