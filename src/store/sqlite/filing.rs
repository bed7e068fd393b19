//! The end of filing: a message in its conversation and the ledger entry's final state, in one commit and only once.

use super::super::unit::{Destination, FilingResult, NewConversation, NewMessage};
use super::super::{Filed, StoreError};
use super::units::Writing;
use super::words::{Json, Stored};
use super::{agent_orders, begin, bounces, claims, conversations, messages};
use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Outcome, Status};
use rusqlite::{OptionalExtension, params};
use serde_json::Value;
use std::borrow::Cow;

/// Commits what filing decided; an entry that is no longer accepted is answered as it ended before.
pub fn file(writing: &Writing<'_>, result: &FilingResult) -> Result<Filed, StoreError> {
    let Found { before, proof, raw } = found(writing, result.ledger_id)?;
    if let Some(before) = before {
        return Ok(before);
    }
    let result = &proof.map_or(Cow::Borrowed(result), |proof| Cow::Owned(proven(result, proof)));
    let filed = match (&result.destination, &result.message) {
        (Destination::Existing(conversation), Some(message)) => {
            let status = conversations::status(writing.connection, *conversation)?;
            settle_author(writing, *conversation, message)?;
            filed(*conversation, messages::append_at(writing, *conversation, status, message, result.received_at)?)
        }
        (Destination::New { inbox, channel, subject }, Some(message)) => {
            let new = NewConversation {
                account: result.account.clone(),
                inbox: inbox.clone(),
                channel: *channel,
                contact_name: message.author.name.clone(),
                contact_email: message.author.email.clone(),
                contact_identifier: None,
                subject: subject.clone(),
                messages: Vec::new(),
            };
            let conversation = begin::conversation(writing, &new)?;
            filed(conversation, messages::append_at(writing, conversation, Status::Open, message, result.received_at)?)
        }
        // A mail of commands alone.
        (Destination::Existing(conversation), None) if !result.orders.is_empty() => {
            conversations::exists(writing.connection, *conversation)?;
            Filed { conversation_id: Some(*conversation), message_id: None }
        }
        (Destination::Nowhere, _) | (_, None) => Filed { conversation_id: None, message_id: None },
    };
    if let Some(conversation) = filed.conversation_id {
        agent_orders::follow(writing, conversation, result)?;
    }
    if let Some(fact) = &result.bounce {
        bounces::take(writing, &result.account, fact)?;
    }
    index(writing, result, filed)?;
    writing.execute(
        "UPDATE ledger SET outcome = 'filed', reason = ?, conversation_id = ?, stored_message_id = ? WHERE id = ?",
        params![result.reason, filed.conversation_id, filed.message_id, result.ledger_id],
    )?;
    if let Some(raw) = raw {
        tell_copies(writing, result.ledger_id, raw, filed)?;
    }
    Ok(filed)
}

/// Copies that came before the mail was filed show where it is, as later ones do. Hardly any mail has one, and looking
/// costs less than a change of nothing.
fn tell_copies(writing: &Writing<'_>, entry: Id, raw: Id, filed: Filed) -> Result<(), StoreError> {
    let mut any = writing.connection.prepare_cached(
        "SELECT 1 FROM ledger INDEXED BY ledger_duplicates WHERE outcome = 'duplicate' AND raw_id = ? LIMIT 1",
    )?;
    if any.exists([raw])? {
        writing.execute(
            "UPDATE ledger INDEXED BY ledger_duplicates SET conversation_id = ?, stored_message_id = ?
             WHERE outcome = 'duplicate' AND raw_id = ? AND envelope_to = (SELECT envelope_to FROM ledger WHERE id = ?)",
            params![filed.conversation_id, filed.message_id, raw, entry],
        )?;
    }
    Ok(())
}

/// How filing found the entry.
struct Found {
    /// Set if it has ended already.
    before: Option<Filed>,
    /// What a later copy of the mail has proven since.
    proof: Option<Value>,
    raw: Option<Id>,
}

fn found(writing: &Writing<'_>, entry: Id) -> Result<Found, StoreError> {
    let mut find = writing
        .connection
        .prepare_cached("SELECT outcome, conversation_id, stored_message_id, proof, raw_id FROM ledger WHERE id = ?")?;
    let row = find.query_row([entry], |row| {
        let outcome: Outcome = row.get::<_, Stored<_>>(0)?.0;
        let filed = Filed { conversation_id: row.get(1)?, message_id: row.get(2)? };
        let proof = row.get::<_, Option<Json<Value>>>(3)?.map(|json| json.0);
        Ok(Found { before: (outcome != Outcome::Accepted).then_some(filed), proof, raw: row.get(4)? })
    });
    row.optional()?.ok_or(StoreError::NotFound("ledger entry"))
}

fn proven(result: &FilingResult, proof: Value) -> FilingResult {
    let mut result = result.clone();
    if let Some(email) = result.message.as_mut().and_then(|message| message.email.as_mut()) {
        email.auth = proof;
    }
    result
}

fn filed(conversation: Id, message: Id) -> Filed {
    Filed { conversation_id: Some(conversation), message_id: Some(message) }
}

/// A contact without an email takes the author's; another author joins under their own name.
fn settle_author(writing: &Writing<'_>, conversation: Id, message: &NewMessage) -> Result<(), StoreError> {
    let Some(email) = message.author.email.as_deref().map(begin::email_key) else { return Ok(()) };
    match message.author.kind {
        AuthorKind::Contact => {
            // The email may belong to another contact of the account by now: then nothing is taken.
            writing.execute(
                "UPDATE OR IGNORE contacts SET email = ? WHERE email IS NULL AND claimed_email IS NULL
                 AND id = (SELECT contact_id FROM conversations WHERE id = ?)",
                params![email, conversation],
            )?;
            if message.email.as_ref().is_some_and(|mail| claims::is_proof(mail, &email)) {
                claims::prove(writing, conversation, &email)?;
            }
        }
        AuthorKind::Participant => {
            writing.execute(
                "INSERT INTO participants (conversation_id, email, name, since) SELECT ?, ?, ?, ?
                 WHERE (SELECT count(*) FROM participants WHERE conversation_id = ?) < ?
                 ON CONFLICT DO NOTHING",
                params![conversation, email, message.author.name, writing.now.0, conversation, PARTICIPANTS_MAX],
            )?;
        }
        AuthorKind::Agent | AuthorKind::System => {}
    }
    Ok(())
}

/// Remembers the mail's Message-ID for the replies to it.
fn index(writing: &Writing<'_>, result: &FilingResult, filed: Filed) -> Result<(), StoreError> {
    if let (Some(conversation), Some(stored), Some(message_id)) =
        (filed.conversation_id, filed.message_id, &result.message_id)
    {
        writing.execute(
            "INSERT OR IGNORE INTO message_ids (account, message_id, stored_id, conversation_id) VALUES (?, ?, ?, ?)",
            params![result.account, message_id, stored, conversation],
        )?;
    }
    Ok(())
}

/// Whoever knows a token can write under ever new names; beyond this they are authors only, not participants.
pub const PARTICIPANTS_MAX: usize = 100;
