//! How many mails the chats of an account may cause together. Anybody may begin a chat and type any address into it, so what
//! one conversation may send is not enough of a bound: many of them would fill a stranger's mailbox, or an agent's.

use super::super::StoreError;
use super::enqueue::Mail;
use super::units::Writing;
use super::words::Stored;
use crate::conversation::delivery::{MailKind, RecipientKind, too_many_of_chats_words};
use crate::conversation::model::Channel;
use crate::limits::{CHAT_NOTIFICATIONS_PER_HOUR_MAX, CLAIMED_MAILS_PER_HOUR_MAX};
use rusqlite::params;

/// Why this mail has to be held; `None`: it may go.
pub fn spent(writing: &Writing<'_>, account: &str, mail: &Mail<'_>) -> Result<Option<String>, StoreError> {
    let most = match (mail.kind, mail.recipient_kind) {
        (MailKind::Answer, RecipientKind::Contact) if is_claim(writing, mail)? => CLAIMED_MAILS_PER_HOUR_MAX,
        (MailKind::Notification, RecipientKind::Agent) if is_chat(writing, mail)? => CHAT_NOTIFICATIONS_PER_HOUR_MAX,
        _ => return Ok(None),
    };
    let is_spent = of_the_hour(writing, account, mail, most)? >= most;
    Ok(is_spent.then(|| too_many_of_chats_words(mail.kind, mail.recipient, most)))
}

fn is_claim(writing: &Writing<'_>, mail: &Mail<'_>) -> Result<bool, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT 1 FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE c.id = ? AND k.claimed_email = ?",
    )?;
    Ok(find.exists(params![mail.conversation, mail.recipient])?)
}

fn is_chat(writing: &Writing<'_>, mail: &Mail<'_>) -> Result<bool, StoreError> {
    let mut find = writing.connection.prepare_cached("SELECT 1 FROM conversations WHERE id = ? AND channel = ?")?;
    Ok(find.exists(params![mail.conversation, Stored(Channel::Widget)])?)
}

/// Mails of chats to this recipient that were on their way within the hour, counted up to `most`.
fn of_the_hour(writing: &Writing<'_>, account: &str, mail: &Mail<'_>, most: usize) -> Result<usize, StoreError> {
    let mut count = writing.connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM queue q JOIN conversations c ON c.id = q.conversation_id
           WHERE q.account = ? AND q.recipient = ? AND q.created_at >= ? AND q.kind = ? AND q.state <> 'waiting'
             AND c.channel = ? LIMIT ?)",
    )?;
    let since = writing.now.0 - HOUR_MS;
    let key = params![account, mail.recipient, since, Stored(mail.kind), Stored(Channel::Widget), most];
    Ok(count.query_row(key, |row| row.get(0))?)
}

const HOUR_MS: i64 = 3_600_000;
