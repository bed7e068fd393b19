//! Addresses that visitors typed. A claim is where mail goes, and nothing else: nobody is found by it and nothing is merged
//! by it, until a person's mail from that address proves it.

use super::super::StoreError;
use super::begin::email_key;
use super::units::Writing;
use super::{continuity, events, queue};
use crate::conversation::continuity::{MailWish, Reason};
use crate::conversation::delivery::{DeliveryState, Phase};
use crate::conversation::id::Id;
use crate::conversation::model::Email;
use crate::mail::automatic::Class;
use rusqlite::{OptionalExtension, params};

/// Takes a typed address, or forgets it. What failed to reach the old one goes to the new one, as the rule of continuity
/// says; the same address again is no news, so that mail to it comes back stays true.
pub fn claim(writing: &Writing<'_>, contact: Id, email: Option<&str>) -> Result<(), StoreError> {
    let key = email.map(email_key).filter(|key| !key.is_empty());
    let claim = "UPDATE contacts SET claimed_email = CASE WHEN email = ?1 THEN NULL ELSE ?1 END,
           bounced_at = NULL, bounce_reason = NULL
         WHERE id = ?2 AND ifnull(claimed_email, ifnull(email, '')) <> ifnull(?1, ifnull(email, ''))";
    if writing.execute(claim, params![key, contact])? == 0 {
        return Ok(());
    }
    rearm(writing, contact)
}

/// A contact's address has changed: everything of theirs that is unseen is decided anew.
pub fn rearm(writing: &Writing<'_>, contact: Id) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT id FROM conversations WHERE contact_id = ? AND unseen_by_contact > 0 ORDER BY id DESC LIMIT ?",
    )?;
    let rows = find.query_map(params![contact, CONVERSATIONS_MAX], |row| row.get(0))?;
    let waiting: Vec<Id> = rows.collect::<Result<_, _>>()?;
    waiting.into_iter().try_for_each(|conversation| continuity::redecide(writing, conversation))
}

/// Whether the contact wants mail of a conversation.
pub fn wish(writing: &Writing<'_>, conversation: Id, wish: MailWish) -> Result<(), StoreError> {
    let (off, word) = match wish {
        MailWish::On => (false, "on"),
        MailWish::Off => (true, "off"),
    };
    let set = "UPDATE conversations SET mail_off = ?1 WHERE id = ?2 AND mail_off <> ?1";
    if writing.execute(set, params![off, conversation])? == 0 {
        return super::conversations::exists(writing.connection, conversation);
    }
    events::of_conversation(writing, conversation, serde_json::json!({"mail": word}))?;
    if wish == MailWish::Off {
        call_off(writing, conversation)?;
    }
    continuity::redecide(writing, conversation)
}

/// Mail that is on its way to whoever wants none: as long as no host has it, it does not arrive.
fn call_off(writing: &Writing<'_>, conversation: Id) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT id FROM queue INDEXED BY queue_open WHERE conversation_id = ? AND state IN ('waiting', 'queued', 'deferred')
           AND state <> 'waiting' AND kind = 'answer' AND recipient_kind = 'contact'",
    )?;
    let rows = find.query_map([conversation], |row| row.get(0))?;
    let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
    for entry in found {
        if queue::entry(writing.connection, entry)?.phase != Some(Phase::DataSent) {
            continuity::end(writing, entry, DeliveryState::Cancelled, &Reason::MailOff.to_string())?;
        }
    }
    Ok(())
}

/// Whether a mail proves that its author has the address: a person's, and the domain vouches for it.
pub fn is_proof(email: &Email, author: &str) -> bool {
    let said = |name: &str| email.auth.get(name).and_then(serde_json::Value::as_str);
    let about_author = said("author").is_none_or(|about| email_key(about) == author);
    email.class == Class::Human && said("verdict") == Some("authentic") && about_author
}

/// The contact of a conversation has proven the address it claimed: it is its own from now on. If it is another contact's
/// already, the two are one person, and this conversation goes to the one who was known by mail; what a visitor may see does
/// not go by contacts, so nobody sees more by it. A contact that a site vouches for stays whom the site says, with a claim:
/// what is filed under its address would be shown to whoever has that name at the site.
pub fn prove(writing: &Writing<'_>, conversation: Id, email: &str) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT k.id, k.identifier IS NOT NULL, (SELECT id FROM contacts o WHERE o.account = k.account AND o.email = ?1
           AND o.id <> k.id)
         FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE c.id = ?2 AND k.claimed_email = ?1",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Id>(0)?, row.get(1)?, row.get::<_, Option<Id>>(2)?));
    let found: Option<(Id, bool, Option<Id>)> = find.query_row(params![email, conversation], read).optional()?;
    match found {
        None | Some((_, true, _)) => return Ok(()),
        Some((contact, false, None)) => {
            let own = "UPDATE contacts SET email = claimed_email, claimed_email = NULL WHERE id = ?";
            writing.execute(own, [contact])?;
        }
        Some((_, false, Some(known))) => {
            let moved = "UPDATE conversations SET contact_id = ? WHERE id = ?";
            writing.execute(moved, params![known, conversation])?;
        }
    }
    events::of_conversation(writing, conversation, serde_json::json!({"contact": "proven"}))
}

/// Conversations looked at anew, the latest first.
const CONVERSATIONS_MAX: usize = 50;
