//! A later copy of a mail that proves its author, where the first copy did not: a pipe brings no client and may break
//! signatures, the MX or a provider has both. Copies have the same author's words, so what one proves is proven of the
//! message. The ledger's entries stay what they were; what was decided at filing stays decided (who may write as whom).

use super::super::StoreError;
use super::super::outgoing::EventKind;
use super::super::unit::Acceptance;
use super::begin::email_key;
use super::events::{self, Happening};
use super::units::Writing;
use super::words::Json;
use super::{claims, messages};
use crate::conversation::id::Id;
use crate::conversation::model::AuthorKind;
use rusqlite::params;
use serde_json::Value;

/// Raises the message of the first copy, or what filing will make of it; whether there was anything to raise.
pub fn raise(writing: &Writing<'_>, first: Id, copy: &Acceptance) -> Result<bool, StoreError> {
    if !is_authentic(&copy.auth) {
        return Ok(false);
    }
    let note = "UPDATE ledger SET proof = ?1 WHERE id = ?2 AND proof IS NULL
        AND ifnull(json_extract(auth, '$.verdict'), '') <> 'authentic'";
    if writing.execute(note, params![Json(&copy.auth), first])? == 0 {
        return Ok(false);
    }
    let mut find =
        writing.connection.prepare_cached("SELECT conversation_id, stored_message_id FROM ledger WHERE id = ?")?;
    let (conversation, message): (Option<Id>, Option<Id>) =
        find.query_row([first], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let (Some(conversation), Some(message)) = (conversation, message) {
        of_message(writing, conversation, message, &copy.auth)?;
    }
    Ok(true)
}

fn of_message(writing: &Writing<'_>, conversation: Id, message: Id, auth: &Value) -> Result<(), StoreError> {
    let raise = "UPDATE messages SET email = json_set(email, '$.auth', json(?)) WHERE id = ? AND email IS NOT NULL
        AND ifnull(json_extract(email, '$.auth.verdict'), '') <> 'authentic'";
    if writing.execute(raise, params![Json(auth), message])? == 0 {
        return Ok(());
    }
    let stored = messages::message(writing.connection, message)?;
    let author = stored.author.email.as_deref().map(email_key).filter(|_| stored.author.kind == AuthorKind::Contact);
    if let (Some(author), Some(email)) = (author, &stored.email)
        && claims::is_proof(email, &author)
    {
        claims::prove(writing, conversation, &author)?;
    }
    let (kind, detail) = (EventKind::ConversationChanged, serde_json::json!({"verdict": "authentic"}));
    events::record(writing, &Happening { kind, conversation, message: Some(message), entry: None, detail })
}

fn is_authentic(auth: &Value) -> bool {
    auth.get("verdict").and_then(Value::as_str) == Some("authentic")
}
