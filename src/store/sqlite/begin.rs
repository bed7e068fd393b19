//! Beginning a conversation: its contact (found again by identifier or email within the account), token, messages.

use super::super::StoreError;
use super::super::unit::NewConversation;
use super::units::Writing;
use super::words::Stored;
use super::{messages, reply_tokens};
use crate::conversation::id::Id;
use crate::conversation::model::Status;
use rusqlite::{OptionalExtension, params};

/// Writes the conversation and its first messages.
pub fn conversation(writing: &Writing<'_>, new: &NewConversation) -> Result<Id, StoreError> {
    let contact = contact(writing, new)?;
    with_contact(writing, new, contact)
}

/// The same for a contact that is known already, whatever `new` says of one.
pub fn with_contact(writing: &Writing<'_>, new: &NewConversation, contact: Id) -> Result<Id, StoreError> {
    let id = writing.next_id()?;
    // The token's row refers to the conversation and the conversation shows the token: the token is drawn first.
    writing.execute(
        "INSERT INTO conversations (id, account, inbox, channel, status, subject, contact_id, reply_token, created_at,
           active_at) VALUES (?, ?, ?, ?, ?, ?, ?, x'', ?, ?)",
        params![
            id,
            new.account,
            new.inbox,
            Stored(new.channel),
            Stored(Status::Open),
            new.subject,
            contact,
            writing.now.0,
            writing.now.0
        ],
    )?;
    let token = reply_tokens::issue(writing, &new.account, id)?;
    writing.execute("UPDATE conversations SET reply_token = ? WHERE id = ?", params![token.0, id])?;
    for message in &new.messages {
        messages::append(writing, id, message)?;
    }
    Ok(id)
}

/// The form by which a contact or participant is found by email.
pub use crate::mail::address::email_key;

/// The identifier is the host site's own word for a person, so it wins over an email that somebody typed.
fn contact(writing: &Writing<'_>, new: &NewConversation) -> Result<Id, StoreError> {
    let email = new.contact_email.as_deref().map(email_key).filter(|email| !email.is_empty());
    let by_identifier = "SELECT id FROM contacts WHERE account = ? AND identifier = ?";
    let by_email = "SELECT id FROM contacts WHERE account = ? AND email = ?";
    let mut found = find(writing, by_identifier, &new.account, new.contact_identifier.as_deref())?;
    let same_email = find(writing, by_email, &new.account, email.as_deref())?;
    if new.contact_identifier.is_none() {
        found = same_email;
    }
    let free_email = email.filter(|_| same_email.is_none());
    match found {
        Some(id) => {
            let complete = "UPDATE contacts SET name = ifnull(name, ?), email = ifnull(email, ?) WHERE id = ?
                AND (name IS NULL OR email IS NULL)";
            writing.execute(complete, params![new.contact_name, free_email, id])?;
            Ok(id)
        }
        None => {
            let id = writing.next_id()?;
            writing.execute(
                "INSERT INTO contacts (id, account, name, email, identifier, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                params![id, new.account, new.contact_name, free_email, new.contact_identifier, writing.now.0],
            )?;
            Ok(id)
        }
    }
}

fn find(writing: &Writing<'_>, sql: &str, account: &str, key: Option<&str>) -> Result<Option<Id>, StoreError> {
    let Some(key) = key else { return Ok(None) };
    Ok(writing.connection.prepare_cached(sql)?.query_row([account, key], |row| row.get(0)).optional()?)
}
