//! Why an agent's message has no mail, where that is a standing fact: whoever reads its delivery sees more than that it waits.

use super::super::StoreError;
use super::words::Json;
use crate::conversation::continuity::Reason;
use crate::conversation::delivery::{Delivery, DeliveryState, MailChoice, Posting};
use crate::conversation::model::{AuthorKind, Message};
use rusqlite::{Connection, OptionalExtension};

/// The delivery of a message that no mail has; `None` where nothing stands against one.
pub fn delivery(connection: &Connection, message: &Message) -> Result<Option<Delivery>, StoreError> {
    let is_told = message.seen_at.is_some() || message.held_until.is_some();
    if message.author.kind != AuthorKind::Agent || is_told {
        return Ok(None);
    }
    Ok(reason(connection, message)?.map(|reason| Delivery {
        state: DeliveryState::Waiting,
        held: false,
        due_at: None,
        attempts: 0,
        remote: None,
        remote_reply: None,
        tls: None,
        last_attempt_at: None,
        reason: Some(reason.to_string()),
        uncertain: false,
        bounced_at: None,
        bounce_diagnostic: None,
        message_id: None,
    }))
}

fn reason(connection: &Connection, message: &Message) -> Result<Option<Reason>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT m.posting, ifnull(k.claimed_email, k.email) IS NOT NULL, c.mail_off
         FROM messages m JOIN conversations c ON c.id = m.conversation_id JOIN contacts k ON k.id = c.contact_id
         WHERE m.id = ? AND m.posting IS NOT NULL",
    )?;
    let found = find.query_row([message.id], |row| Ok((row.get::<_, Json<Posting>>(0)?.0, row.get(1)?, row.get(2)?)));
    let Some((posting, has_address, mail_off)): Option<(Posting, bool, bool)> = found.optional()? else {
        return Ok(None);
    };
    Ok(match posting {
        Posting { mail: MailChoice::Never, .. } => Some(Reason::NotByMail),
        Posting { to_contact: None, .. } => Some(Reason::ContinuityOff),
        _ if !has_address => Some(Reason::NoAddress),
        _ if mail_off => Some(Reason::MailOff),
        _ => None,
    })
}
