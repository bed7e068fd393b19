//! A nameless visitor's record, apart from the person's whom a mail proved. Who typed somebody's address and was answered from
//! there shares that person's record from then on, and every later mail of that person is filed under it. The browser's words
//! are still nobody's: they must neither bend that person's mail to another address nor lead to what that person wrote.

use super::super::StoreError;
use super::super::visitors::{Claim, Proof, Visitor};
use super::begin::email_key;
use super::claims;
use super::units::Writing;
use super::words::Json;
use crate::conversation::id::Id;
use rusqlite::params;

/// What was typed stays a claim: mail goes there, and nothing is found by it.
pub fn claim(writing: &Writing<'_>, speaker: &Visitor, claim: &Claim) -> Result<(), StoreError> {
    let contact = match claim.email.as_deref().map(email_key) {
        Some(typed) if speaker.contact.email.as_ref() != Some(&typed) => apart(writing, speaker)?,
        Some(_) | None => speaker.contact.id,
    };
    // The record of a proven person is added to and not overwritten.
    let shares = is_anothers(speaker) && contact == speaker.contact.id;
    if let Some(name) = &claim.name {
        let set = if shares { "ifnull(name, ?)" } else { "?" };
        writing.execute(&format!("UPDATE contacts SET name = {set} WHERE id = ?"), params![name, contact])?;
    }
    if let Some(fields) = &claim.fields {
        let merged = if shares { "?, ifnull(fields, '{}')" } else { "ifnull(fields, '{}'), ?" };
        let merge = format!("UPDATE contacts SET fields = json_patch({merged}) WHERE id = ?");
        writing.execute(&merge, params![Json(fields), contact])?;
    }
    match &claim.email {
        Some(email) => claims::claim(writing, contact, Some(email)),
        None => Ok(()),
    }
}

/// The visitor's own record: a new one where it shares a proven person's, with what was begun in this browser.
pub fn apart(writing: &Writing<'_>, visitor: &Visitor) -> Result<Id, StoreError> {
    let shared = visitor.contact.id;
    if !is_anothers(visitor) {
        return Ok(shared);
    }
    let id = writing.next_id()?;
    writing.execute(
        "INSERT INTO contacts (id, account, name, claimed_email, language, time_zone, fields, created_at)
         SELECT ?1, account, name, email, language, time_zone, fields, ?2 FROM contacts WHERE id = ?3",
        params![id, writing.now.0, shared],
    )?;
    writing.execute("UPDATE visitors SET contact_id = ? WHERE id = ?", params![id, visitor.id])?;
    writing.execute(
        "UPDATE conversations SET contact_id = ?1 WHERE contact_id = ?2 AND id IN
           (SELECT conversation_id FROM visitor_conversations WHERE visitor_id = ?3 AND grounds = 'started')",
        params![id, shared, visitor.id],
    )?;
    Ok(id)
}

/// Whether the address of the visitor's record was proven by a mail, and by nothing that this browser has.
fn is_anothers(visitor: &Visitor) -> bool {
    visitor.proof == Proof::Anonymous && visitor.contact.email.is_some()
}
