//! What routing may go by, in one read: conversations by token and by Message-ID, and whether the sender is in them.

use super::super::StoreError;
use super::super::unit::{AgentRef, ContactOf, RoutingEvidence};
use super::begin::email_key;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::reply_token::ReplyToken;
use rusqlite::{Connection, OptionalExtension, params};

/// What is asked.
pub struct Question {
    pub account: String,
    pub tokens: Vec<ReplyToken>,
    pub message_ids: Vec<String>,
    pub sender: Option<String>,
    pub now: UnixMs,
}

/// Live tokens and Message-IDs of the account only: nothing of another account ever routes a mail here.
pub fn evidence(connection: &Connection, question: &Question) -> Result<RoutingEvidence, StoreError> {
    let mut evidence = RoutingEvidence::default();
    for token in &question.tokens {
        let Some((id, agent)) = of_token(connection, question, *token)? else { continue };
        evidence.by_token.push((*token, id));
        evidence.agents_by_token.extend(agent.map(|agent| (*token, agent)));
    }
    let mut by_message_id = connection.prepare_cached(
        "SELECT conversation_id FROM message_ids WHERE account = ? AND message_id = ?
         ORDER BY stored_id DESC LIMIT ?",
    )?;
    for message_id in &question.message_ids {
        let rows = by_message_id.query_map(params![question.account, message_id, SAME_ID_MAX], |row| row.get(0))?;
        for id in rows {
            let found = (message_id.clone(), id?);
            if evidence.by_message_id.last() != Some(&found) {
                evidence.by_message_id.push(found);
            }
        }
    }
    let tokens = evidence.by_token.iter().map(|(_, id)| *id);
    let mut found: Vec<Id> = tokens.chain(evidence.by_message_id.iter().map(|(_, id)| *id)).collect();
    found.sort_unstable();
    found.dedup();
    let sender = question.sender.as_deref().map(email_key);
    if let Some(sender) = &sender {
        evidence.sender_agent = agent_of(connection, &question.account, sender)?;
    }
    for id in found {
        let contact = contact_of(connection, id)?;
        if let Some(sender) = &sender
            && (contact.is_at(sender) || is_participant(connection, id, sender)?)
        {
            evidence.sender_takes_part.push(id);
        }
        evidence.contacts.push(contact);
    }
    Ok(evidence)
}

/// An agent's token ends with the agent.
fn of_token(
    connection: &Connection,
    question: &Question,
    token: ReplyToken,
) -> Result<Option<(Id, Option<AgentRef>)>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT t.conversation_id, a.email, a.name FROM reply_tokens t
         LEFT JOIN agents a ON a.id = t.agent_id AND a.removed_at IS NULL
         WHERE t.token = ? AND t.account = ? AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?)
         AND (t.agent_id IS NULL OR a.id IS NOT NULL)",
    )?;
    let row = find.query_row(params![token.0, question.account, question.now.0], |row| {
        let email: Option<String> = row.get(1)?;
        let agent = email.map(|email| Ok::<_, rusqlite::Error>(AgentRef { email, name: row.get(2)? })).transpose()?;
        Ok((row.get(0)?, agent))
    });
    Ok(row.optional()?)
}

fn agent_of(connection: &Connection, account: &str, email: &str) -> Result<Option<AgentRef>, StoreError> {
    let mut find = connection
        .prepare_cached("SELECT email, name FROM agents WHERE account = ? AND email = ? AND removed_at IS NULL")?;
    let row = find.query_row([account, email], |row| Ok(AgentRef { email: row.get(0)?, name: row.get(1)? }));
    Ok(row.optional()?)
}

fn contact_of(connection: &Connection, conversation: Id) -> Result<ContactOf, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT k.email, c.inbox, k.claimed_email FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE c.id = ?",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(ContactOf { conversation, email: row.get(0)?, inbox: row.get(1)?, claimed: row.get(2)? })
    };
    Ok(find.query_row([conversation], read)?)
}

fn is_participant(connection: &Connection, conversation: Id, email: &str) -> Result<bool, StoreError> {
    let mut find = connection.prepare_cached("SELECT 1 FROM participants WHERE conversation_id = ? AND email = ?")?;
    Ok(find.exists(params![conversation, email])?)
}

/// Conversations looked at for one Message-ID: a sender may repeat ids as often as it likes.
const SAME_ID_MAX: usize = 8;
