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
